# SPDX-License-Identifier: Apache-2.0
"""The pages that convert and de-identify: what they take, what they refuse, where things go, what is left behind."""

import csv
import io
import os
import re
import time
import zipfile
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import ct_series
from fastapi import HTTPException
from PIL import Image
from pydicom import dcmread
from seeded import Site, configuration, site
from starlette.formparsers import MultiPartParser
from starlette.testclient import TestClient

from imaging_data.deidentify import Key
from informatics_gateway.store import Journal, Store
from informatics_gateway.web.app import create_app
from informatics_gateway.web.research import plans, uploads
from informatics_gateway.web.research.forms import local_only
from informatics_gateway.web.research.outcome import CSV

FORMS = {"convert": "/research/convert", "deidentify": "/research/deidentify"}
NAMES = ("Nightingale", "HOSP-4711")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("research")
    care = {"name": "care", "kind": "folder", "path": "care", "clinical": True}
    mine = {"name": "archive", "kind": "folder", "path": "results", "clinical": False}
    with site(folder, config=configuration(folder, destination=[care, mine])) as served:
        yield served


def token(served: Site, form: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', served.text(FORMS[form]))
    assert found
    return found[1]


def post(served: Site, form: str, files: dict[str, bytes] | None = None, **fields: str):
    """The answer to a filled-in form, with the Origin that a browser sends."""
    parts = [("files", (name, content)) for name, content in (files or {}).items()]
    fields = {"token": token(served, form), "profile": "basic"} | fields
    none = None if parts else [("files", ("", b""))]  # what a browser sends when nothing is chosen
    return served.client.post(FORMS[form], data=fields, files=parts or none, headers={"Origin": served.url})


def ended(served: Site, answer) -> str:
    """The page of the work that was begun, once it has ended."""
    assert answer.status_code == 303, answer.text
    deadline = time.monotonic() + 60
    while "under way" in (page := served.text(answer.headers["location"])):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return page


def words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.split("<main", 1)[1])).split())


def picture(kind: str) -> bytes:
    content = io.BytesIO()
    Image.effect_noise((24, 16), 40).convert("L").save(content, kind)
    return content.getvalue()


def patient(folder: Path) -> dict[str, bytes]:
    paths = ct_series(folder, slices=2, PatientName=f"{NAMES[0]}^F", patient_id=NAMES[1])
    return {path.name: path.read_bytes() for path in paths}


