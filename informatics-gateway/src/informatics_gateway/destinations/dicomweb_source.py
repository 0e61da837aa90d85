# SPDX-License-Identifier: Apache-2.0
"""Everything that an archive holds, by QIDO-RS and WADO-RS (PS3.18 sections 10.6 and 10.4), into a folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from imaging_data import check_uid
from imaging_data.dataset import NoRoom
from imaging_data.threads import in_threads
from imaging_data.whole import sync

from ..errors import DestinationUnavailable
from .dicomweb import ANY_SYNTAX, DICOM_JSON, DicomwebClient

PAGE = 1000  # matches that are asked for at once; a service may give fewer
AT_ONCE = 64  # instances that are fetched before the next are named
STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"

Instance = tuple[str, str, str]  # StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID


class DicomwebSource(DicomwebClient):
    """An archive that a data set is built from.  Use it in a `with` statement."""

    def fetch(
        self, folder: Path, has: Callable[[str], bool], on_progress: Callable[[int, int], None]
    ) -> None:
        """Write every instance that `has` does not know into `folder` as `SOPInstanceUID.dcm`, whole or not at all.

        What lies in `folder` already is not fetched again.  on_progress: done, of how many.  Raises
        DestinationUnavailable, DestinationRefused, InvalidIdentifier, and NoRoom where the disk refuses one.
        """
        instances = sorted(set(self._instances()))
        missing = [one for one in instances if not has(one[2]) and not _path(folder, one).exists()]
        done = len(instances) - len(missing)
        on_progress(done, len(instances))
        for first in range(0, len(missing), AT_ONCE):
            several = missing[first : first + AT_ONCE]
            in_threads(lambda one: self._fetch(one, _path(folder, one)), several)
            done += len(several)
            on_progress(done, len(instances))

    def _instances(self) -> Iterator[Instance]:
        for study in self._found("studies", (STUDY,)):
            for series, instance in self._found(f"studies/{study[0]}/instances", (SERIES, INSTANCE)):
                yield study[0], series, instance

    def _found(self, path: str, tags: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """The UIDs of every match, page by page, until a page brings nothing new."""
        seen: set[tuple[str, ...]] = set()
        matches = 0
        while page := self._page(path, matches):
            matches += len(page)
            new = [uids for match in page if (uids := _uids(match, tags)) not in seen]
            if not new:
                return
            seen.update(new)
            yield from new

    def _page(self, path: str, offset: int) -> list[Any]:
        query = f"{path}?limit={PAGE}&offset={offset}"
        response = self._request("GET", query, headers={"Accept": DICOM_JSON})
        if response.status_code == 204:
            return []
        self._check(response, "searching")
        try:
            page = response.json()
        except ValueError:
            page = None
        if not isinstance(page, list):  # to take it for the end would be to miss what is there
            raise DestinationUnavailable(f"{self.name}: its answer cannot be read.")
        return page

    def _fetch(self, instance: Instance, path: Path) -> None:
        study, series, uid = instance
        where = f"studies/{study}/series/{series}/instances/{uid}"
        response = self._request("GET", where, headers={"Accept": ANY_SYNTAX})
        self._check(response, f"retrieving {uid}")
        content = self._instance(response)
        partial = path.with_suffix(".partial")
        try:
            partial.write_bytes(content)
            sync(partial)
            partial.replace(path)
        except OSError as error:
            raise NoRoom(f"{path.parent}: {error.strerror}.") from error


def _path(folder: Path, instance: Instance) -> Path:
    return folder / f"{instance[2]}.dcm"


def _uids(match: Any, tags: tuple[str, ...]) -> tuple[str, ...]:
    """The UIDs of a match in DICOM JSON (PS3.18 section F.2).  Raises InvalidIdentifier."""
    return tuple(check_uid(_value(match, tag), tag) for tag in tags)


def _value(match: Any, tag: str) -> str:
    element = match.get(tag) if isinstance(match, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]) if isinstance(values, list) and values else ""
