# SPDX-License-Identifier: Apache-2.0
"""How each converter's images become a series of DICOM files.

A converter yields one `Dataset` for each instance, in the order of InstanceNumber: SOPClassUID, what describes
its pixels and their place, PixelData, and `file_meta.TransferSyntaxUID` where it is not Explicit VR Little
Endian (encapsulated frames by `pydicom.encaps.encapsulate`).  Everything else comes from here:

    write_series(images, NewSeries(attributes, modality, digest, study_instance_uid), folder, "0001")
        -> ConvertedSeries

UIDs follow from the source's bytes, the attributes and the modality: the same conversion makes the same objects
again, and no UID stands for two contents.  No date is made up, so none differs either.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from ...errors import ImagingDataError
from ...hashing import content_sha256
from ...identifiers import derive_uid
from ...values import text_of
from ..attributes import Attributes
from ..converted import ConvertedSeries

RULES = (
    "gantry convert 1"  # count on when the same input makes another output, for UIDs that were not there yet
)


@dataclass(frozen=True)
class NewSeries:
    """What the instances of a series that is made share.

    digest: SHA-256 of what the pixels come from, and of every option that changes them.
    """

    attributes: Attributes
    modality: str
    digest: str
    study_instance_uid: str

    @property
    def uid(self) -> str:
        """SeriesInstanceUID."""
        said = self.attributes.sha256
        return derive_uid(RULES, "series", self.study_instance_uid, self.modality, self.digest, said)


class Studies:
    """StudyInstanceUIDs of one run: images with the same patient and study attributes share one.

    It follows from the attributes and from what came first, so the same patient's images of another run are
    another study; a StudyInstanceUID among the attributes puts them into that one.  Images without PatientID
    each have a study of their own: nothing says that they belong together.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def uid(self, attributes: Attributes, digest: str) -> str:
        """That of the image with these attributes and this digest."""
        given = text_of(attributes.dataset, "StudyInstanceUID")
        new = derive_uid(RULES, "study", attributes.study_key, digest)
        return given or (self._known.setdefault(attributes.study_key, new) if attributes.study_key else new)


def write_series(images: Iterable[Dataset], series: NewSeries, folder: Path, name: str) -> ConvertedSeries:
    """Write each of `images` to `folder` as NAME-0001.dcm and so on, completed and with its UIDs.

    `targets.whole_folder` sees that they are on the disk.  After an error of the converter none of
    them is left.  Raises OSError when one cannot be written.
    """
    files: list[str] = []
    sop_class_uid = ""
    try:
        for number, dataset in enumerate(images, start=1):
            complete(dataset, series, number)
            sop_class_uid = str(dataset.SOPClassUID)
            files.append(f"{name}-{number:04}.dcm")
            dataset.save_as(folder / files[-1], enforce_file_format=True, overwrite=False)
    except ImagingDataError:
        for written in files:
            (folder / written).unlink(missing_ok=True)
        raise
    return ConvertedSeries(
        series.study_instance_uid, series.uid, sop_class_uid, series.modality, tuple(files)
    )


def complete(dataset: Dataset, series: NewSeries, number: int) -> None:
    """Give `dataset` in place all that is not its pixels: attributes, series, UIDs, file meta information."""
    dataset.Modality = series.modality
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number
    for keyword in ("Manufacturer", "Laterality"):  # type 2 and 2C
        if keyword not in dataset:
            setattr(dataset, keyword, None)
    series.attributes.add_to(dataset)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = series.study_instance_uid, series.uid
    if "ImagePositionPatient" in dataset:
        _add_frame_of_reference(dataset)
    content = hashlib.sha256(dataset.PixelData).hexdigest(), said_sha256(dataset, "PixelData")
    dataset.SOPInstanceUID = derive_uid(RULES, "instance", series.uid, str(number), *content)
    before = getattr(dataset, "file_meta", FileMetaDataset())
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = before.get("TransferSyntaxUID", ExplicitVRLittleEndian)


def _add_frame_of_reference(dataset: Dataset) -> None:
    """PS3.3 section C.7.4.1: the template's that the converter put there, else the series' own."""
    if not dataset.get("FrameOfReferenceUID"):
        dataset.FrameOfReferenceUID = derive_uid(RULES, "frame of reference", dataset.SeriesInstanceUID)
    dataset.PositionReferenceIndicator = None


def said_sha256(dataset: Dataset, *left_out: str) -> str:
    """SHA-256 of everything but UIDs, dates, and the elements of the keywords `left_out`, which are not copied."""
    light = Dataset()
    light.update({element.tag: element for element in dataset if element.keyword not in left_out})
    if "SpecificCharacterSet" in dataset:
        implicit, little = dataset.original_encoding
        light.set_original_encoding(implicit, little, dataset.original_character_set)
    return content_sha256(light)
