# SPDX-License-Identifier: Apache-2.0
"""STOW-RS to a real Orthanc, and to servers that answer as bad ones do."""

import json
import logging
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from delivery import Delivery, all_results, changed, small_results, uids
from http_archive import Answer, Request, as_part, files_in, http_archive
from orthanc import Orthanc
from pydicom import dcmread

from informatics_gateway.config import DicomwebDestination
from informatics_gateway.destinations import dicomweb
from informatics_gateway.errors import (
    BadConfiguration,
    DestinationHoldsOther,
    DestinationRefused,
    DestinationUnavailable,
)
from informatics_gateway.model import Result


@pytest.fixture
def results(tmp_path: Path) -> list[Result]:
    return small_results(tmp_path / "job")


def to(url: str, **keys: object) -> Delivery:
    return Delivery(DicomwebDestination(kind="dicomweb", name="web", url=url, **keys))


@pytest.fixture
def to_orthanc(orthanc: Orthanc, monkeypatch: pytest.MonkeyPatch) -> Iterator[Delivery]:
    """The session's Orthanc, emptied, as a destination."""
    orthanc.clear()
    monkeypatch.setenv("ORTHANC_PASSWORD", orthanc.password)
    yield to(orthanc.dicomweb_url, username=orthanc.username, password_env="ORTHANC_PASSWORD")
    orthanc.clear()


@pytest.mark.orthanc
def test_orthanc_gets_the_very_bytes_and_proves_it(to_orthanc, orthanc, tmp_path):
    results = all_results(tmp_path / "job")
    proofs = to_orthanc.run(results)
    assert {proof.how for proof in proofs} == {"retrieved by WADO-RS and compared"}
    assert all(orthanc.file(result.sop_instance_uid) == result.path.read_bytes() for result in results)
    to_orthanc.run(results)
    assert to_orthanc.sent() == []
    assert sorted(each["SOPInstanceUID"] for each in orthanc.instances()) == sorted(uids(results))


@pytest.mark.orthanc
def test_another_content_in_orthanc_is_an_error_and_stays(to_orthanc, orthanc, results, tmp_path):
    orthanc.upload(changed(results[1], tmp_path))
    with pytest.raises(DestinationHoldsOther, match=results[1].sop_instance_uid):
        to_orthanc.run(results)
    assert orthanc.file(results[1].sop_instance_uid) == (tmp_path / "changed.dcm").read_bytes()
    assert len(orthanc.instances()) == 1


@pytest.mark.orthanc
def test_orthanc_says_200_and_keeps_the_other_content(to_orthanc, orthanc, results, tmp_path):
    """It comes between asking and sending; the response to the sending shows nothing of it."""
    with pytest.raises(DestinationHoldsOther):
        to_orthanc.run(results, before_sending=lambda: orthanc.upload(changed(results[0], tmp_path)))
    assert len(to_orthanc.sent()) == 2


@pytest.mark.orthanc
def test_orthanc_that_is_down_is_tried_again_when_it_is_back(to_orthanc, orthanc, results):
    orthanc.kill()
    try:
        with pytest.raises(DestinationUnavailable, match="Connection refused") as refused:
            to_orthanc.run(results)
        assert refused.value.retryable
    finally:
        orthanc.start()
    to_orthanc.run(results)
    assert len(orthanc.instances()) == 2


@pytest.mark.orthanc
def test_a_wrong_password_needs_a_person(to_orthanc, results, monkeypatch):
    monkeypatch.setenv("ORTHANC_PASSWORD", "wrong")
    with pytest.raises(DestinationRefused, match="HTTP 401") as refused:
        to_orthanc.run(results)
    assert "password" in refused.value.hint


@pytest.mark.orthanc
def test_what_orthanc_refuses_of_several_is_named_and_the_rest_is_stored(
    to_orthanc, orthanc, results, tmp_path
):
    dataset = dcmread(results[0].path)
    del dataset.SeriesInstanceUID
    path = tmp_path / "seriesless.dcm"
    dataset.save_as(path, enforce_file_format=True)
    sent: list[Result] = []
    with to_orthanc.open() as client, pytest.raises(DestinationRefused, match="cannot understand") as refused:
        client.send([replace(results[0], path=path), results[1]], sent.append)
    assert results[0].sop_instance_uid in str(refused.value)
    assert sent == results[1:]
    assert [each["SOPInstanceUID"] for each in orthanc.instances()] == uids(results[1:])


