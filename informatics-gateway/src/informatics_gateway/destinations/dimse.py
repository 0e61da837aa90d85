# SPDX-License-Identifier: Apache-2.0
"""C-STORE to send (PS3.4 annex B); C-GET, or where that is not offered C-FIND, to prove (PS3.4 annex C).

A file's data set goes out as the bytes it is, in its own transfer syntax; a large segmentation in bits deflated,
where the archive takes that (deflated.py).  pynetdicom's sender can lose a response (see reactor.py), so an empty
status is tried again on a new association.
"""

import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, _config, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_RJ

from imaging_data import same_content

from ..config import DimseDestination
from ..errors import DestinationRefused, DestinationUnavailable
from ..model import Result
from . import Holding, deflated
from .files import header
from .reactor import hold_reactor
from .stored import DUPLICATE, SUCCESS, WARNINGS, in_words, try_again

_config.STORE_SEND_CHUNKED_DATASET = True  # a file is sent as the bytes it is, not decoded and encoded again
_config.LOG_REQUEST_IDENTIFIERS = False  # no patient attribute is logged
_config.LOG_RESPONSE_IDENTIFIERS = False

FIND = "1.2.840.10008.5.1.4.1.2.2.1"  # Study Root Query/Retrieve Information Model (PS3.4 section C.6.2)
GET = "1.2.840.10008.5.1.4.1.2.2.3"
VERIFICATION = "1.2.840.10008.1.1"
PICTURE = "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture Image Storage: what every archive has
NOBODYS = "2.25.1"
WAYS = {"auto": (GET, FIND), "retrieve": (GET,), "find": (FIND,)}
TRIES = 3  # associations, when responses are lost
PERMANENT = 1  # result of an A-ASSOCIATE-RJ (PS3.8 section 9.3.4)
PENDING = (0xFF00, 0xFF01)
UNABLE = range(0xA900, 0xD000)  # to process a C-GET: also how Orthanc says that it has no such instance

ASK_HINT = (
    "Allow C-GET or C-FIND for this AE title in the archive.  For one that cannot be asked at all, "
    'proof = "response" in its [[destination]] takes the C-STORE response as proof.'
)
TAKE_HINT = (
    "Let the archive take this SOP class and transfer syntax.  For a labelmap segmentation, "
    'segmentation = "binary" in its [[destination]] makes one that more archives take.'
)
CALLER_HINT = "Make the AE title and address of this gateway known to the archive, then `gantry jobs retry`."

T = TypeVar("T")


class _LostResponse(Exception):
    """The response to a request did not come."""


class _NoAnswer(Exception):
    """The archive answers a question with a failure, or is not asked in this way at all (status 0)."""

    def __init__(self, status: int = 0) -> None:
        self.status = status


