# SPDX-License-Identifier: Apache-2.0
"""PixelMed's DicomSRValidator, which knows the templates of PS3.16, accepts every structured report.

It knows a TID 1500 report by its title, so that of a classification, which is our own, is changed for it.
"""

import pytest
from dicom_tools import sr_validator_errors
from documents import OUTLINE
from pydicom import dcmread
from result_files import MILLILITRE, SEGMENTS, block, write

from imaging_operators import Mark, Measurement, Measurements, Segmentation, codes

LENGTH, MM = codes.SCT.Length, codes.UCUM.Millimeter
PLACES = [
    Measurement(LENGTH, 3.0, MM, slices=(0, 2)),
    Measurement(LENGTH, 4.0, MM, mark=Mark(OUTLINE, 1)),
    Measurement(LENGTH, 5.0, MM, points=((0.0, 1.0, 2.0), (3.0, 4.0, 5.0)), site=codes.SCT.Lung),
]


@pytest.mark.parametrize("kind", ["placed-findings", "key-object"])
def test_documents(documented, kind):
    assert sr_validator_errors(documented.folder / f"{kind}-0.dcm") == []


def test_a_classification_as_a_titled_measurement_report(documented, tmp_path):
    report = dcmread(documented.folder / "classification-0.dcm")
    [title] = report.ConceptNameCodeSequence
    title.CodeValue, title.CodingSchemeDesignator = "126001", "DCM"
    title.CodeMeaning = "Oncology Measurement Report"
    report.save_as(tmp_path / "titled.dcm")
    assert sr_validator_errors(tmp_path / "titled.dcm") == []


def test_measurements_of_segments(tmp_path, volume):
    segmentation = Segmentation(block(volume), SEGMENTS)
    items = [
        Measurement(codes.SCT.Volume, 1.5, codes.UCUM.CubicMillimeter, segment=1),
        Measurement(codes.DCM.AttenuationCoefficient, -801.25, codes.UCUM.HounsfieldUnit, 1, codes.SCT.Mean),
        Measurement(codes.SCT.Volume, 2.0, MILLILITRE, segment=2),
    ]
    written = write(tmp_path / "out", volume, Measurements(items, segmentation))
    assert sr_validator_errors(written.folder / "measurements-0.dcm") == []


def test_measurements_with_places(tmp_path, volume):
    written = write(tmp_path / "out", volume, Measurements(PLACES))
    assert sr_validator_errors(written.folder / "measurements-0.dcm") == []


def test_text(written):
    assert sr_validator_errors(written.folder / "text-report-0.dcm") == []


def test_an_error_is_seen(documented, tmp_path):
    report = dcmread(documented.folder / "placed-findings-0.dcm")
    measurements = report.ContentSequence[-1]
    [tracking] = [
        item for item in measurements.ContentSequence[0].ContentSequence if item.ValueType == "UIDREF"
    ]
    tracking.RelationshipType = "CONTAINS"
    report.save_as(tmp_path / "broken.dcm")
    assert sr_validator_errors(tmp_path / "broken.dcm") != []
