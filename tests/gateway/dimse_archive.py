# SPDX-License-Identifier: Apache-2.0
"""A DIMSE archive that does as a test tells it to: the faults that Orthanc and DCMTK do not have."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt

from informatics_gateway.config import DimseDestination

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
GET = "1.2.840.10008.5.1.4.1.2.2.3"


@dataclass
class Archive:
    """A running AE: the UIDs it was sent, in their order, and what it keeps of them."""

    port: int = 0
    associations: int = 0
    received: list[str] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)

    def destination(self, **keys: Any) -> DimseDestination:
        return DimseDestination(
            kind="dimse", name="pacs", host="127.0.0.1", port=self.port, ae_title="ARCHIVE", **keys
        )


def _keep(event: Any) -> int:
    return 0


@contextmanager
def dimse_archive(
    store: Callable[[Any], int] = _keep,
    find: Callable[[Any], int] | None = None,
    get: Callable[[Any], int] | None = None,
    keep: bool = True,
    **settings: Any,
) -> Iterator[Archive]:
    """An AE that answers C-STORE, C-FIND and C-GET with the statuses that the functions give.

    It keeps what it answers 0x0000, unless `keep` is false; C-FIND lists what it keeps when `find` gives
    0x0000.  Without `find` and `get` it does not offer them.  settings: attributes of pynetdicom's AE.
    """
    archive = Archive()
    ae = AE("ARCHIVE")
    for name, value in settings.items():
        setattr(ae, name, value)
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES, scu_role=True, scp_role=True)
    for offered, uid in ((find, FIND), (get, GET)):
        if offered:
            ae.add_supported_context(uid)

    def on_store(event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        archive.received.append(uid)
        status = store(event)
        if status == 0 and keep:
            archive.kept[uid] = event.encoded_dataset()
        return status

    def on_find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        status = find(event) if find else 0xC000
        uid = str(event.identifier.SOPInstanceUID)
        if status == 0 and uid in archive.kept:
            found = Dataset()
            found.QueryRetrieveLevel, found.SOPInstanceUID = "IMAGE", uid
            yield 0xFF00, found
        yield status, None

    def on_get(event: Any) -> Iterator[Any]:
        yield 1
        yield (get(event) if get else 0xC000), None

    def on_open(event: Any) -> None:
        archive.associations += 1

    handlers: list[Any] = [
        (evt.EVT_C_STORE, on_store),
        (evt.EVT_C_FIND, on_find),
        (evt.EVT_C_GET, on_get),
        (evt.EVT_ACCEPTED, on_open),
    ]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    archive.port = server.socket.getsockname()[1]
    try:
        yield archive
    finally:
        server.shutdown()
