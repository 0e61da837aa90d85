# SPDX-License-Identifier: Apache-2.0
"""Slides under the microscope as VL Whole Slide Microscopy Images (PS3.3 section A.32.8), by wsidicomizer.

SVS, NDPI and tiled TIFF.  Tiles keep their coded JPEG or JPEG 2000 where DICOM has a transfer syntax for it.  What
scanners photograph beside the tissue, the slide's label and the whole slide with it, carries names, and is left
out; so is what the source says of patient, user and scanner.
"""

import gc
import os
import struct
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pydicom.config
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.uid import UID, VLWholeSlideMicroscopyImageStorage

from ...identifiers import derive_uid
from ...values import items_of
from ..converted import ConvertedSeries
from ..errors import MissingPackage, UnreadableInput
from .cross_sections import UnsupportedModality
from .writer import RULES, NewSeries

ENDINGS = (".svs", ".ndpi")
TIFF_ENDINGS = (".tif", ".tiff")  # a slide where the modality says so, else pictures
MODALITY = "SM"
UNKNOWN_MOMENT = "19700101"  # wsidicomizer's, where the source does not say when


def is_slide(ending: str, modality: str) -> bool:
    """Whether a file with this ending becomes a slide: SVS and NDPI, and TIFF of modality SM."""
    return ending in ENDINGS or (ending in TIFF_ENDINGS and modality == MODALITY)


def slide_to_dicom(source: Path, series: NewSeries, folder: Path, name: str) -> ConvertedSeries:
    """Write each level of the slide `source` to `folder` as NAME-0001.dcm and so on, the largest first.

    Raises MissingPackage without wsidicomizer or the library libturbojpeg, UnsupportedModality for another one
    than SM, UnreadableInput for what is no slide or damaged, OSError when a file cannot be written.
    """
    if series.modality != MODALITY:
        raise UnsupportedModality(f"A slide is {MODALITY} (slide microscopy), not {series.modality}.")
    finished = _Finish(series, source)
    with _readable():
        made = _wsidicomizer().convert(
            source,
            folder,
            uid_generator=finished.next_uid,
            include_label=False,
            include_overview=False,
            include_confidential=False,
            metadata_post_processor=finished,
            workers=1,
        )
    files = [
        _named(Path(path), folder / f"{name}-{number:04}.dcm", finished.moment)
        for number, path in enumerate(made, start=1)
    ]
    sop_class_uid = str(VLWholeSlideMicroscopyImageStorage)
    return ConvertedSeries(
        series.study_instance_uid, series.uid, sop_class_uid, MODALITY, tuple(path.name for path in files)
    )


class _Finish:
    """What this program says of a slide: whose it is, UIDs that follow from the source, its file's date."""

    def __init__(self, series: NewSeries, source: Path) -> None:
        self.series = series
        self.moment = datetime.fromtimestamp(int(source.stat().st_mtime), UTC)
        self.numbers = count(1)

    def next_uid(self) -> UID:
        """The next of the UIDs that wsidicomizer asks for."""
        parts = ("slide", self.series.uid, self.moment.isoformat(), str(next(self.numbers)))
        return UID(derive_uid(RULES, *parts))

    def __call__(self, dataset: Dataset, _: Any) -> Dataset:
        """The attributes of one level, completed."""
        date, time = self.moment.strftime("%Y%m%d"), self.moment.strftime("%H%M%S")
        if str(dataset.get("AcquisitionDateTime", UNKNOWN_MOMENT)).startswith(UNKNOWN_MOMENT):
            dataset.AcquisitionDateTime = date + time
        for path in items_of(dataset, "OpticalPathSequence"):
            if "ICCProfile" in path:
                path.ICCProfile = _undated(path.ICCProfile)
        self.series.attributes.add_to(dataset)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = self.series.study_instance_uid, self.series.uid
        return dataset


def _undated(profile: bytes) -> bytes:
    """A colour profile without the time at which it was made (ICC.1 section 7.2), unless it is signed."""
    date, signature = slice(24, 36), slice(84, 100)
    signed = any(profile[signature])
    return profile if signed else profile[: date.start] + bytes(12) + profile[date.stop :]


def _named(path: Path, target: Path, moment: datetime) -> Path:
    """Rename one level once it is on the disk, with the file's date instead of the time at which it was written."""
    header = dcmread(path, stop_before_pixels=True, specific_tags=["ContentDate", "ContentTime"])
    with path.open("r+b") as file:
        for keyword, text in (("ContentDate", f"{moment:%Y%m%d}"), ("ContentTime", f"{moment:%H%M%S.%f}")):
            element = header.get_item(keyword)
            if isinstance(element, RawDataElement) and element.length >= len(text):
                file.seek(element.value_tell)
                file.write(text.ljust(element.length).encode())
        os.fsync(file.fileno())
    return path.rename(target)


def _wsidicomizer() -> Any:
    """The package; its import sets pydicom to what its next version will do, for the whole process: not here."""
    enforced = pydicom.config.enforce_valid_values
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what it stands on
            from wsidicomizer import WsiDicomizer
    except ImportError:
        raise MissingPackage("wsidicomizer.", "Install it: `pip install 'gantry[slides]'`.") from None
    finally:
        pydicom.config.future_behavior(False)
        pydicom.config.enforce_valid_values = enforced
    return WsiDicomizer


@contextmanager
def _readable() -> Iterator[None]:
    """What wsidicomizer and what it stands on complain of, in our words."""
    try:
        yield
    except FileNotFoundError as error:
        if "turbojpeg" not in str(error):
            raise
        raise MissingPackage("libturbojpeg.", "Install it: `apt-get install libturbojpeg0`.") from None
    except (NotImplementedError, ValueError, LookupError, TypeError, RuntimeError, struct.error) as error:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            traceback.clear_frames(error.__traceback__)  # which closes the file that it left open
            gc.collect()
        raise UnreadableInput(
            f"It is no slide that can be read ({error or type(error).__name__})."
        ) from error
