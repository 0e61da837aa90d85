# SPDX-License-Identifier: Apache-2.0
"""STOW-RS to send (PS3.18 section 10.5), WADO-RS to prove (section 10.4).

A file goes out as the bytes it is.  A 200 proves nothing: Orthanc answers it for an instance that it did not
take because it holds another one under that UID.  So each instance is retrieved and compared.
"""

import os
import secrets
import ssl
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from imaging_data import same_content

from ..config import DicomwebDestination
from ..errors import BadConfiguration, DestinationRefused, DestinationUnavailable
from ..model import Result
from . import Holding
from .files import header, is_dicom
from .multipart import first_part
from .stored import DUPLICATE, in_words, stored, try_again

CHUNK = 1 << 20
LONGEST_REQUEST = 64 << 20  # bytes of files in one STOW-RS request, or a single file that is larger
CONNECT_S = 10.0
DICOM_JSON = "application/dicom+json"
NOBODYS_STUDY = "2.25.1"
ANY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'
TRUST_HINT = "Add the authority of the archive's certificate to this machine's, or name it in SSL_CERT_FILE."
# Statuses (RFC 9110 section 15) that may pass by themselves although they are not 5xx.
PASSING = {408, 425, 429}


class DicomwebClient:
    """One DICOMweb service, over kept-alive connections; TLS is verified by the machine's own authorities."""

    def __init__(self, destination: DicomwebDestination) -> None:
        self.name = destination.name
        self._url = destination.url
        self._client = httpx.Client(
            auth=_auth(destination),
            timeout=httpx.Timeout(destination.timeout_s, connect=min(CONNECT_S, destination.timeout_s)),
            verify=ssl.create_default_context(),
            follow_redirects=False,
            trust_env=False,  # no proxy and no .netrc of the host gets between a result and its archive
            headers={"Accept-Encoding": "identity"},
        )

    def ask(self, results: Sequence[Result]) -> dict[str, Holding]:
        """Retrieves each instance and compares it."""
        return {result.sop_instance_uid: self._holding(result) for result in results}

    def send(self, results: Sequence[Result], on_sent: Callable[[Result], None]) -> None:
        """Stores the files, several in a request as long as they are small."""
        for batch in _batches(results):
            self._store(batch, on_sent)

    def search(self) -> httpx.Response:
        """QIDO-RS for a study that nobody has (PS3.18 section 10.6): the answer, whatever it is.

        Raises DestinationUnavailable, from the httpx.RequestError, when there is no answer.
        """
        return self._request(
            "GET", f"studies?limit=1&StudyInstanceUID={NOBODYS_STUDY}", headers={"Accept": DICOM_JSON}
        )

    def _holding(self, result: Result) -> Holding:
        study = header(result.path).StudyInstanceUID
        path = f"studies/{study}/series/{result.series_instance_uid}/instances/{result.sop_instance_uid}"
        response = self._request("GET", path, headers={"Accept": ANY_SYNTAX})
        if response.status_code in (404, 410):
            return Holding("missing")
        self._check(response, f"retrieving {result.kind} {result.sop_instance_uid}")
        same = same_content(result.path.read_bytes(), self._instance(response))
        return Holding("same" if same else "other", "retrieved by WADO-RS and compared")

    def _instance(self, response: httpx.Response) -> bytes:
        content_type = response.headers.get("Content-Type", "")
        file = first_part(content_type, response.content)
        if file is None:
            raise DestinationUnavailable(f"{self.name}: its answer is cut off.")
        if not is_dicom(file):
            kind = content_type.split(";")[0] or "something"
            raise DestinationRefused(
                f"{self.name} answers with {kind} when it is asked for an instance.",
                hint="Set `url` to the root of a DICOMweb service, and give it the credentials it wants.",
            )
        return file

    def _store(self, batch: Sequence[Result], on_sent: Callable[[Result], None]) -> None:
        boundary = secrets.token_hex(16)
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Content-Length": str(_length(batch, boundary)),
            "Accept": DICOM_JSON,
        }
        response = self._request("POST", "studies", headers=headers, content=_body(batch, boundary))
        answer = stored(response.content)
        for result in batch:
            if result.sop_instance_uid in answer.taken:
                on_sent(result)
        self._check_reasons(answer.failed)
        self._check(response, f"storing {len(batch)} results")

    def _check_reasons(self, reasons: dict[str, int]) -> None:
        failed = {
            uid: reason for uid, reason in reasons.items() if reason != DUPLICATE
        }  # the proof will tell
        if not failed:
            return
        said = "; ".join(f"{uid}: {in_words(reason)}" for uid, reason in failed.items())
        passing = all(try_again(reason) for reason in failed.values())
        raise (DestinationUnavailable if passing else DestinationRefused)(f"{self.name}: {said}.")

    def _request(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            return self._client.request(method, f"{self._url}/{path}", **content)
        except httpx.RequestError as error:
            said = f"{self.name}: {error or type(error).__name__} ({self._url})."
            if "CERTIFICATE_VERIFY_FAILED" in said:
                raise DestinationRefused(said, hint=TRUST_HINT) from error
            raise DestinationUnavailable(said) from error

    def _check(self, response: httpx.Response, doing: str) -> None:
        """Raises unless the status says that it was done; says what to change where a person must."""
        status = response.status_code
        if response.is_success:
            return
        said = f"{self.name}: HTTP {status} {response.reason_phrase} when {doing}."
        if status >= 500 or status in PASSING:
            raise DestinationUnavailable(said)
        raise DestinationRefused(said, hint=_hint(response))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


def _hint(response: httpx.Response) -> str | None:
    if response.status_code in (401, 403):
        return "Correct its username and password (or token); a job then goes on by `gantry jobs retry`."
    if response.is_redirect:
        return "Redirects are not followed: set `url` to where the DICOMweb service itself is."
    return None


def _auth(destination: DicomwebDestination) -> httpx.Auth | Callable[[httpx.Request], httpx.Request] | None:
    if destination.token_env is not None:
        return _bearer(_variable(destination.token_env, destination.name))
    if destination.password_env is not None:
        return httpx.BasicAuth(
            destination.username or "", _variable(destination.password_env, destination.name)
        )
    if destination.password_file is not None:
        try:
            password = destination.password_file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfiguration(f"destination {destination.name}: password_file: {error}") from error
        return httpx.BasicAuth(destination.username or "", password)
    return None


def _variable(variable: str, name: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise BadConfiguration(
            f"destination {name}: the environment variable {variable} is not set.",
            hint="Set it where the command is run, or the gateway is started.",
        )
    return value


def _bearer(token: str) -> Callable[[httpx.Request], httpx.Request]:
    """A bearer token (RFC 6750) for each request."""

    def authorise(request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return authorise


def _batches(results: Sequence[Result]) -> Iterator[list[Result]]:
    batch: list[Result] = []
    size = 0
    for result in results:
        length = result.path.stat().st_size
        if batch and size + length > LONGEST_REQUEST:
            yield batch
            batch, size = [], 0
        batch.append(result)
        size += length
    if batch:
        yield batch


def _head(boundary: str) -> bytes:
    return f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()


def _length(batch: Sequence[Result], boundary: str) -> int:
    files = sum(result.path.stat().st_size for result in batch)
    return files + len(batch) * (len(_head(boundary)) + 2) + len(boundary) + 6


def _body(batch: Sequence[Result], boundary: str) -> Iterator[bytes]:
    """The request's body, PS3.18 section 8.6.1.2, read from the files as it is sent."""
    for result in batch:
        yield _head(boundary)
        with result.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()
