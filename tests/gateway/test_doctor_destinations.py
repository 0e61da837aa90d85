# SPDX-License-Identifier: Apache-2.0
"""The doctor before the archives: one setting is broken at a time, and it names that one."""

import contextlib
import gc
import os
import socket
import ssl
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from dcmtk import Storescp
from doctored import Patient
from orthanc import Orthanc, free_port
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from informatics_gateway.doctor import Check, dicomweb

PASSWORD = "GANTRY_TEST_PASSWORD"
ROOT_HINT = "root of the DICOMweb service; Orthanc's ends in /dicom-web"


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """A healthy configuration; nothing answers slowly in these tests."""
    monkeypatch.setattr(dicomweb, "PATIENCE_S", 1.0)
    return Patient(tmp_path)


@pytest.fixture(autouse=True)
def sockets_that_pynetdicom_forgets() -> Iterator[None]:
    """pynetdicom leaves closing to the garbage collector where a peer speaks no DICOM; that warns."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def look(patient: Patient, status: str, **destination: Any) -> Check:
    """The one check of this destination with this status."""
    tables = [{"name": "archive", "clinical": False, **destination}]
    route = [{"called_ae_title": "LUNGS", "app": "tool", "destinations": ["archive"]}]
    return patient.one("destination archive", status, destination=tables, route=route)


# DICOMweb, by a real Orthanc


@pytest.fixture
def web(orthanc: Orthanc, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The settings with which Orthanc is well."""
    monkeypatch.setenv(PASSWORD, orthanc.password)
    return {
        "kind": "dicomweb",
        "url": orthanc.dicomweb_url,
        "username": orthanc.username,
        "password_env": PASSWORD,
    }


@pytest.mark.orthanc
def test_a_healthy_service_is_well(patient, web):
    assert "lets itself be searched as gantry" in look(patient, "ok", **web).sentence


@pytest.mark.orthanc
def test_a_wrong_password_names_user_and_variable(patient, web, monkeypatch):
    monkeypatch.setenv(PASSWORD, "wrong")
    check = look(patient, "fail", **web)
    assert f"username 'gantry' or the password in the variable {PASSWORD} is wrong" in check.sentence
    assert "wrong-password" not in check.sentence


@pytest.mark.orthanc
def test_a_wrong_password_in_a_file_names_the_file(patient, web):
    secret = patient.folder / "secret"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    del web["password_env"]
    assert str(secret) in look(patient, "fail", **web, password_file="secret").sentence


@pytest.mark.orthanc
def test_a_password_that_others_may_read_is_named(patient, web, orthanc):
    secret = patient.folder / "secret"
    secret.write_text(orthanc.password)
    secret.chmod(0o644)
    del web["password_env"]
    assert "chmod 600" in look(patient, "warn", **web, password_file="secret").hint
    assert look(patient, "ok", **web, password_file="secret")


@pytest.mark.orthanc
def test_a_variable_that_is_not_set_is_named(patient, web, monkeypatch):
    monkeypatch.delenv(PASSWORD)
    check = look(patient, "fail", **web)
    assert f"the environment variable {PASSWORD} is not set" in check.sentence
    assert f"Set {PASSWORD}" in check.hint


@pytest.mark.orthanc
def test_a_password_file_that_is_not_there_is_named(patient, web):
    del web["password_env"]
    check = look(patient, "fail", **web, password_file="nowhere")
    assert "nowhere" in check.sentence
    assert "password_file" in check.hint


@pytest.mark.orthanc
def test_no_user_at_all_names_the_settings(patient, web):
    check = look(patient, "fail", kind="dicomweb", url=web["url"])
    assert "nothing says so" in check.sentence
    assert "password_env" in check.hint


@pytest.mark.orthanc
def test_a_wrong_token_names_its_variable(patient, web):
    check = look(patient, "fail", kind="dicomweb", url=web["url"], token_env=PASSWORD)
    assert f"the token in the variable {PASSWORD} is wrong" in check.sentence