def test_pictures_and_zips_become_dicom_in_the_chosen_place(served, tmp_path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("../../a.bmp", picture("BMP"))
        zipped.writestr("notes.txt", "text")
        zipped.writestr("damaged.bmp", picture("BMP"), zipfile.ZIP_STORED)
    content = archive.getvalue()
    damaged = content[: content.rfind(b"BM") + 60] + b"damaged" + content[content.rfind(b"BM") + 67 :]
    files = {
        "more.zip": damaged,
        "one.png": picture("PNG"),
        "two.jpg": picture("JPEG"),
        "three.bmp": picture("BMP"),
    }
    out = {"to": "folder", "folder": str(tmp_path / "out")}
    page = ended(
        served, post(served, "convert", files, modality="OT", PatientID="P/1", more="StudyID=7", **out)
    )
    made = [dcmread(path) for path in (tmp_path / "out").rglob("*.dcm")]
    assert len(made) == 4, page
    assert {(str(each.PatientID), str(each.StudyID), each.Modality) for each in made} == {("P/1", "7", "OT")}
    said = words(page)
    assert f"Arrived 4 of 4 in {tmp_path}/out" in said
    assert "Left out more.zip/damaged.bmp A member of a zip file is refused." in said
    assert "more.zip/notes.txt" in said
    assert "00000" not in said, "nothing is left of a file that could not be read"
    assert left(served) == []


def left(served: Site) -> list[Path]:
    """Files of ended work that nobody asked to keep."""
    return [
        path
        for path in (served.config.storage.path / "research").rglob("*")
        if path.is_file() and path.name != CSV
    ]


def test_a_series_loses_its_patient_twice_in_the_same_way(served, tmp_path):
    files, key = patient(tmp_path / "in"), tmp_path / "study.key"
    for number in (1, 2):
        answer = post(
            served,
            "deidentify",
            files,
            key=str(key),
            new_key="yes",
            mapping="file",
            csv=str(tmp_path / f"{number}.csv"),
            to="archive",
            hold=str(tmp_path / "held"),
        )
        page = words(ended(served, answer))
        assert "Arrived 2 of 2 in" in page
    rows = [list(csv.reader(path.read_text().splitlines()))[1:] for path in sorted(tmp_path.glob("*.csv"))]
    assert len(rows) == 2
    assert rows[0] == rows[1]
    assert rows[0][0][1] == NAMES[1]
    results = [dcmread(path) for path in served.config.destination("archive").path.rglob("*.dcm")]
    assert {str(each.PatientID) for each in results} == {rows[0][0][0]}
    assert len(results) == 2
    assert not any(name in str(each) for each in results for name in NAMES)
    assert left(served) == []


def test_a_folder_of_this_machine_with_the_mapping_as_a_download(served, tmp_path):
    patient(tmp_path / "in")
    (tmp_path / "in" / "broken.dcm").write_bytes(next((tmp_path / "in").glob("*.dcm")).read_bytes()[:-20])
    where = {"source": str(tmp_path / "in"), "to": "folder", "folder": str(tmp_path / "out")}
    key = {"key": str(tmp_path / "study.key"), "new_key": "yes", "hold": str(tmp_path / "held")}
    page = ended(served, post(served, "deidentify", mapping="download", **where, **key))
    assert f"Files that were held back 1, in {tmp_path}/held" in words(page)
    assert "Held back broken.dcm" in words(page)
    [link] = re.findall(r'href="(/research/tasks/\w+/mapping.csv)"', page)
    answer = served.client.get(link)
    assert "attachment" in answer.headers["content-disposition"]
    assert NAMES[1] in answer.text
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 2


@pytest.mark.parametrize("form", FORMS)
def test_a_form_without_our_token_or_from_another_site_changes_nothing(served, form):
    assert post(served, form, {"a.png": b""}, token="wrong").status_code == 403
    there = {"Origin": "http://evil.example"}
    assert (
        served.client.post(FORMS[form], data={"token": token(served, form)}, headers=there).status_code == 403
    )


REFUSED = [
    ("convert", {"modality": "OT", "to": "archive"}, "at least one file"),
    ("convert", {"modality": "", "to": "archive", "file": "x.png"}, "modality"),
    ("convert", {"modality": "OT", "to": "care", "file": "x.png"}, "Choose where"),
    ("convert", {"modality": "OT", "to": "button:OTHER", "file": "x.png"}, "no such button"),
    ("convert", {"modality": "OT", "to": "folder", "folder": "relative", "file": "x.png"}, "absolute path"),
    ("convert", {"modality": "OT", "to": "archive", "more": "no equals", "file": "x.png"}, "KEYWORD=VALUE"),
    (
        "convert",
        {"modality": "OT", "to": "archive", "more": "Nonsense=1", "file": "x.png"},
        "no DICOM keyword",
    ),
    ("deidentify", {"to": "archive", "key": "/nowhere/key", "file": "x.dcm"}, "key file is not there"),
    ("deidentify", {"to": "archive", "key": "", "file": "x.dcm"}, "absolute path"),
    ("deidentify", {"to": "archive", "key": "KEY"}, "Choose files"),
    ("deidentify", {"to": "archive", "key": "KEY", "source": "/nowhere"}, "not there"),
    (
        "deidentify",
        {"to": "archive", "key": "KEY", "mapping": "file", "csv": "KEY", "file": "x"},
        "there already",
    ),
    ("deidentify", {"to": "archive", "key": "KEY", "mapping": "file", "csv": "IN", "file": "x"}, "storage"),
    (
        "deidentify",
        {"to": "archive", "key": "KEY", "profile": "/etc/passwd", "file": "x"},
        "Choose a profile",
    ),
    ("deidentify", {"to": "folder", "folder": "IN", "key": "KEY", "file": "x"}, "storage"),
]


@pytest.mark.parametrize(("form", "fields", "said"), REFUSED)
def test_what_is_wrong_with_a_form_is_said_and_nothing_is_kept(served, tmp_path, form, fields, said):
    Key.new(tmp_path / "key")
    places = {"KEY": str(tmp_path / "key"), "IN": str(served.config.storage.path / "x")}
    given = {name: places.get(value, value) for name, value in fields.items() if name != "file"}
    answer = post(served, form, {fields["file"]: b"x"} if "file" in fields else None, **given)
    assert answer.status_code == 422, answer.text
    assert said in words(answer.text)
    assert left(served) == []


def test_what_cannot_be_converted_is_said_under_the_name_that_people_know(served, tmp_path):
    out = {"to": "folder", "folder": str(tmp_path / "out")}
    page = words(ended(served, post(served, "convert", {"<b>scan.png": b"no picture"}, modality="OT", **out)))
    assert "failed" in page
    assert "<b>scan.png" in page
    assert "000001" not in page


def test_uploads_are_bounded(served, monkeypatch, tmp_path):
    out = {"to": "archive", "modality": "OT"}
    monkeypatch.setattr(uploads, "LARGEST_BODY", 1000)
    assert post(served, "convert", {"a.png": bytes(2000)}, **out).status_code == 413
    chunked = served.client.post(FORMS["convert"], content=iter([b"x"]), headers={"Origin": served.url})
    assert chunked.status_code == 411
    monkeypatch.setattr(uploads, "LARGEST_BODY", 1 << 20)
    monkeypatch.setattr(uploads, "LARGEST_INFLATED", 5000)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("zeros.png", bytes(100_000))
    answer = post(served, "convert", {"bomb.zip": archive.getvalue()}, **out)
    assert answer.status_code == 422
    assert "too large" in answer.text
    full = configuration(tmp_path, storage={"path": "storage", "reserve_gb": 1e9})
    with site(tmp_path, config=full) as other:
        answer = post(other, "convert", {"a.png": b"x"}, **out)
        assert (answer.status_code, "disk has room" in answer.text) == (507, True), (
            "the disk keeps its reserve"
        )
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    assert post(served, "convert", {f"{n}.png": b"x" for n in range(3)}, **out).status_code in (400, 422)
    assert left(served) == []


def test_many_files_are_held_neither_open_nor_in_memory(served, monkeypatch):
    monkeypatch.setattr(MultiPartParser, "spool_max_size", 1)  # Starlette would open a file for each
    held = []

    def look(form, *where):
        held.append(len(os.listdir("/proc/self/fd")))
        return uploads.save(form, *where)

    monkeypatch.setattr(plans, "save", look)
    before, files = len(os.listdir("/proc/self/fd")), {f"{number}.txt": b"text" for number in range(100)}
    page = words(ended(served, post(served, "convert", files, modality="OT", to="archive")))
    assert held[0] < before + 50
    assert "holds nothing that can be converted. The upload: No conv" in page
    for wrong in (b"no form", b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--"):
        headers = {"Origin": served.url, "Content-Type": "multipart/form-data; boundary=x"}
        assert served.client.post(FORMS["convert"], content=wrong, headers=headers).status_code in (400, 403)


def test_work_is_stopped_by_its_page_and_by_no_other(served, tmp_path):
    Key.new(tmp_path / "key")
    where = {
        "source": "/usr",
        "to": "folder",
        "folder": str(tmp_path / "out"),
        "hold": str(tmp_path / "held"),
    }
    answer = post(served, "deidentify", key=str(tmp_path / "key"), **where)  # which would take long
    stop = f"{answer.headers['location']}/stop"
    assert served.client.post(stop, data={"token": "wrong"}).status_code == 403
    assert "under way" in served.text(answer.headers["location"])
    stopped = served.client.post(stop, data={"token": token(served, "convert")})
    assert (stopped.status_code, stopped.headers["location"]) == (303, answer.headers["location"])
    said = words(ended(served, answer))
    assert "The work was stopped." in said
    assert "Nothing was sent." in said
    assert f"Results go to {tmp_path}/out What is held back is in {tmp_path}/held" in said
    assert left(served) == []


def test_work_that_nobody_knows_is_404(served):
    assert (
        served.client.post("/research/tasks/abc/stop", data={"token": token(served, "convert")}).status_code
        == 404
    )
    for path in ("/research/tasks/abc", "/research/tasks/abc/mapping.csv"):
        assert served.client.get(path).status_code == 404


@pytest.mark.parametrize("host", ["10.1.2.3", "::ffff:10.0.0.1", "testclient"])
def test_who_is_not_on_this_machine_gets_nothing(host):
    with pytest.raises(HTTPException) as error:
        local_only(SimpleNamespace(client=SimpleNamespace(host=host)))  # type: ignore[arg-type]
    assert error.value.status_code == 403
    with pytest.raises(HTTPException):
        local_only(SimpleNamespace(client=None))  # type: ignore[arg-type]


def test_the_pages_that_name_patients_do_not_answer_to_another_machine(tmp_path):
    config = configuration(tmp_path)
    with Store(config.storage.path), Journal(config.storage.path) as journal:
        app = create_app(config, journal, lambda: [])
        with TestClient(app, "http://localhost", client=("10.1.2.3", 50000)) as other:
            paths = [
                "/dataset",
                "/dataset/patient?id=x",
                "/api/dataset/patients",
                *FORMS.values(),
                "/research/tasks/x",
            ]
            assert {path: other.get(path).status_code for path in paths} == dict.fromkeys(paths, 403)
            assert other.post(FORMS["convert"], data={"token": "x"}).status_code == 403
            assert other.get("/").status_code == 200
