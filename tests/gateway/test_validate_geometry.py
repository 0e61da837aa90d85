# SPDX-License-Identifier: Apache-2.0
"""Geometry on sources that are not simple stacks, and on real ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import made_results
import numpy as np
import pytest
from builders import ct_series, enhanced_ct, write
from made_results import Made
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from informatics_gateway.errors import InvalidResult
from informatics_gateway.validate import validate
from informatics_gateway.validate.sources import Sources

OBLIQUE = [0.8, 0.6, 0.0, -0.36, 0.48, 0.8]  # along a row, along a column
NORMAL = (0.48, -0.64, 0.6)


def refusal(job: Made) -> str:
    with pytest.raises(InvalidResult) as refused:
        validate(job.job, job.manifest, "shadow")
    return str(refused.value)


def accepted(job: Made) -> bool:
    return len(validate(job.job, job.manifest, "shadow")) == len(job.results)


@pytest.fixture
def oblique(tmp_path: Path) -> Made:
    """An oblique series with pixels that are not square, and its segmentation, structures and contours."""
    paths = ct_series(
        tmp_path / "source",
        spacing=(3.0, 0.7, 0.9),
        ImageOrientationPatient=OBLIQUE,
        ImagePositionPatient=lambda index: list(np.round([10, -20, 30] + index * 3.0 * np.array(NORMAL), 6)),
    )
    job = made_results.made(tmp_path, paths)
    job.add("segmentation", made_results.segmentation(job.sources))
    return job


def test_an_oblique_series(oblique):
    assert accepted(oblique)


def test_an_oblique_frame_that_slipped_along_its_normal(oblique):
    def slip(dataset: Dataset) -> None:
        position = dataset.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0]
        position.ImagePositionPatient = [
            float(a) + 0.02 * b
            for a, b in zip(position.ImagePositionPatient, (0.48, -0.64, 0.6), strict=True)
        ]

    oblique.change("segmentation", slip)
    assert "frame 3: its ImagePositionPatient" in refusal(oblique)


def test_what_a_writer_rounds_is_no_other_place(oblique):
    def round_off(dataset: Dataset) -> None:
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            position = frame.PlanePositionSequence[0]
            position.ImagePositionPatient = [round(float(a), 3) for a in position.ImagePositionPatient]

    oblique.change("segmentation", round_off)
    assert accepted(oblique)


def structures(job: Made, points: Sequence[float], kind: str) -> None:
    dataset = made_results.structure_set(job.sources)
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    contour.ContourData, contour.ContourGeometricType = list(points), kind
    contour.NumberOfContourPoints = len(points) // 3
    dataset.ROIContourSequence[0].ContourSequence = [contour]
    job.add("structure-set", dataset)


def place(job: Made, index: int, row: float, column: float, off: float = 0.0) -> list[float]:
    """Millimetres in the patient of a place on slice `index`, `off` mm beside it."""
    source = job.sources[index]
    across, down = np.array(OBLIQUE).reshape(2, 3)
    spacing = [float(value) for value in source.PixelSpacing]
    start = np.array([float(value) for value in source.ImagePositionPatient])
    return list(start + column * spacing[1] * across + row * spacing[0] * down + off * np.cross(across, down))


def test_contours_on_an_oblique_slice(oblique):
    structures(
        oblique,
        [*place(oblique, 1, 2, 2), *place(oblique, 1, 2, 15.4), *place(oblique, 1, 15.4, 2)],
        "CLOSED_PLANAR",
    )
    assert accepted(oblique)


@pytest.mark.parametrize(
    ("row", "column", "off"), [(2, 15.6, 0), (15.6, 2, 0), (-0.6, 2, 0), (2, -0.6, 0), (2, 2, 0.1)]
)
def test_contours_off_an_oblique_slice(oblique, row, column, off):
    structures(oblique, [*place(oblique, 1, 2, 2), *place(oblique, 1, row, column, off)], "CLOSED_PLANAR")
    assert "contour that does not lie on a slice" in refusal(oblique)


@pytest.mark.parametrize(
    ("off", "inside"), [(1.4, True), (-1.4, True), (-1.6, False), (22.4, True), (22.6, False)]
)
def test_a_point_may_lie_between_slices_and_not_outside_them(oblique, off, inside):
    structures(oblique, place(oblique, 0, 5, 5, off), "POINT")
    if inside:
        assert accepted(oblique)
    else:
        assert "outside the source's volume" in refusal(oblique)


@pytest.fixture
def enhanced(tmp_path: Path) -> Made:
    """One Enhanced multi-frame CT with a segmentation and a parametric map."""
    job = made_results.made(tmp_path, [enhanced_ct(tmp_path / "source")])
    job.add("segmentation", made_results.segmentation(job.sources))
    job.add("parametric-map", made_results.parametric_map(job.sources))
    return job


def source_of(dataset: Dataset, frame: int) -> Dataset:
    return dataset.PerFrameFunctionalGroupsSequence[frame].DerivationImageSequence[0].SourceImageSequence[0]


def test_a_multi_frame_source(enhanced):
    assert accepted(enhanced)


@pytest.mark.parametrize("kind", ["segmentation", "parametric-map"])
@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (None, "does not say which frame"),
        (1, "not that of the image it names"),
        ([6, 7], "not that of the image it names"),
        (0, "a frame that it does not have"),
        (9, "a frame that it does not have"),
    ],
)
def test_each_frame_names_its_own_source_frame(enhanced, kind, frame, says):
    enhanced.change(kind, lambda dataset: setattr(source_of(dataset, 0), "ReferencedFrameNumber", frame))
    assert says in refusal(enhanced)


def test_frames_that_describe_themselves_in_their_own_groups(enhanced):
    """Everything that is shared may stand in each frame instead (PS3.3 section C.7.6.16)."""

    def unshare(dataset: Dataset) -> None:
        shared = dataset.SharedFunctionalGroupsSequence[0]
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            frame.PlaneOrientationSequence = shared.PlaneOrientationSequence
            frame.PixelMeasuresSequence = shared.PixelMeasuresSequence
        del shared.PlaneOrientationSequence, shared.PixelMeasuresSequence

    enhanced.change("segmentation", unshare)
    assert accepted(enhanced)


@pytest.fixture
def radiograph(tmp_path: Path) -> Made:
    """A projection image, which lies nowhere in the patient, with a segmentation of it."""
    [path] = ct_series(tmp_path / "source", slices=1)
    image = dcmread(path)
    image.SOPClassUID, image.Modality = "1.2.840.10008.5.1.4.1.1.1", "CR"
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"):
        delattr(image, keyword)
    write(image, path)
    job = made_results.made(tmp_path, [path])
    mask = np.zeros((1, 16, 16), np.uint8)
    mask[0, 2:5, 2:5] = 1
    job.add("segmentation", made_results.segmentation([image], mask=mask))
    return job


def test_a_source_that_lies_nowhere(radiograph):
    assert accepted(radiograph)


def test_a_frame_that_claims_a_place_its_source_does_not_have(radiograph):
    def claim(dataset: Dataset) -> None:
        position = Dataset()
        position.ImagePositionPatient = [0, 0, 0]
        dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence = [position]

    radiograph.change("segmentation", claim)
    assert "which its source does not" in refusal(radiograph)


def test_a_report_points_at_a_picture_of_the_same_job(tmp_path):
    job = made_results.made(tmp_path, ct_series(tmp_path / "source", slices=3))
    picture = job.add("secondary-capture", made_results.secondary_capture(job.sources[0]))
    report = made_results.contour_report([*job.sources[:1], picture, *job.sources[1:]], deep=False)
    job.add("contours", report)
    assert accepted(job)


def test_a_frame_is_made_from_an_image_of_the_input_not_of_another_result(oblique):
    picture = oblique.add("secondary-capture", made_results.secondary_capture(oblique.sources[0]))

    def derive(dataset: Dataset) -> None:
        source_of(dataset, 0).ReferencedSOPClassUID = picture.SOPClassUID
        source_of(dataset, 0).ReferencedSOPInstanceUID = picture.SOPInstanceUID

    oblique.change("segmentation", derive)
    assert "is no image of the input set" in refusal(oblique)


@pytest.mark.filterwarnings("ignore:The string .* is unlikely to represent the intended person name")
@pytest.mark.parametrize("study", ["ct_abdomen_completed", "ct_chest_lidc_0001", "mr_brain_t1_7t"])
def test_real_series(samples, tmp_path, study):
    paths = [path for path in sorted((samples / study).rglob("*")) if path.is_file() and is_dicom(path)]
    job = made_results.made(tmp_path, paths[:8])
    job.add("segmentation", made_results.segmentation(job.sources))
    job.add("parametric-map", made_results.parametric_map(job.sources))
    assert accepted(job)
    job.change("segmentation", lambda dataset: swap_sources(dataset))
    assert "not that of the image it names" in refusal(job)


def swap_sources(dataset: Dataset) -> None:
    one, other = source_of(dataset, 0), source_of(dataset, 1)
    uids = (other.ReferencedSOPInstanceUID, one.ReferencedSOPInstanceUID)
    one.ReferencedSOPInstanceUID, other.ReferencedSOPInstanceUID = uids


def is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def test_the_reach_of_a_single_slice_is_half_its_thickness(tmp_path: Path) -> None:
    job: Any = made_results.made(tmp_path, ct_series(tmp_path / "source", slices=1, SliceThickness=4.0))
    sources = Sources(job.job.input_set)
    assert sources.reach == 2.0
    assert sources.frames_of(generate_uid()) == 0