@pytest.mark.orthanc
@pytest.mark.parametrize("path", ["", "/dicomweb", "/dicom-web/studies"])
def test_a_url_that_is_not_the_root_is_named(patient, web, orthanc, path):
    check = look(patient, "fail", **web | {"url": f"{orthanc.url}{path}"})
    assert ROOT_HINT in check.hint


@pytest.mark.orthanc
def test_https_where_there_is_http_is_named(patient, web):
    check = look(patient, "fail", **web | {"url": web["url"].replace("http:", "https:")})
    assert check.sentence.endswith("does not speak TLS.")


@pytest.mark.orthanc
def test_the_dicom_port_in_the_url_is_named(patient, web, orthanc):
    check = look(patient, "fail", **web | {"url": f"http://127.0.0.1:{orthanc.dicom_port}/dicom-web"})
    assert "`url`" in check.hint


def test_a_port_where_nobody_listens_is_named(patient):
    check = look(patient, "fail", kind="dicomweb", url=f"http://127.0.0.1:{free_port()}/dicom-web")
    assert check.sentence.endswith("cannot be reached: Connection refused.")
    assert "port of `url`" in check.hint


def test_a_host_without_an_address_is_named(patient):
    check = look(patient, "fail", kind="dicomweb", url="http://archive.invalid/dicom-web")
    assert "cannot be reached: Name or service not known" in check.sentence


# DICOMweb, by a service that answers what the test says


