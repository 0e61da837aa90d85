# SPDX-License-Identifier: Apache-2.0
"""The pages of a real `gantry serve`, after real senders came, in a real Chromium."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from builders import ct_series, mr_series
from gateway_process import Gateway
from playwright.sync_api import sync_playwright

pytestmark = pytest.mark.browser

APP = Path(__file__).parents[1] / "operators" / "apps" / "torch_free"
CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = '"><script>window.hostile=1;alert(1)</script><img src=x>'
TABLES = f"""
[[destination]]
name = "files"
kind = "folder"
path = "results"
clinical = false
[[app]]
name = "torch_free"
path = "{APP}"
[[route]]
called_ae_title = "LUNGS"
series = {{ Modality = "CT" }}
app = "torch_free"
destinations = ["files"]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that has delivered one job, holds one series back and turned one caller away."""
    for program, package in ((CHROMIUM, "Chromium"), (Path("/usr/bin/storescu"), "DCMTK")):
        if not program.exists():
            pytest.skip(f"{package} is not installed: apt-get install {package.lower()}")
    folder = tmp_path_factory.mktemp("page")
    gateway = Gateway(folder, TABLES)
    gateway.start()
    try:
        series = ct_series(folder / "ct", SeriesDescription=HOSTILE, PatientName="Nightingale^Florence")
        assert len(gateway.send(series)) == len(series)
        gateway.wait_ended()
        gateway.send(mr_series(folder / "mr", slices=2, SeriesDescription=HOSTILE))
        gateway.send(series[:1], calling="<b>NOBODY</b>")
        _wait_for(gateway, "/api/quarantine")
        yield gateway
    finally:
        gateway.stop()


def _wait_for(gateway: Gateway, path: str) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(retries=6)) as client:
        for _ in range(400):
            if client.get(f"http://127.0.0.1:{gateway.web_port}{path}").json():
                return
    raise AssertionError(gateway.log)


@pytest.fixture(scope="module")
def said(gateway: Gateway) -> dict[str, str]:
    """What each page says in Chromium; a dialog, a script that ran or a message on the console fails."""
    wrong: list[str] = []
    with sync_playwright() as playwright:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page()
        page.on("dialog", lambda dialog: (wrong.append("dialog"), dialog.dismiss()))
        page.on("console", lambda message: wrong.append(message.text))
        texts = {}
        for path in ("/", "/jobs/1"):
            page.goto(f"http://127.0.0.1:{gateway.web_port}{path}", wait_until="load")
            texts[path] = page.inner_text("main")
            assert page.evaluate("window.hostile") is None
        browser.close()
    assert wrong == []
    return texts


def test_a_series_description_with_a_script_tag_is_text(said):
    assert HOSTILE in said["/"]
    assert HOSTILE in said["/jobs/1"]


def test_the_job_is_shown_with_what_became_of_it(gateway, said):
    assert gateway.statuses() == ["delivered"]
    assert "delivered" in said["/"]
    for event in gateway.events(1):
        assert event in said["/jobs/1"]
    for result in gateway.cli("jobs", "show", "1", "--json")["results"]:
        assert result["sop_instance_uid"] in said["/jobs/1"]


def test_who_was_turned_away_and_what_is_held_back_is_shown(said):
    assert "<b>NOBODY</b>" in said["/"]
    assert "[[source]]" in said["/"]
    assert "gantry quarantine release" in said["/"]
    assert "Modality" in said["/"]


def test_no_page_names_the_patient(said):
    assert "nightingale" not in "".join(said.values()).lower()
    assert "florence" not in "".join(said.values()).lower()


def test_the_gateway_is_ready(gateway):
    url = f"http://127.0.0.1:{gateway.web_port}"
    assert httpx.get(f"{url}/readyz").json() == {"status": "ready", "reasons": []}
    assert httpx.get(f"{url}/healthz").json()["ae_title"] == "GANTRY"
    assert httpx.get(f"{url}/jobs/1/picture.png").content.startswith(b"\x89PNG")
