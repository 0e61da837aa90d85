# SPDX-License-Identifier: Apache-2.0
"""The walks of docs/research.md with a real browser, the real gateway's pages and a real Orthanc."""

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from builders import ct_series
from gateway_process import GANTRY, Gateway
from orthanc import Orthanc
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from pydicom import dcmread

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "promises"))
from documented import commands, key  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.orthanc, pytest.mark.timeout(180)]

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PATIENT = {"PatientName": "Nightingale^Florence", "patient_id": "HOSP-4711"}
WAITS_MS = 60_000
BUTTON = f"""
[[app]]
name = "torch_free"
path = "{ROOT / "tests" / "operators" / "apps" / "torch_free"}"
[[route]]
called_ae_title = "LUNGS"
app = "torch_free"
destinations = ["research-archive"]
"""


@pytest.fixture(scope="module")
def gateway(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A running gateway whose one destination is Orthanc."""
    orthanc.clear()
    folder = tmp_path_factory.mktemp("walks")
    tables = orthanc.destination(name="research-archive") + BUTTON
    started = Gateway(folder, tables, environment=orthanc.environment)
    started.start()
    with httpx.Client(transport=httpx.HTTPTransport(retries=6)) as client:
        client.get(f"http://127.0.0.1:{started.web_port}/healthz")  # the page comes after the receiver
    yield started
    started.stop()


@pytest.fixture(scope="module")
def page(gateway: Gateway) -> Iterator[Page]:
    """A tab of a real browser."""
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        tab = browser.new_page(base_url=f"http://127.0.0.1:{gateway.web_port}")
        tab.set_default_timeout(WAITS_MS)
        yield tab
        browser.close()


def pictures(folder: Path) -> Path:
    """A folder with a JPEG, a PNG, a BMP and a NIfTI file."""
    import nibabel

    folder.mkdir()
    grey = np.random.default_rng(0).integers(0, 255, (12, 16), np.uint8)
    for name in ("a.jpg", "b.png", "c.bmp"):
        Image.fromarray(grey).save(folder / name)
    volume = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([1.0, 1.0, 2.5, 1.0])), folder / "d.nii.gz")
    return folder


def finished(page: Page) -> str:
    """What the page of the work says once it is done."""
    page.locator("h1 .word.delivered, h1 .word.failed").wait_for()
    return " ".join(page.locator("main").inner_text().split())


def test_a_folder_of_pictures_and_volumes_lands_in_orthanc(
    page: Page, orthanc: Orthanc, tmp_path: Path
) -> None:
    page.goto("/research/convert")
    page.locator("[name=folder_files]").set_input_files(pictures(tmp_path / "pictures"))
    page.get_by_label("Modality").select_option("MR")
    page.get_by_label("PatientID").fill("STUDY-1")
    page.locator("[name=to][value=research-archive]").check()
    page.get_by_role("button", name="Convert").click()
    said = finished(page)
    assert "Series 4" in said
    assert "Arrived 10 of 10 in research-archive (found by /tools/find)" in said
    stored = orthanc.instances(PatientID="STUDY-1")
    assert len(stored) == 10
    files = [dcmread(io.BytesIO(orthanc.file(each["SOPInstanceUID"]))) for each in stored]
    assert len({str(each.SeriesInstanceUID) for each in files}) == 4
    assert {each.Modality for each in files} == {"MR"}


def test_a_folder_loses_its_patients_twice_under_the_same_pseudonyms(
    page: Page, orthanc: Orthanc, gateway: Gateway, tmp_path: Path
) -> None:
    ct_series(tmp_path / "in" / "one", slices=2, **PATIENT)
    ct_series(tmp_path / "in" / "two", slices=2, PatientName="Other^One", patient_id="HOSP-2")
    rows = []
    for number in (1, 2):
        table = tmp_path / "chosen" / f"mapping-{number}.csv"
        page.goto("/research/deidentify")
        page.locator("[name=folder_files]").set_input_files(tmp_path / "in")
        page.locator("[name=key]").fill(str(tmp_path / "study.key"))
        page.locator("[name=new_key]").check()
        page.locator("[name=mapping][value=file]").check()
        page.locator("[name=csv]").fill(str(table))
        page.locator("[name=to][value=research-archive]").check()
        page.get_by_role("button", name="De-identify").click()
        said = finished(page)
        assert "Files that went out 4" in said
        assert "Arrived 4 of 4 in research-archive" in said
        rows.append(list(csv.DictReader(table.read_text().splitlines())))
    assert rows[0] == rows[1]
    assert [row["patient_id"] for row in sorted(rows[0], key=lambda row: row["patient_id"])] == [
        "HOSP-2",
        "HOSP-4711",
    ]
    for row in rows[0]:
        stored = orthanc.instances(PatientID=row["pseudonym"])
        assert len(stored) == 2
        for each in stored:
            assert b"Nightingale" not in (file := orthanc.file(each["SOPInstanceUID"]))
            assert b"HOSP" not in file
    assert not any(name in gateway.log for name in ("Nightingale", "HOSP-"))


def zipped(folder: Path, name: str, files: list[Path]) -> Path:
    """A zip as an archive exports it."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", "not DICOM")
        for path in files:
            archive.write(path, f"DICOM/{path.name}")
    return folder / name


def test_the_commands_of_the_page_send_zips(orthanc: Orthanc, gateway: Gateway, tmp_path: Path) -> None:
    uids = set()
    for number in range(3):
        files = ct_series(tmp_path / f"{number}", slices=3, patient_id=f"Z{number}")
        uids |= {str(dcmread(path).SOPInstanceUID) for path in files}
        zipped(tmp_path / "zips", f"{number}.zip", files)
    export = zipped(tmp_path, "export.zip", ct_series(tmp_path / "more", slices=5))
    where = {"path/to/zips": tmp_path / "zips", "path/to/export.zip": export}
    sent = [
        send([str(where.get(word, word)) for word in words[1:]], gateway, orthanc)
        for words in commands(ROOT / "docs" / "research.md")
        if key(words) == "gantry send"
    ]
    assert [(each["instances"], each["present"], each["skipped"]) for each in sent] == [(9, 9, 3), (5, 5, 1)]
    stored = [each for number in range(3) for each in orthanc.instances(PatientID=f"Z{number}")]
    assert {each["SOPInstanceUID"] for each in stored} == uids
    gateway.wait(lambda jobs: len(jobs) == 1)


def send(words: list[str], gateway: Gateway, orthanc: Orthanc) -> dict[str, Any]:
    """What a command answers."""
    done = subprocess.run(
        [GANTRY, *words, "--json"],
        env=os.environ | orthanc.environment | {"GANTRY_CONFIG": str(gateway.config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
