# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the gateway at random moments: nothing acknowledged is lost, nothing is delivered twice."""

import random
import threading

import pytest
from killed_line import Line, measured_length

pytestmark = [pytest.mark.orthanc, pytest.mark.timeout(900)]

RANDOM_MOMENTS = 50


@pytest.fixture
def line(tmp_path):
    line = Line(tmp_path, "dicomweb")
    yield line
    line.close()


def test_killed_at_random_moments(line):
    """The moments are drawn over the measured length of a job, from the first byte sent to the last proof."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    length = measured_length(line)
    for _ in range(RANDOM_MOMENTS):
        line.gateway.start()
        killer = threading.Timer(moments.uniform(0, length), line.gateway.kill)
        killer.start()
        line.send()
        killer.join()
    line.finish()
