# SPDX-License-Identifier: Apache-2.0
"""kill -9 of an app's processes at random moments: the job is tried again, and delivered once."""

import os
import random
import signal
import threading
import time

import psutil
import pytest
from gateway_process import Gateway
from killed_line import Line, measured_length

pytestmark = [pytest.mark.orthanc, pytest.mark.timeout(900)]

MOMENTS = 6


@pytest.fixture
def line(tmp_path):
    line = Line(tmp_path, "dicomweb", options='environment = { SLEEP_S = "0.5" }')
    yield line
    line.close()


def kill_apps(gateway: Gateway) -> int:
    """SIGKILL to every process that the gateway has started, apps and what keeps them; how many there were."""
    assert gateway.process is not None
    killed = 0
    for process in psutil.Process(gateway.process.pid).children(recursive=True):
        try:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        except ProcessLookupError:
            pass
    return killed


def test_the_worker_killed_at_random_moments(line):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    length = measured_length(line)
    line.gateway.start()
    killed = []
    for _ in range(MOMENTS):
        moment = moments.uniform(0, length)
        killer = threading.Timer(moment, lambda: killed.append(kill_apps(line.gateway)))
        killer.start()
        line.send()
        killer.join()
        time.sleep(max(0.0, length - moment))
    line.gateway.wait_ended(count=len(line.sent))
    assert any(killed), "no app was running at any of the moments"
    line.gateway.stop()
    line.finish()
    assert sum("The app's process died" in text for text in line.gateway.events()) >= 1