@pytest.mark.orthanc
def test_neither_secrets_nor_patients_are_logged(to_orthanc, orthanc, results, caplog):
    caplog.set_level(logging.DEBUG)
    to_orthanc.run(results)
    assert caplog.text
    for secret in (orthanc.password, "TEST-1", "Phantom"):
        assert secret not in caplog.text


def test_a_server_that_keeps_nothing_is_not_believed(results):
    def keep_nothing(request: Request) -> Answer:
        return Answer(404) if request.method == "GET" else Answer(200)

    with (
        http_archive(keep_nothing) as archive,
        pytest.raises(DestinationUnavailable, match="does not have it"),
    ):
        to(archive.url).run(results)
    assert archive.methods() == ["GET", "GET", "POST", "GET", "GET"]


def test_a_server_that_says_that_it_took_it_and_keeps_nothing_is_not_believed(results):
    taken = {
        "00081199": {
            "vr": "SQ",
            "Value": [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids(results)],
        }
    }

    def claim(request: Request) -> Answer:
        return Answer(404) if request.method == "GET" else Answer(200, json.dumps(taken).encode())

    with http_archive(claim) as archive:
        delivery = to(archive.url)
        with pytest.raises(DestinationUnavailable, match="does not have it"):
            delivery.run(results)
    assert delivery.sent() == uids(results)


class Keeps:
    """A server that keeps what it gets, and answers for some of it with a FailureReason."""

    def __init__(self, reasons: dict[str, int] | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self.reasons = reasons or {}

    def __call__(self, request: Request) -> Answer:
        if request.method == "GET":
            uid = request.path.rsplit("/", 1)[1]
            return as_part(self.files[uid]) if uid in self.files else Answer(404)
        failed = []
        for file in files_in(request):
            uid = next(each for each in self.expected if each.encode() in file)
            if uid in self.reasons:
                failed.append({"00081155": {"Value": [uid]}, "00081197": {"Value": [self.reasons[uid]]}})
            else:
                self.files[uid] = file
        return Answer(202 if failed else 200, json.dumps({"00081198": {"Value": failed}}).encode())

    expected: list[str] = []


@pytest.mark.parametrize(
    ("reason", "error", "says"),
    [
        (0xA700, DestinationUnavailable, "out of resources (0xA700)"),
        (0x0110, DestinationUnavailable, "processing failure (0x0110)"),
        (0xA900, DestinationRefused, "data set does not match SOP class (0xA900)"),
        (0xC122, DestinationRefused, "cannot understand (0xC122)"),
        (0x0122, DestinationRefused, "SOP class not supported (0x0122)"),
        (0x0124, DestinationRefused, "not authorised (0x0124)"),
    ],
)
def test_a_reason_for_one_of_several(results, reason, error, says):
    keeps = Keeps({results[0].sop_instance_uid: reason})
    keeps.expected = uids(results)
    with http_archive(keeps) as archive, pytest.raises(error) as refused:
        to(archive.url).run(results)
    assert f"{results[0].sop_instance_uid}: {says}" in str(refused.value)
    assert list(keeps.files) == uids(results[1:])


def test_duplicate_is_left_to_the_proof(results):
    """An archive may say so of what it has taken meanwhile."""
    keeps = Keeps({results[0].sop_instance_uid: 0x0111})
    keeps.expected = uids(results)
    with http_archive(keeps) as archive:
        to(archive.url).run(
            results,
            before_sending=lambda: keeps.files.update({uids(results)[0]: results[0].path.read_bytes()}),
        )


def test_a_request_holds_a_bounded_part_of_the_results(results, monkeypatch):
    monkeypatch.setattr(dicomweb, "LONGEST_REQUEST", 100)
    keeps = Keeps()
    keeps.expected = uids(results)
    with http_archive(keeps) as archive:
        to(archive.url).run(results)
    assert archive.methods().count("POST") == 2
    assert keeps.files == {result.sop_instance_uid: result.path.read_bytes() for result in results}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        *[(status, DestinationRefused) for status in (301, 307, 400, 401, 403, 405, 406, 409, 413, 415)],
        *[(status, DestinationUnavailable) for status in (408, 425, 429, 500, 502, 503, 507)],
    ],
)
def test_which_statuses_may_pass(results, method, status, error):
    def answer(request: Request) -> Answer:
        return Answer(status if request.method == method else 404, b"no")

    with http_archive(answer) as archive, pytest.raises(error, match=f"HTTP {status}"):
        to(archive.url).run(results)


