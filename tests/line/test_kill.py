# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the gateway at every step of the line: nothing acknowledged is lost, nothing is delivered twice."""

import pytest
from killed_line import Line

pytestmark = [pytest.mark.orthanc, pytest.mark.timeout(900)]

# For the points that only one protocol passes, the other one's test leaves them out.
STEPS = [
    "association", "instance", "journal", "taken in", "seal", "queue", "begin", "execute", "executed", "validated",
    "begin sending", "send by {kind}", "proof", "delivered",
]  # fmt: skip


@pytest.fixture(params=["dicomweb", "dimse"])
def line(request, tmp_path):
    line = Line(tmp_path, request.param)
    yield line
    line.close()


def test_killed_at_every_step(line):
    """Before and after each durable step; each start of the gateway but the last ends at the next step."""
    for point in STEPS:
        for when in ("before", "after"):
            line.gateway.start(point.format(kind=line.kind), when)
            line.send()
            line.gateway.process.wait(60)
            assert line.gateway.process.returncode == -9, (
                f"{point} was not passed:\n{line.gateway.log[-3000:]}"
            )
    line.finish()
