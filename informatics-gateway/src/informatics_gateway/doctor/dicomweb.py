# SPDX-License-Identifier: Apache-2.0
"""A DICOMweb destination: which setting is wrong, by how the service answers, or does not."""

import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx

from ..config import DicomwebDestination
from ..destinations.dicomweb import DICOM_JSON, DicomwebClient
from ..errors import BadConfiguration, DestinationRefused, DestinationUnavailable, GantryError
from .check import Check, fail, failed, ok, warn

PATIENCE_S = 10.0
CLOCKS_APART_S = 60.0
ROOT_HINT = "Set `url` to the root of the DICOMweb service; Orthanc's ends in /dicom-web."


def dicomweb(name: str, destination: DicomwebDestination) -> Iterator[Check]:
    """Whether the service is there, lets us in, is a DICOMweb service, and has our time."""
    yield from _secret_file(name, destination)
    quick = destination.model_copy(update={"timeout_s": min(destination.timeout_s, PATIENCE_S)})
    try:
        with DicomwebClient(quick) as client:
            answer = client.search()
    except BadConfiguration as error:
        yield failed(name, error, _set_secret(destination))
    except (DestinationUnavailable, DestinationRefused) as error:
        yield _no_answer(name, destination.url, error)
    else:
        yield _answer(name, destination, answer)
        yield from _clocks(name, answer)


def _secret_file(name: str, destination: DicomwebDestination) -> Iterator[Check]:
    path = destination.password_file
    if path is not None and path.is_file() and path.stat().st_mode & 0o077:
        hint = f"Run `chmod 600 {path}`."
        yield warn(name, f"Other users of this machine may read {path}.", hint)


def _set_secret(destination: DicomwebDestination) -> str:
    variable = destination.password_env or destination.token_env
    if variable:
        return f"Set {variable} where `gantry serve` and `gantry doctor` are started."
    return "Write the password, and nothing else, into that file, or correct password_file."


def _secret(destination: DicomwebDestination) -> str:
    """The settings that say who we are, in words."""
    if destination.token_env:
        return f"the token in the variable {destination.token_env}"
    if destination.password_env:
        return f"username {destination.username!r} or the password in the variable {destination.password_env}"
    if destination.password_file:
        return f"username {destination.username!r} or the password in {destination.password_file}"
    return ""


def _no_answer(name: str, url: str, error: GantryError) -> Check:
    reason = _root(error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        hint = "Trust its authority on this machine, or write `url` with the name in the certificate."
        return fail(name, f"The certificate of {url} is not trusted: {reason.verify_message}.", hint)
    if isinstance(reason, ssl.SSLError):
        hint = "The archive may speak plain http there: check scheme and port of `url`."
        return fail(name, f"{url} does not speak TLS.", hint)
    if isinstance(error.__cause__, httpx.TimeoutException):
        hint = "Check host and port of `url`, and the firewalls between."
        return fail(name, f"{url} does not answer within {PATIENCE_S:g} s.", hint)
    if isinstance(error.__cause__, httpx.RemoteProtocolError):
        return fail(name, f"{url} does not speak HTTP.", "Check the port of `url`: it may be the DICOM port.")
    said = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
    hint = "Check host and port of `url`, and that the archive runs."
    return fail(name, f"{url} cannot be reached: {said}.", hint)


def _root(error: BaseException) -> BaseException:
    below = error.__cause__ or error.__context__
    return _root(below) if below else error


def _answer(name: str, destination: DicomwebDestination, answer: httpx.Response) -> Check:
    url, status = destination.url, answer.status_code
    if status in (401, 403):
        return _let_in(name, destination, status)
    if answer.is_client_error:
        said = f"{status} {answer.reason_phrase}"
        return fail(name, f"{url} is no DICOMweb service: it answers {said} to a search.", ROOT_HINT)
    if answer.is_redirect:
        hint = f"Set `url` to where the service itself is: it points to {answer.headers.get('Location', '')}."
        return fail(name, f"{url} redirects, which is not followed.", hint)
    if not answer.is_success:
        return fail(name, f"{url} answers {status} {answer.reason_phrase}.", "See the archive's own log.")
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if status != 204 and kind != DICOM_JSON:
        return fail(name, f"{url} answers, but not in DICOM JSON ({kind or 'no Content-Type'}).", ROOT_HINT)
    who = f" as {destination.username}" if destination.username else ""
    return ok(name, f"{url} lets itself be searched{who}; results are proved by WADO-RS.")


def _let_in(name: str, destination: DicomwebDestination, status: int) -> Check:
    url = destination.url
    secret = _secret(destination)
    if not secret:
        hint = "Set username and password_env (or password_file, or token_env) of this [[destination]]."
        return fail(name, f"{url} wants to know who asks ({status}), and nothing says so.", hint)
    if status == 403:
        hint = "Give this user the right to search, retrieve and store in the archive."
        return fail(name, f"{url} knows who asks, and forbids it (403).", hint)
    return fail(
        name, f"{url} does not let us in (401): {secret} is wrong.", "Correct it, or the user in the archive."
    )


def _clocks(name: str, answer: httpx.Response) -> Iterator[Check]:
    try:
        apart = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp() - time.time()
    except ValueError:
        return
    if abs(apart) > CLOCKS_APART_S:
        hint = "Let a time service set both clocks."
        yield warn(name, f"Its clock and this machine's are {abs(apart):.0f} s apart.", hint)
