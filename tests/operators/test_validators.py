# SPDX-License-Identifier: Apache-2.0
"""dicom3tools finds no error of our encoder's making."""

import pytest
from builders import enhanced_ct
from dicom_tools import dciodvfy_errors, dsrdump
from result_files import SEGMENTS, Measurements, Segmentation, all_kinds, block, ct, volume_in, write

KINDS = ["segmentation", "measurements", "text-report", "secondary-capture"]
# dciodvfy of 2022 knows neither the labelmap SOP class nor that its segments may number from 0.
OLD_BUILD = {
    "segmentation": [
        "SegmentNumber not monotonically increasing from one by one",
        "Information Object Not found",
    ],
    "measurements": [
        "ReferencedSegmentNumber(0062,000b)> - Shall not be present for Referenced SOP Class that"
    ]
    * 2,
    "text-report": [],
    "secondary-capture": [],
}
OBLIQUE = {
    "ImageOrientationPatient": [0.8, 0.6, 0, 0, 0, -1],
    "ImagePositionPatient": lambda index: [-1.5 * index, 2.0 * index, 0.0],
}
MINIMAL = dict.fromkeys(["StudyDescription", "SeriesDescription", "BodyPartExamined", "StudyDate", "StudyID"])


@pytest.mark.parametrize("kind", KINDS)
def test_no_errors(written, kind):
    assert dciodvfy_errors(written.folder / f"{kind}-0.dcm") == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_old_build_s_errors_with_labelmaps(as_labelmap, kind):
    errors = dciodvfy_errors(as_labelmap.folder / f"{kind}-0.dcm")
    assert len(errors) == len(OLD_BUILD[kind])
    for error, known in zip(errors, OLD_BUILD[kind], strict=True):
        assert known in error


@pytest.mark.parametrize(
    "attributes", [OBLIQUE, MINIMAL, {"PatientName": "Ä=山=や"}], ids=["oblique", "minimal", "name"]
)
def test_no_errors_from_other_sources(tmp_path, attributes):
    volume = ct(tmp_path / "ct", **attributes)
    written = write(tmp_path / "out", volume, all_kinds(volume))
    assert [dciodvfy_errors(written.folder / f"{kind}-0.dcm") for kind in KINDS] == [[], [], [], []]


def test_no_errors_from_an_enhanced_source(tmp_path):
    enhanced_ct(tmp_path / "ct")
    volume = volume_in(tmp_path / "ct")
    written = write(tmp_path / "out", volume, all_kinds(volume))
    assert [dciodvfy_errors(written.folder / f"{kind}-0.dcm") for kind in KINDS] == [[], [], [], []]


def test_no_errors_in_a_later_revision(tmp_path, volume):
    replaced = {
        "kind": "measurements",
        "ordinal": 0,
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.34",
        "sop_instance_uid": "2.25.3",
        "study_instance_uid": "2.25.1",
        "series_instance_uid": "2.25.2",
        "series_number": 302,
    }
    segmentation = Segmentation(block(volume), SEGMENTS)
    [numbers] = [result for result in all_kinds(volume) if isinstance(result, Measurements)]
    results = [Measurements(numbers.items, segmentation)]
    written = write(tmp_path / "out", volume, results, revision=2, replaces=[replaced])
    path = written.folder / "measurements-0.dcm"
    assert dciodvfy_errors(path) == []
    assert "Predecessor Docs" in dsrdump(path)