class DimseClient:
    """One AE.  Each question and each sending has an association of its own."""

    def __init__(self, destination: DimseDestination, ae_title: str) -> None:
        self.name = destination.name
        self._destination = destination
        self._ae_title = ae_title
        self._responses: dict[str, Holding] = {}

    def ask(self, results: Sequence[Result]) -> dict[str, Holding]:
        """Retrieves each instance and compares it, or looks it up, or recalls the response (see `proof`)."""
        if self._destination.proof == "response":
            uids = [result.sop_instance_uid for result in results]
            return {uid: self._responses.get(uid, Holding("missing")) for uid in uids}
        ways: Sequence[str] = WAYS[self._destination.proof]
        while ways:  # an archive that does not allow one way may break off instead of saying so
            try:
                return self._persistently(lambda ways=ways: self._ask(ways, results))  # type: ignore[misc]
            except _LostResponse:
                ways = ways[1:]
        raise DestinationUnavailable(f"{self._place()} breaks off when it is asked.", hint=ASK_HINT)

    def send(self, results: Sequence[Result], on_sent: Callable[[Result], None]) -> None:
        """Stores the files over one association; raises before the first if one would not be taken."""
        left = list(results)
        try:
            self._persistently(lambda: self._send(left, on_sent))
        except _LostResponse:
            raise DestinationUnavailable(f"{self._place()}: no response to C-STORE, {TRIES} times.") from None

    def _persistently(self, what: Callable[[], T]) -> T:
        for _ in range(TRIES - 1):
            try:
                return what()
            except _LostResponse:
                continue
        return what()

    def echo(self) -> tuple[str, ...]:
        """C-ECHO (PS3.4 annex A).  Returns how the AE lets itself be asked: by "retrieve", by "find".

        Raises DestinationUnavailable and DestinationRefused as `send` does.
        """
        try:
            offered = self._persistently(self._echo)
        except _LostResponse:
            raise DestinationUnavailable(f"{self._place()}: no response to C-ECHO, {TRIES} times.") from None
        ways = {"retrieve": GET, "find": FIND}
        return tuple(name for name, way in ways.items() if way in offered and self._answers(way))

    @contextmanager
    def storing(self, sop_class_uid: str, transfer_syntax: str) -> Iterator[Callable[[Path], int | None]]:
        """One association for many files of a kind: gives what stores one.

        That returns the status of its C-STORE response, None when none came.
        """
        with self._association([build_context(sop_class_uid, transfer_syntax)], TAKE_HINT) as association:

            def store(path: Path) -> int | None:
                try:
                    with _while_it_lasts():
                        status: int | None = association.send_c_store(path).get("Status")
                        return status
                except _LostResponse:
                    return None

            yield store

    def listed(self, study: str, series: str) -> set[str] | None:
        """SOPInstanceUIDs of a series by C-FIND, None where that is not offered or not answered."""
        try:
            with self._association([build_context(FIND)], ASK_HINT) as association, _while_it_lasts():
                found = _identifiers(association.send_c_find(_image_keys(study, series, ""), FIND))
        except (_LostResponse, _NoAnswer, DestinationRefused):
            return None
        return {str(identifier.get("SOPInstanceUID")) for identifier in found}

    # storing

    def _send(self, left: list[Result], on_sent: Callable[[Result], None]) -> None:
        contexts = {(result.sop_class_uid, syntax) for result in left for syntax in _syntaxes(result)}
        with self._association([build_context(*each) for each in sorted(contexts)], TAKE_HINT) as association:
            taken = {
                (str(each.abstract_syntax), str(each.transfer_syntax[0])) for each in _accepted(association)
            }
            for result in left:
                if not any((result.sop_class_uid, syntax) in taken for syntax in _syntaxes(result)):
                    raise DestinationRefused(
                        f"{self._place()} does not take {_name(result)}.", hint=TAKE_HINT
                    )
            while left:
                self._store(association, left[0], taken)
                on_sent(left.pop(0))

    def _store(self, association: Association, result: Result, taken: set[tuple[str, str]]) -> None:
        deflate = deflated.is_worth_it(result) and (result.sop_class_uid, deflated.SYNTAX) in taken
        with tempfile.TemporaryDirectory(prefix="gantry-") as folder, _while_it_lasts():
            path = result.path
            if deflate:
                path = Path(folder) / "deflated.dcm"
                deflated.deflate(result.path, path)
            status = association.send_c_store(path).get("Status")
        if status is None:
            raise _LostResponse
        if status not in (SUCCESS, DUPLICATE) and status not in WARNINGS:
            kind = DestinationUnavailable if try_again(status) else DestinationRefused
            raise kind(f"{self._place()}: {_name(result)}: {in_words(status)}.")
        self._responses[result.sop_instance_uid] = Holding("same", f"C-STORE response: {in_words(status)}")

    # asking

    def _ask(self, ways: Sequence[str], results: Sequence[Result]) -> dict[str, Holding]:
        received: dict[str, bytes] = {}
        contexts, roles = _contexts_to_ask(ways, results)
        with self._association(contexts, ASK_HINT, roles, received) as association:
            return {each.sop_instance_uid: self._answer(association, each, received) for each in results}

    def _answer(self, association: Association, result: Result, received: dict[str, bytes]) -> Holding:
        status = 0
        for way in _offered(association, result):
            try:
                return _retrieve(association, result, received) if way == GET else _find(association, result)
            except _NoAnswer as no_answer:
                status = no_answer.status
                if way == GET and status in UNABLE and self._destination.proof == "retrieve":
                    return Holding("missing")
        if try_again(status):
            raise DestinationUnavailable(f"{self._place()}: {in_words(status)} when it is asked.")
        raise DestinationRefused(
            f"{self._place()} cannot be asked whether it has {_name(result)}.", hint=ASK_HINT
        )

    # echo

    def _echo(self) -> list[str]:
        contexts = [build_context(uid) for uid in (VERIFICATION, GET, FIND, PICTURE)]
        with self._association(contexts, CALLER_HINT) as association:
            accepted = [str(context.abstract_syntax) for context in _accepted(association)]
            if VERIFICATION in accepted and association.send_c_echo().get("Status") != SUCCESS:
                raise _LostResponse
            return accepted

    def _answers(self, way: str) -> bool:
        """Whether it answers a question about an instance that nobody has.

        Orthanc negotiates with everybody, and breaks off when somebody asks who may not.
        """
        try:
            self._persistently(lambda: self._ask_for_nothing(way))
        except (_LostResponse, DestinationUnavailable, DestinationRefused):
            return False
        except _NoAnswer as no_answer:
            return way == GET and no_answer.status in UNABLE
        return True

    def _ask_for_nothing(self, way: str) -> None:
        contexts = [build_context(way), *([build_context(PICTURE)] if way == GET else [])]
        roles = [build_role(PICTURE, scp_role=True)] if way == GET else []
        with self._association(contexts, ASK_HINT, roles) as association:
            ask = association.send_c_get if way == GET else association.send_c_find
            _identifiers(ask(_image_keys(NOBODYS, NOBODYS, NOBODYS), way))

    # associations

    @contextmanager
    def _association(
        self,
        contexts: list[Any],
        hint: str,
        roles: list[Any] | None = None,
        received: dict[str, bytes] | None = None,
    ) -> Iterator[Association]:
        rejections: list[A_ASSOCIATE_RJ] = []
        handlers = [
            (evt.EVT_C_STORE, _keep, [{} if received is None else received]),
            (evt.EVT_PDU_RECV, _hear_rejection, [rejections]),
        ]
        association = self._associate(contexts, roles or [], handlers)
        if not association.is_established:
            raise self._no_association(association, rejections, hint)
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def _associate(self, contexts: list[Any], roles: list[Any], heard: list[Any]) -> Association:
        to = self._destination
        ae = AE(self._ae_title)
        ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = to.timeout_s
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, _send_at_once),
            (evt.EVT_ESTABLISHED, lambda event: hold_reactor(event.assoc)),
            *heard,
        ]
        try:
            return ae.associate(to.host, to.port, contexts, to.ae_title, 0, roles, evt_handlers=handlers)
        except OSError as error:  # the host's name is not known
            raise DestinationUnavailable(f"{self._place()}: {error.strerror}.") from error

    def _no_association(
        self, association: Association, rejections: Sequence[A_ASSOCIATE_RJ], hint: str
    ) -> Exception:
        if association.rejected_contexts:
            return DestinationRefused(f"{self._place()} offers none of what is needed.", hint=hint)
        if not rejections:
            return DestinationUnavailable(f"{self._place()} cannot be reached, or broke off.")
        said = f"{self._place()} rejects the association: {rejections[0].reason_str}."
        if rejections[0].result == PERMANENT:
            return DestinationRefused(said, hint=CALLER_HINT)
        return DestinationUnavailable(said)

    def _place(self) -> str:
        return (
            f"{self.name} ({self._destination.ae_title} at {self._destination.host}:{self._destination.port})"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Associations end with their question."""


def _send_at_once(event: Any) -> None:
    """Without this a message waits 40 ms for the acknowledgement of the one before (Nagle)."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _hear_rejection(event: Any, rejections: list[A_ASSOCIATE_RJ]) -> None:
    """pynetdicom's association misses one rejection in four while the processor is busy: it says "aborted"."""
    if isinstance(event.pdu, A_ASSOCIATE_RJ):
        rejections.append(event.pdu)


def _keep(event: Any, received: dict[str, bytes]) -> int:
    received[str(event.request.AffectedSOPInstanceUID)] = event.encoded_dataset()
    return SUCCESS


def _contexts_to_ask(ways: Sequence[str], results: Sequence[Result]) -> tuple[list[Any], list[Any]]:
    """What to negotiate; for C-GET also storage contexts with this side as SCP: they bring instances back."""
    questions = [build_context(way) for way in ways]
    if GET not in ways:
        return questions, []
    syntaxes = {(result.sop_class_uid, syntax) for result in results for syntax in _syntaxes(result)}
    syntaxes |= {(sop_class, ExplicitVRLittleEndian) for sop_class, _ in syntaxes}
    storage = [build_context(*pair) for pair in sorted(syntaxes)]
    roles = [build_role(sop_class, scp_role=True) for sop_class in sorted({pair[0] for pair in syntaxes})]
    return [*questions, *storage], roles


def _accepted(association: Association) -> list[Any]:
    return list(association.accepted_contexts)


def _offered(association: Association, result: Result) -> list[str]:
    """C-GET where the instance can come back in it, C-FIND; the better first."""
    accepted = {str(context.abstract_syntax): context for context in _accepted(association)}
    storage = accepted.get(result.sop_class_uid)
    comes_back = [GET] if GET in accepted and storage is not None and storage.as_scp else []
    return [*comes_back, *([FIND] if FIND in accepted else [])]


def _retrieve(association: Association, result: Result, received: dict[str, bytes]) -> Holding:
    with _while_it_lasts():
        _identifiers(association.send_c_get(_keys(result), GET))
    theirs = received.pop(result.sop_instance_uid, None)
    if theirs is None:
        return Holding("missing")
    same = same_content(result.path.read_bytes(), theirs)
    return Holding("same" if same else "other", "retrieved by C-GET and compared")


def _find(association: Association, result: Result) -> Holding:
    with _while_it_lasts():
        found = _identifiers(association.send_c_find(_keys(result), FIND))
    listed = any(identifier.get("SOPInstanceUID") == result.sop_instance_uid for identifier in found)
    return Holding("same", "listed by C-FIND, content not compared") if listed else Holding("missing")


@contextmanager
def _while_it_lasts() -> Iterator[None]:
    """pynetdicom raises RuntimeError, and nothing more special, when the peer has ended the association."""
    try:
        yield
    except RuntimeError as error:
        raise _LostResponse from error


def _identifiers(responses: Iterator[tuple[Dataset, Dataset | None]]) -> list[Dataset]:
    """What the pending responses carry; raises unless the final status is success."""
    found = []
    for status, identifier in responses:
        code = status.get("Status")
        if code is None:
            raise _LostResponse
        if code not in (SUCCESS, *PENDING):
            raise _NoAnswer(code)
        found += [identifier] if identifier is not None else []
    return found


def _keys(result: Result) -> Dataset:
    study = header(result.path).StudyInstanceUID
    return _image_keys(study, result.series_instance_uid, result.sop_instance_uid)


def _image_keys(study: str, series: str, instance: str) -> Dataset:
    """Identify one instance, hierarchically (PS3.4 section C.4.1.2.1)."""
    keys = Dataset()
    keys.QueryRetrieveLevel = "IMAGE"
    keys.StudyInstanceUID, keys.SeriesInstanceUID, keys.SOPInstanceUID = study, series, instance
    return keys


def _syntaxes(result: Result) -> list[str]:
    """The transfer syntaxes in which it may go: its own, and deflated where that is worth it."""
    own = str(header(result.path).file_meta.TransferSyntaxUID)
    return [own, deflated.SYNTAX] if deflated.is_worth_it(result) else [own]


def _name(result: Result) -> str:
    return f"{result.kind} {result.sop_instance_uid}"