class Answer(BaseHTTPRequestHandler):
    """Answers every GET with the server's `status` and `headers`."""

    def do_GET(self) -> None:
        self.send_response_only(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextlib.contextmanager
def service(status: int, certificate: Path | None = None, **headers: str) -> Iterator[str]:
    """The URL of a service on a real socket."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.status = status
        server.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http{'s' * bool(certificate)}://127.0.0.1:{server.server_port}/dicom-web"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (500, {}, "500 Internal Server Error"),
        (403, {}, "nothing says so"),
        (302, {"Location": "/login"}, "redirects"),
        (200, {"Content-Type": "text/html"}, "not in DICOM JSON (text/html)"),
        (200, {}, "not in DICOM JSON (no Content-Type)"),
    ],
)
def test_each_answer_is_told_apart(patient, status, headers, said):
    with service(status, **headers) as url:
        assert said in look(patient, "fail", kind="dicomweb", url=url).sentence


@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_answer_is_well(patient, status):
    with service(status, Content_Type="application/dicom+json") as url:
        assert look(patient, "ok", kind="dicomweb", url=url)


def test_a_user_without_the_right_is_told_from_a_wrong_one(patient, monkeypatch):
    monkeypatch.setenv(PASSWORD, "right")
    with service(403) as url:
        check = look(patient, "fail", kind="dicomweb", url=url, username="u", password_env=PASSWORD)
    assert "knows who asks, and forbids it" in check.sentence


def test_clocks_that_are_apart_are_named(patient):
    with service(204, Date="Fri, 01 Jan 2010 00:00:00 GMT") as url:
        assert "clock" in look(patient, "warn", kind="dicomweb", url=url).sentence
    with service(204, Date=time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())) as url:
        assert look(patient, "ok", kind="dicomweb", url=url)


def test_a_service_that_does_not_answer_is_named(patient):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/dicom-web"
        assert "does not answer within 1 s" in look(patient, "fail", kind="dicomweb", url=url).sentence


def test_a_certificate_that_is_not_trusted_is_named(patient, tmp_path):
    pem = tmp_path / "server.pem"
    if not Path("/usr/bin/openssl").exists():
        pytest.skip("openssl is not installed: apt-get install openssl")
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost"
    subprocess.run([*made.split(), "-keyout", pem, "-out", tmp_path / "c"], check=True, capture_output=True)
    pem.write_text(pem.read_text() + (tmp_path / "c").read_text())
    with service(204, pem) as url:
        check = look(patient, "fail", kind="dicomweb", url=url)
    assert "is not trusted: self-signed certificate" in check.sentence


# DIMSE


def dimse(**settings: Any) -> dict[str, Any]:
    return {"kind": "dimse", "host": "127.0.0.1", "ae_title": "ARCHIVE"} | settings


@pytest.mark.orthanc
def test_an_archive_that_can_be_asked_is_well(patient, orthanc):
    check = look(patient, "ok", **dimse(port=orthanc.dicom_port, ae_title="ORTHANC"))
    assert check.sentence.endswith("results are proved by retrieve.")
    check = look(patient, "ok", **dimse(port=orthanc.dicom_port, ae_title="ORTHANC", proof="find"))
    assert check.sentence.endswith("results are proved by find.")


@pytest.mark.parametrize("proof", ["auto", "retrieve", "find"])
def test_an_archive_that_cannot_be_asked_names_the_proof(patient, storescp: Storescp, proof):
    settings = dimse(port=storescp.port, ae_title=storescp.aet)
    check = look(patient, "fail", **settings, proof=proof)
    assert f'proof = "{proof}" cannot be had' in check.sentence
    assert 'proof = "response"' in check.hint
    assert look(patient, "ok", **settings, proof="response")


@contextlib.contextmanager
def archive(prepare: Callable[[AE], None]) -> Iterator[int]:
    """The port of an AE called ARCHIVE that answers C-ECHO and is as `prepare` makes it."""
    ae = AE("ARCHIVE")
    ae.add_supported_context(Verification)
    prepare(ae)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def test_a_wrong_ae_title_is_named(patient):
    def strict(ae: AE) -> None:
        ae.require_called_aet = True

    with archive(strict) as port:
        check = look(patient, "fail", **dimse(port=port, ae_title="ARCHIV"))
        assert "Called AE title not recognised" in check.sentence
        assert "ae_title" in check.hint
        assert "ARCHIV" in check.hint
        assert look(patient, "ok", **dimse(port=port, proof="response"))


def test_an_archive_that_does_not_know_us_names_our_ae_title(patient):
    def choosy(ae: AE) -> None:
        ae.require_calling_aet = ["SOMEBODY"]

    with archive(choosy) as port:
        check = look(patient, "fail", **dimse(port=port))
    assert "Calling AE title not recognised" in check.sentence
    assert "GANTRY ([dicom] ae_title)" in check.hint


@pytest.mark.orthanc
def test_an_orthanc_that_negotiates_with_everybody_but_does_not_know_us_is_seen_through(patient, orthanc):
    patient.tables["dicom"]["ae_title"] = "STRANGER"
    check = look(patient, "fail", **dimse(port=orthanc.dicom_port, ae_title="ORTHANC"))
    assert "allows neither C-GET nor C-FIND" in check.sentence
    assert "STRANGER ([dicom] ae_title)" in check.hint


def test_a_wrong_port_is_named(patient):
    check = look(patient, "fail", **dimse(port=free_port()))
    assert check.sentence.endswith("cannot be reached: Connection refused.")
    assert "host and port" in check.hint


@pytest.mark.orthanc
def test_the_web_port_in_place_of_the_dicom_port_is_named(patient, orthanc):
    check = look(patient, "fail", **dimse(port=orthanc.http_port))
    assert "does not answer as a DICOM archive" in check.sentence
    assert "host and port" in check.hint


def test_a_dimse_host_without_an_address_is_named(patient):
    check = look(patient, "fail", **dimse(host="archive.invalid", port=104))
    assert "host and port" in check.hint


# folder


def test_a_folder_that_cannot_be_written_is_named(patient, tmp_path):
    folder = Path("/sys")  # root writes everywhere else
    if os.geteuid():
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o555)
    assert "`path`" in look(patient, "fail", kind="folder", path=str(folder / "results")).hint


def test_a_folder_that_is_a_file_is_named(patient, tmp_path):
    (tmp_path / "file").write_text("")
    check = look(patient, "fail", kind="folder", path=str(tmp_path / "file"))
    assert check.sentence.endswith("is a file, not a folder.")


def test_a_destination_that_no_route_uses_is_named(patient):
    unused = {"name": "unused", "kind": "folder", "path": "unused", "clinical": False}
    tables = [*patient.tables["destination"], unused]
    check = patient.one("destination unused", "warn", destination=tables)
    assert check.sentence == "No route sends anything there."
