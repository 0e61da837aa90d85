# SPDX-License-Identifier: Apache-2.0
"""`gantry serve` hears every SIGTERM, whatever its main thread does when it arrives."""

import subprocess
import sys

# A child sends one signal for each byte it gets, a moment later: some arrive while the main thread takes the
# locks of its wait.
SCRIPT = """
import os, random, signal
from informatics_gateway.cli.serving import StopSignals

told = StopSignals()
orders, ask = os.pipe()
parent = os.getpid()
if os.fork() == 0:
    os.close(ask)
    while os.read(orders, 1):
        for _ in range(random.randrange(400)):
            pass
        os.kill(parent, signal.SIGTERM)
    os._exit(0)
for _ in range(500):
    os.write(ask, b"x")
    assert told.wait() == signal.SIGTERM
"""


def test_no_signal_is_lost_and_none_locks_it_up():
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=subprocess.PIPE, text=True) as process:
        try:
            _, errors = process.communicate(timeout=240)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 0, errors
