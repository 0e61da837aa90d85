# SPDX-License-Identifier: Apache-2.0
"""Folders and zips are sent whole and counted: to an Orthanc, by C-STORE, into a folder, through the command."""

import json
import os
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
import receivers
import typer
from builders import CT_IMAGE, ct_series, mr_series
from gateway_process import GANTRY
from http_archive import Answer, Request, files_in, http_archive
from orthanc import Orthanc
from pydicom import dcmread
from pynetdicom import AE, evt

from informatics_gateway.cli.output import interruptible, say
from informatics_gateway.config import Config, DicomwebDestination, DimseDestination, FolderDestination, load
from informatics_gateway.errors import DestinationRefused, DestinationUnavailable
from informatics_gateway.sending import send
from informatics_gateway.sending.addressee import (
    HalfCredentials,
    NoSuchButton,
    NoSuchDestination,
    find_destination,
    to_button,
)


def zipped(path: Path, files: list[Path]) -> Path:
    """A zip of the files, under paths that would do harm if they were used."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for index, file in enumerate(files):
            archive.write(file, f"../../etc/{index}/{file.name}")
    return path


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """Two zips of a study each, a loose series, and what is no DICOM."""
    folder = tmp_path_factory.mktemp("tree")
    source = tmp_path_factory.mktemp("source")
    for name in ("a", "b"):
        files = ct_series(source / name, slices=4, patient_id=name)
        (source / name / "notes.txt").write_text("not DICOM")
        zipped(folder / f"{name}.zip", [*files, source / name / "notes.txt"])
    ct_series(folder / "loose", slices=3, patient_id="c")
    (folder / "README").write_text("not DICOM")
    return folder


def dicomweb(orthanc: Orthanc, url: str, monkeypatch) -> DicomwebDestination:
    for name, value in orthanc.environment.items():
        monkeypatch.setenv(name, value)
    return DicomwebDestination(
        kind="dicomweb", name="archive", url=url, username=orthanc.username, password_env="ORTHANC_PASSWORD"
    )


def test_an_orthanc_has_every_instance_of_folders_and_zips(tree, orthanc, monkeypatch):
    orthanc.clear()
    seen = []
    destination = dicomweb(orthanc, orthanc.dicomweb_url, monkeypatch)
    sent = send([tree], destination, lambda done, total: seen.append((done, total)))
    assert sent.complete
    assert (sent.instances, sent.present, sent.series, sent.studies, sent.skipped) == (11, 11, 3, 3, 3)
    assert sent.proof == "found by /tools/find"
    assert len(orthanc.instances()) == 11
    assert seen[-1] == (14, 14)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    again = send([tree / "a.zip", tree / "a.zip"], destination)
    assert (again.present, again.repeated, again.complete) == (4, 4, True)
    assert len(orthanc.instances()) == 11


def test_another_content_under_a_known_uid_is_refused_and_stays_out(tmp_path, orthanc, monkeypatch):
    orthanc.clear()
    uids = {"study": "2.25.11", "series": "2.25.12"}
    ct_series(tmp_path / "one", slices=2, **uids)
    other = ct_series(tmp_path / "other", slices=2, StudyDescription="Another", **uids)
    destination = dicomweb(orthanc, orthanc.dicomweb_url, monkeypatch)
    assert send([tmp_path / "one"], destination).complete
    sent = send([tmp_path / "other"], destination)
    assert not sent.complete
    assert len(sent.failed) == 2
    assert all("another content" in sentence for sentence in sent.failed)
    assert (sent.instances, sent.present) == (2, 0)
    both = send([tmp_path], FolderDestination(kind="folder", name="f", path=tmp_path / "out"))
    assert (both.instances, len(both.failed)) == (2, 2)
    assert other[0].name in " ".join(both.failed)


def test_stow_rs_and_qido_rs_where_no_orthanc_answers_at_the_root(tree, orthanc, monkeypatch):
    orthanc.clear()
    from informatics_gateway.destinations import orthanc as module

    monkeypatch.setattr(module.Orthanc, "is_there", lambda self: False)
    sent = send([tree], dicomweb(orthanc, orthanc.dicomweb_url, monkeypatch))
    assert sent.complete
    assert (sent.present, sent.proof) == (11, "listed by QIDO-RS")
    assert len(orthanc.instances()) == 11
    assert send([tree], dicomweb(orthanc, orthanc.dicomweb_url, monkeypatch)).complete


def test_c_store_is_counted_by_c_find(tree, orthanc):
    orthanc.clear()
    orthanc.add_modality("GANTRY", 104)
    to = DimseDestination(
        kind="dimse", name="pacs", host=orthanc.host, port=orthanc.dicom_port, ae_title=orthanc.aet
    )
    sent = send([tree], to)
    assert sent.complete
    assert (sent.present, sent.proof) == (11, "listed by C-FIND")
    assert len(orthanc.instances()) == 11


def test_a_folder_gets_files_named_by_their_uids(tree, tmp_path):
    to = FolderDestination(kind="folder", name="folder", path=tmp_path / "out")
    assert send([tree], to).complete
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == 11
    assert {path.suffix for path in files} == {".dcm"}
    assert send([tree], to).present == 11
    files[0].unlink()
    assert send([tmp_path / "out"], to).present == 10


def test_a_destination_that_is_down_is_tried_again_and_then_named(tree, monkeypatch):
    waits = []
    monkeypatch.setattr("informatics_gateway.sending.sender.time.sleep", waits.append)
    to = DicomwebDestination(kind="dicomweb", name="away", url="http://127.0.0.1:9/dicom-web")
    with pytest.raises(DestinationUnavailable) as error:
        send([tree], to)
    assert "send again" in error.value.hint
    assert set(waits) == {0.5, 1.0, 2.0, 4.0}


def test_the_command_sends_counts_and_says_so(tree, orthanc):
    orthanc.clear()
    command = [GANTRY, "send", str(tree), "--to", orthanc.url, "--username", orthanc.username]
    environment = os.environ | orthanc.environment
    done = subprocess.run(
        [*command, "--password-env", "ORTHANC_PASSWORD", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["present"] == 11
    assert len(orthanc.instances()) == 11


def test_a_server_that_falters_gets_everything_and_one_that_loses_is_found_out(tree, monkeypatch):
    monkeypatch.setattr("informatics_gateway.sending.sender.time.sleep", lambda _: None)
    kept: set[str] = set()
    stumbles = iter([503, 503, 502, 429])

    def answer(request: Request) -> Answer:
        if request.path.endswith("/system"):
            return Answer(404)
        if request.method == "POST":
            status = next(stumbles, 200)
            if status == 200:
                kept.update(str(dcmread(BytesIO(file)).SOPInstanceUID) for file in files_in(request))
            return Answer(status)
        listed = sorted(kept)[1:] if "offset=0" in request.path else []
        return Answer(200, json.dumps([{"00080018": {"Value": [uid]}} for uid in listed]).encode())

    with http_archive(answer) as archive:
        to = DicomwebDestination(kind="dicomweb", name="falters", url=archive.url)
        sent = send([tree / "a.zip"], to)
    assert len(kept) == 4
    assert (sent.instances, sent.present, sent.complete) == (4, 3, False)
    assert sent.missing == (min(kept),)


def test_a_refusal_of_one_instance_stops_only_this_one_and_of_all_stops(tree):
    def refuse(status: int):
        return lambda request: Answer(404 if request.path.endswith("/system") else status)

    with http_archive(refuse(415)) as archive:
        sent = send([tree / "a.zip"], DicomwebDestination(kind="dicomweb", name="x", url=archive.url))
        assert (sent.present, len(sent.failed)) == (0, 4)
    with http_archive(refuse(401)) as archive, pytest.raises(DestinationRefused, match="401"):
        send([tree / "a.zip"], DicomwebDestination(kind="dicomweb", name="x", url=archive.url))


def test_an_ae_that_does_not_take_a_sop_class_gets_the_others(tmp_path):
    ct_series(tmp_path / "ct", slices=2)
    mr_series(tmp_path / "mr", slices=2)
    ae = AE("CTONLY")
    ae.add_supported_context(CT_IMAGE)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _: 0)])
    try:
        port = server.socket.getsockname()[1]
        to = DimseDestination(kind="dimse", name="ct", host="127.0.0.1", port=port, ae_title="CTONLY")
        sent = send([tmp_path], to)
    finally:
        server.shutdown()
    assert (sent.present, sent.instances, sent.proof) == (2, 4, "its responses to C-STORE")
    assert len(sent.failed) == 2
    assert all("none of what is needed" in sentence for sentence in sent.failed)


def test_a_button_of_the_gateway_gets_whole_series(tree, tmp_path):
    config = receivers.settings(tmp_path / "storage")
    with receivers.running(config) as running:
        dicom = config.dicom.model_copy(update={"port": running.receiver.port})
        to, calling = to_button("LUNGS", config.model_copy(update={"dicom": dicom}))
        sent = send([tree], to, ae_title=calling)
        running.heard.wait(lambda heard: heard.ends)
    assert (sent.present, sent.complete, sent.proof) == (11, True, "its responses to C-STORE")
    assert len(running.heard.arrivals) == 11
    assert running.heard.released == [True]


CONFIG = """
[[destination]]
name = "folder"
kind = "folder"
path = "out"
clinical = false
[[app]]
name = "app"
path = "."
[[source]]
ae_title = "AWAY"
host = "10.0.0.1"
[[source]]
ae_title = "HERE"
host = "127.0.0.1"
[[route]]
called_ae_title = "LUNGS"
app = "app"
destinations = ["folder"]
"""


def test_what_to_names(tmp_path):
    path = tmp_path / "gantry.toml"
    path.write_text(CONFIG)
    assert find_destination("folder", path) == (load(path).destinations[0], "GANTRY")
    orthanc, _ = find_destination("http://127.0.0.1:8042/", path)
    assert isinstance(orthanc, DicomwebDestination)
    assert orthanc.url == "http://127.0.0.1:8042/dicom-web"
    other, _ = find_destination("https://pacs.example/wado/rs", path)
    assert isinstance(other, DicomwebDestination)
    assert other.url == "https://pacs.example/wado/rs"
    button, calling = to_button("LUNGS", load(path))
    assert (button.ae_title, button.port, button.proof, calling) == ("LUNGS", 11112, "response", "HERE")
    assert find_destination("http://[::1]:8042", path)[0].name == "archive"
    for wrong in (
        "nothing",
        "ftp://x",
        "http://user:secret@host",
        "http://me@host",
        "http://h:99999",
        "http://[",
    ):
        with pytest.raises(NoSuchDestination) as error:
            find_destination(wrong, path)
        assert "secret" not in str(error.value)
    for to, credentials in (
        ("http://h", ("me", None)),
        ("http://h", (None, "PASS")),
        ("folder", ("me", "PASS")),
    ):
        with pytest.raises(HalfCredentials):
            find_destination(to, path, *credentials)
    for config in (load(path), Config()):
        with pytest.raises(NoSuchButton):
            to_button("OTHER", config)


def test_ctrl_c_says_what_is_there_and_what_to_do(capsys):
    with pytest.raises(typer.Exit) as ended, interruptible("What had been sent is there."):
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    assert "What had been sent is there.\nRun it again" in capsys.readouterr().err


def test_a_terminal_does_not_obey_what_a_file_is_called(capsys):
    say("ct\x1b]0;owned\x07\x9b31m [bold] 心.dcm")
    assert capsys.readouterr().out == "ct\ufffd]0;owned\ufffd\ufffd31m [bold] 心.dcm\n"
