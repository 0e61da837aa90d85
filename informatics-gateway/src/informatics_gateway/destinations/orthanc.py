# SPDX-License-Identifier: Apache-2.0
"""Archives that are sent to by HTTP: an Orthanc by its own REST, any other by STOW-RS."""

import hashlib
import re
import secrets
from typing import Any

import httpx

from imaging_data import same_content

from ..config import DicomwebDestination
from ..errors import DestinationUnavailable
from .dicomweb import ANY_SYNTAX, DICOM_JSON, DicomwebClient
from .parcel import HoldsOther, NotTaken, Parcel
from .stored import DUPLICATE, in_words, stored, try_again

DICOMWEB = "/dicom-web"  # where Orthanc's plugin puts its DICOMweb service
OF_THE_INSTANCE = {400, 409, 413, 415, 422}  # statuses that say something about what was sent
ORTHANC_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
PAGE = 1000  # instances in one answer to QIDO-RS
SOP_INSTANCE_UID = "00080018"


class _Archive(DicomwebClient):
    """What both share: an answer about one instance stops only this one."""

    def _check_one(self, response: httpx.Response, parcel: Parcel) -> None:
        if response.status_code in OF_THE_INSTANCE:
            raise NotTaken(f"{parcel.name}: HTTP {response.status_code} {response.reason_phrase}.")
        self._check(response, "storing an instance")

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            raise DestinationUnavailable(f"{self.name}: its answer cannot be read.") from error


class Orthanc(_Archive):
    """The REST of an Orthanc: one POST an instance, the file's bytes as they are."""

    proof = "found by /tools/find"

    def is_there(self) -> bool:
        """Whether an Orthanc answers at this root."""
        response = self._request("GET", "system")
        return response.is_success and b'"ApiVersion"' in response.content

    def put(self, parcel: Parcel) -> None:
        """POST /instances.  Orthanc keeps the first of two with one UID, so what it had is compared."""
        headers = {"Content-Type": "application/dicom"}
        response = self._request("POST", "instances", content=parcel.content, headers=headers)
        self._check_one(response, parcel)
        answer = self._json(response)
        status = answer.get("Status") if isinstance(answer, dict) else None
        if status == "AlreadyStored":
            self._compare(parcel, str(answer.get("ID")))
        elif status != "Success":
            raise NotTaken(f"{parcel.name}: Orthanc answers with status {status!r}.")

    def _compare(self, parcel: Parcel, known: str) -> None:
        if not ORTHANC_ID.fullmatch(known):
            raise DestinationUnavailable(f"{self.name}: its answer names no instance.")
        digest = self._request("GET", f"instances/{known}/attachments/dicom/md5")
        if digest.text.strip() == hashlib.md5(parcel.content, usedforsecurity=False).hexdigest():
            return
        file = self._request("GET", f"instances/{known}/file")
        self._check(file, "comparing an instance")
        if not same_content(parcel.content, file.content):
            raise HoldsOther(parcel.name)

    def listed(self, study_instance_uid: str, series_instance_uid: str) -> set[str] | None:
        """The instances of a series by POST /tools/find."""
        query = {"StudyInstanceUID": study_instance_uid, "SeriesInstanceUID": series_instance_uid}
        asked = {"Level": "Instance", "Query": query, "Expand": True}
        response = self._request("POST", "tools/find", json=asked)
        self._check(response, "asking for a series")
        try:
            return {str(each["MainDicomTags"]["SOPInstanceUID"]) for each in self._json(response)}
        except (TypeError, KeyError) as error:
            raise DestinationUnavailable(f"{self.name}: its answer cannot be read.") from error


class Stow(_Archive):
    """STOW-RS to send, QIDO-RS to count (PS3.18 sections 10.5 and 10.6)."""

    proof = "listed by QIDO-RS"

    def put(self, parcel: Parcel) -> None:
        """One request an instance, over a connection that stays."""
        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join([head, parcel.content, f"\r\n--{boundary}--\r\n".encode()])
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        response = self._request(
            "POST", "studies", content=body, headers={"Content-Type": kind, "Accept": DICOM_JSON}
        )
        answer = stored(response.content)
        reason = answer.failed.get(parcel.sop_instance_uid)
        if reason == DUPLICATE:
            return self._compare(parcel)
        if reason is not None:
            kind_of_error = DestinationUnavailable if try_again(reason) else NotTaken
            raise kind_of_error(f"{parcel.name}: {in_words(reason)}.")
        return self._check_one(response, parcel)

    def _compare(self, parcel: Parcel) -> None:
        path = f"{_path(parcel.study_instance_uid, parcel.series_instance_uid)}/{parcel.sop_instance_uid}"
        response = self._request("GET", path, headers={"Accept": ANY_SYNTAX})
        self._check(response, "comparing an instance")
        if not same_content(parcel.content, self._instance(response)):
            raise HoldsOther(parcel.name)

    def listed(self, study_instance_uid: str, series_instance_uid: str) -> set[str] | None:
        """The instances of a series, page by page."""
        found: set[str] = set()
        path = _path(study_instance_uid, series_instance_uid)
        while True:
            query = f"{path}?includefield={SOP_INSTANCE_UID}&limit={PAGE}&offset={len(found)}"
            response = self._request("GET", query, headers={"Accept": DICOM_JSON})
            if response.status_code in (204, 404):
                return found
            self._check(response, "asking for a series")
            more = self._uids(response) - found
            found |= more
            if not more:
                return found

    def _uids(self, response: httpx.Response) -> set[str]:
        try:
            return {str(each[SOP_INSTANCE_UID]["Value"][0]) for each in self._json(response)}
        except (TypeError, LookupError) as error:
            raise DestinationUnavailable(f"{self.name}: its answer cannot be read.") from error


def open_archive(destination: DicomwebDestination) -> Orthanc | Stow:
    """An Orthanc when one answers at the root of the DICOMweb service, else STOW-RS.

    Raises DestinationUnavailable when nothing answers there.
    """
    root = destination.url.removesuffix(DICOMWEB)
    orthanc = Orthanc(destination.model_copy(update={"url": root}))
    if orthanc.is_there():
        return orthanc
    with orthanc:
        return Stow(destination)


def _path(study_instance_uid: str, series_instance_uid: str) -> str:
    return f"studies/{study_instance_uid}/series/{series_instance_uid}/instances"
