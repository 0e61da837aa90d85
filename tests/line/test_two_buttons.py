# SPDX-License-Identifier: Apache-2.0
"""One series to two buttons with one app: two jobs, and one content under each UID, wherever they deliver."""

from pathlib import Path

import pytest
from builders import ct_series
from gateway_process import Gateway
from pydicom import dcmread

APP = Path(__file__).parents[1] / "operators" / "apps" / "profiled"
TABLES = f"""
[[destination]]
name = "first"
kind = "folder"
path = "first"
clinical = false
[[destination]]
name = "second"
kind = "folder"
path = "second"
clinical = false
[[app]]
name = "profiled"
path = "{APP}"
runner = "warm"
"""
ROUTE = """
[[route]]
called_ae_title = "{}"
app = "profiled"
profile = "bright"
destinations = {}
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A gateway that had one series on button ONE, a moment later on TWO, which delivers elsewhere, too."""
    folder = tmp_path_factory.mktemp("buttons")
    routes = ROUTE.format("ONE", '["first"]') + ROUTE.format("TWO", '["first", "second"]')
    gateway = Gateway(folder / "gateway", TABLES + routes)
    gateway.start()
    paths = ct_series(folder / "ct", slices=3)
    for number, button in enumerate(("ONE", "TWO"), start=1):
        assert gateway.send(paths, called=button) == {path.name for path in paths}
        gateway.wait_ended(number, seconds=280)
    yield gateway
    gateway.kill()


def test_the_second_button_finds_its_results_there(done):
    assert done.statuses() == ["delivered", "delivered"], done.events()


def test_a_uid_stands_for_one_content_everywhere(done):
    first, second = (
        {path.name: path.read_bytes() for path in (done.folder / name).rglob("*.dcm")}
        for name in ("first", "second")
    )
    assert first == second != {}
    own = [dcmread(path).ContentTime for path in sorted(done.storage.glob("jobs/*/1/output/*.dcm"))]
    assert len(set(own)) == 2  # each job's own file says when its job was made
