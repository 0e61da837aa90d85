# SPDX-License-Identifier: Apache-2.0
"""One file over HTTP into a partial file, resumed where that is safe (RFC 9110 sections 13.1.5 and 14)."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from .wrong import ServerRefuses, ServerUnreachable, WrongContent

TRIES = 4  # without a byte more
WAIT_S = 0.5  # after a broken connection; twice as long after each further one
PATIENCE_S = 60.0
Told = Callable[[int, int], None]  # bytes so far, bytes in all (0: not known)


@dataclass(frozen=True)
class Partial:
    """A file that is not whole yet, and beside it what the server called the version it is of."""

    path: Path

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def length(self) -> int:
        """Bytes so far."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def version(self, url: str) -> str:
        """ETag or Last-Modified of what is here of `url`; "" when it cannot be continued."""
        try:
            note = json.loads(self._note.read_text())
        except (OSError, ValueError):
            return ""
        return str(note["version"]) if note.get("url") == url and self.length else ""

    def begin(self, url: str, version: str) -> None:
        """Afresh: empty, of this version."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.remove()
        self.path.touch()
        self._note.write_text(json.dumps({"url": url, "version": version}))

    def remove(self) -> None:
        """Without a trace."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def download(url: str, partial: Partial, size: int, told: Told) -> None:
    """Fetch `url` into `partial`, going on where an earlier try stopped; size: what it must be, 0 not known.

    Raises ServerUnreachable, the partial file is kept then; ServerRefuses; WrongContent, as soon as the
    server names or sends another size.
    """
    # follow_redirects: weights lie on hosts that send on to a storage service
    if size and partial.length == size and partial.version(url):
        return
    problem, patience = "", TRIES
    with httpx.Client(follow_redirects=True, timeout=PATIENCE_S) as client:
        while patience:
            before = partial.length
            try:
                _fetch(client, url, partial, size, told)
                return
            except (httpx.TransportError, _TryAgain) as error:
                problem = f"{url}: {error or type(error).__name__} {partial.length} bytes are here."
            patience = TRIES if partial.length > before else patience - 1
            time.sleep(WAIT_S * 2 ** (TRIES - patience) if patience else 0)
    raise ServerUnreachable(problem)


class _TryAgain(Exception):
    """The server asks for patience."""


def _fetch(client: httpx.Client, url: str, partial: Partial, size: int, told: Told) -> None:
    version, start = partial.version(url), partial.length
    # Accept-Encoding: the bytes that the hash is of
    headers = {"Accept-Encoding": "identity"}
    if version:
        headers |= {"Range": f"bytes={start}-", "If-Range": version}
    with client.stream("GET", url, headers=headers) as answer:
        refuse(url, answer)
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.remove()
            raise _TryAgain("it has less than is here, so it is fetched afresh.")
        if not (version and _continues(answer, start, version)):
            partial.begin(url, _version(answer))
            start = 0
        _receive(answer, partial, start, size, told)


def _continues(answer: httpx.Response, start: int, version: str) -> bool:
    """Whether the answer is the rest of the version that is here."""
    if answer.status_code != httpx.codes.PARTIAL_CONTENT:
        return False
    if not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise ServerRefuses("It answers with another range than was asked for.")
    return _version(answer) in ("", version)


def refuse(url: str, answer: httpx.Response) -> None:
    """Raises ServerRefuses, or _TryAgain for what may pass."""
    if url.startswith("https:") and any(each.url.scheme != "https" for each in (*answer.history, answer)):
        raise ServerRefuses(f"{url} leads on to an address without TLS: {answer.url}.")
    status = answer.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        raise _TryAgain(f"it answers {status} {answer.reason_phrase}.")
    if status != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and not answer.is_success:
        raise ServerRefuses(f"{url} answers {status} {answer.reason_phrase}.")


def _version(answer: httpx.Response) -> str:
    """What If-Range takes: a strong ETag, else the time of the last change, else ""."""
    etag = str(answer.headers.get("ETag", ""))
    return str(answer.headers.get("Last-Modified", "")) if not etag or etag.startswith("W/") else etag


def _receive(answer: httpx.Response, partial: Partial, start: int, size: int, told: Told) -> None:
    length = int(answer.headers.get("Content-Length", 0))
    whole = start + length if length else size
    if not whole and answer.headers.get("Transfer-Encoding") != "chunked":
        raise ServerRefuses("It does not say how long the file is, and model.lock does not know.")
    if size and whole != size:
        partial.remove()
        raise WrongContent(f"The server has {whole} bytes, model.lock says {size}.")
    with partial.path.open("ab") as file:
        for block in answer.iter_raw():  # as they come: what is collected first is lost when the line breaks
            file.write(block)
            start += len(block)
            told(start, whole)
            if size and start > size:
                break
    if size and start > size:
        partial.remove()
        raise WrongContent(f"The server sends more than the {size} bytes of model.lock.")
    if size and start < size:
        raise _TryAgain(f"it stopped after {start} of {size} bytes.")