def test_redirects_are_not_followed(results):
    with http_archive(lambda request: Answer(404)) as elsewhere:
        moved = Answer(302, headers={"Location": elsewhere.url})
        with http_archive(lambda request: moved) as archive, pytest.raises(DestinationRefused) as refused:
            to(archive.url).run(results)
    assert elsewhere.requests == []
    assert "Redirects are not followed" in refused.value.hint


def test_a_server_that_hangs_is_left_after_a_time(results):
    def hang(request: Request) -> Answer:
        time.sleep(0.6)
        return Answer(404)

    with http_archive(hang) as archive, pytest.raises(DestinationUnavailable, match="timed out"):
        to(archive.url, timeout_s=0.2).run(results)


def test_an_answer_that_was_cut_off_may_be_whole_next_time(results):
    def cut(request: Request) -> Answer:
        whole = as_part(results[0].path.read_bytes())
        return Answer(200, whole.body[:-20], whole.headers)

    with http_archive(cut) as archive, pytest.raises(DestinationUnavailable, match="cut off"):
        to(archive.url).run(results)


def test_a_login_page_is_no_instance(results):
    page = Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html; charset=utf-8"})
    with http_archive(lambda request: page) as archive, pytest.raises(DestinationRefused) as refused:
        to(archive.url).run(results)
    assert "answers with text/html" in str(refused.value)


def test_a_token(results, monkeypatch):
    monkeypatch.setenv("ARCHIVE_TOKEN", "s3cret")
    with http_archive(lambda request: Answer(503)) as archive, pytest.raises(DestinationUnavailable):
        to(archive.url, token_env="ARCHIVE_TOKEN").run(results)
    assert archive.requests[0].headers["Authorization"] == "Bearer s3cret"


def test_a_password_from_a_file(results, tmp_path):
    (tmp_path / "password").write_text("s3cret\n")
    with http_archive(lambda request: Answer(503)) as archive, pytest.raises(DestinationUnavailable):
        to(archive.url, username="gantry", password_file=tmp_path / "password").run(results)
    assert archive.requests[0].headers["Authorization"] == "Basic Z2FudHJ5OnMzY3JldA=="


def test_a_secret_that_is_not_there_is_named(results, tmp_path, monkeypatch):
    monkeypatch.delenv("ARCHIVE_TOKEN", raising=False)
    with pytest.raises(BadConfiguration, match="ARCHIVE_TOKEN is not set"):
        to("http://127.0.0.1:1", token_env="ARCHIVE_TOKEN").run(results)
    with pytest.raises(BadConfiguration, match="password_file"):
        to("http://127.0.0.1:1", username="gantry", password_file=tmp_path / "none").run(results)


def test_a_proxy_of_the_host_is_not_used(results, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    keeps = Keeps()
    keeps.expected = uids(results)
    with http_archive(keeps) as archive:
        to(archive.url).run(results)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed, with its key."""
    folder = tmp_path_factory.mktemp("certificate")
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    files = ["-keyout", folder / "all.pem", "-out", folder / "certificate.pem"]
    name = ["-subj", "/CN=archive", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, *files, *name], check=True, capture_output=True)
    with (folder / "all.pem").open("ab") as file:
        file.write((folder / "certificate.pem").read_bytes())
    return folder


def test_tls_is_verified(results, certificate, monkeypatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "all.pem")
    keeps = Keeps()
    keeps.expected = uids(results)
    with http_archive(keeps, tls) as archive:
        with pytest.raises(DestinationRefused, match="CERTIFICATE_VERIFY_FAILED") as refused:
            to(archive.url).run(results)
        assert "SSL_CERT_FILE" in refused.value.hint
        assert archive.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
        to(archive.url).run(results)


def test_an_instance_that_came_back_in_another_transfer_syntax_is_the_same(tmp_path):
    """Archives may decompress; the pixels are compared then."""
    [labelmap] = [each for each in all_results(tmp_path) if each.kind == "labelmap"]
    dataset = dcmread(labelmap.path)
    dataset.decompress(generate_instance_uid=False)
    dataset.save_as(tmp_path / "plain.dcm")
    plain = (tmp_path / "plain.dcm").read_bytes()
    with http_archive(lambda request: as_part(plain)) as archive:
        to(archive.url).run([labelmap])
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(tmp_path / "empty.dcm")
    empty = (tmp_path / "empty.dcm").read_bytes()
    with http_archive(lambda request: as_part(empty)) as archive, pytest.raises(DestinationHoldsOther):
        to(archive.url).run([labelmap])
