# SPDX-License-Identifier: Apache-2.0
"""What a data set says of its patients, studies, series, images and pictures."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Counts:
    """How many there are of each in a data set."""

    patients: int
    studies: int
    series: int
    images: int
    pictures: int


@dataclass(frozen=True)
class PatientRecord:
    """One PatientID.  `split`: train, validation or test; `stratum`: what it was drawn among."""

    patient_id: str
    patient_sex: str
    stratum: str
    split: str
    studies: int
    series: int
    images: int


@dataclass(frozen=True)
class StudyRecord:
    """One study and the patient that it belongs to.  `study_date` as DICOM writes it, '' where absent."""

    study_instance_uid: str
    patient_id: str
    study_date: str
    study_description: str | None
    series: int
    images: int


@dataclass(frozen=True)
class SeriesRecord:
    """One series.  `volume`: its NIfTI file under the data set's folder, '' without one, `no_volume` says why."""

    series_instance_uid: str
    study_instance_uid: str
    patient_id: str
    modality: str
    series_number: str | None
    series_description: str | None
    images: int
    volume: str
    no_volume: str


@dataclass(frozen=True)
class PictureRecord:
    """One PNG.  `frame`: from 0; `rendering`: every parameter that it was made with, by name."""

    stem: str
    sop_instance_uid: str
    frame: int
    path: str
    sha256: str
    bits: int
    rendering: dict[str, object] = field(hash=False)


@dataclass(frozen=True)
class ImageRecord:
    """One SOP instance.  The attributes' values are their texts, None where absent.

    `duplicate_of`: the SOPInstanceUID of the first image with the same pixels, None where it is the first or the
    only one; `no_picture`: why it has no picture.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    patient_id: str
    instance_number: str | None
    rescale_intercept: str | None
    rescale_slope: str | None
    window_center: str | None
    window_width: str | None
    frames: int
    rows: int
    columns: int
    sha256: str
    pixel_sha256: str
    duplicate_of: str | None
    no_picture: str
