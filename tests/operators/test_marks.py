# SPDX-License-Identifier: Apache-2.0
"""Points and lines: where they are in the images, and in the results that draw them."""

import math

import numpy as np
import pytest
from builders import ct_series
from documents import OUTLINE
from result_files import ct, write

from imaging_operators import (
    KeyObject,
    Mark,
    Measurement,
    Measurements,
    PlacedFinding,
    PlacedFindings,
    PresentationState,
    codes,
)
from imaging_operators.errors import InvalidResult

LENGTH, MM = codes.SCT.Length, codes.UCUM.Millimeter
POINT = Mark([(5.0, 7.0)], 2)


def items(dataset, value_type):
    """The content items of one value type, at any depth."""
    return [
        item
        for element in dataset.iterall()
        if element.keyword == "ContentSequence"
        for item in element.value
        if item.ValueType == value_type
    ]


def measured(folder, volume, **place):
    return write(folder, volume, Measurements([Measurement(LENGTH, 1.0, MM, **place)]))["measurements-0"]


def test_coordinates_count_from_the_corner_of_the_image(tmp_path, volume):
    """The centre of the first pixel is half a pixel from it, in column and row (PS3.3 C.18.6.1.2)."""
    [scoord] = items(measured(tmp_path / "out", volume, mark=Mark([(0, 0), (5, 7)], 2)), "SCOORD")
    assert (scoord.GraphicType, scoord.GraphicData) == ("POLYLINE", [0.5, 0.5, 7.5, 5.5])
    [image] = scoord.ContentSequence
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == volume.source_of(2).sop_instance_uid


def test_points_are_millimetres_in_the_patient(tmp_path, volume):
    [scoord] = items(measured(tmp_path / "out", volume, points=((2, 5, 7),)), "SCOORD3D")
    first = volume.source_of(2).dataset
    rows_mm, columns_mm = map(float, first.PixelSpacing)
    expected = np.add(first.ImagePositionPatient, (7 * columns_mm, 5 * rows_mm, 0))
    assert scoord.GraphicType == "POINT"
    assert np.allclose(scoord.GraphicData, expected)
    assert scoord.ReferencedFrameOfReferenceUID == volume.frame_of_reference_uid


def test_slices_are_images_of_the_source(tmp_path, volume):
    images = items(measured(tmp_path / "out", volume, slices=(1, 3)), "IMAGE")
    uids = [image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for image in images]
    assert uids == [volume.source_of(index).sop_instance_uid for index in (1, 3)]


def test_an_outline_is_the_region_of_its_group(documented, volume):
    report = documented["placed-findings-0"]
    assert report.ConceptNameCodeSequence[0].CodeValue == "126000"
    outline, point = items(report, "SCOORD")
    assert outline.GraphicData == [3.5, 2.5, 9.5, 2.5, 9.5, 8.5, 3.5, 2.5]
    assert point.GraphicType == "POINT"
    for scoord, index in ((outline, 0), (point, -1)):
        [image] = scoord.ContentSequence
        named = image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        assert named == volume.source_of(index).sop_instance_uid


def test_each_group_has_one_outline_and_nothing_below_its_numbers(documented):
    """A viewer shows no group without coordinates, and a number's own children hide it."""
    [measurements] = [
        item for item in documented["placed-findings-0"].ContentSequence if "ContentSequence" in item
    ]
    for group in measurements.ContentSequence:
        assert sum(item.ValueType == "SCOORD" for item in group.ContentSequence) == 1
        assert not any("ContentSequence" in item for item in group.ContentSequence if item.ValueType == "NUM")


def test_a_presentation_state_draws_each_mark_on_its_image(documented, volume):
    _, outline, point = documented["presentation-state-0"].GraphicAnnotationSequence
    for annotation, index in ((outline, -1), (point, 0)):
        [image] = annotation.ReferencedImageSequence
        assert image.ReferencedSOPInstanceUID == volume.source_of(index).sop_instance_uid
    [drawn], [text] = outline.GraphicObjectSequence, outline.TextObjectSequence
    assert (drawn.GraphicType, drawn.GraphicFilled, drawn.NumberOfGraphicPoints) == ("POLYLINE", "N", 4)
    assert list(drawn.GraphicData) == [3.5, 2.5, 9.5, 2.5, 9.5, 8.5, 3.5, 2.5]
    assert (text.UnformattedTextValue, list(text.AnchorPoint)) == ("nodule", [3.5, 2.5])
    assert "GraphicFilled" not in point.GraphicObjectSequence[0]


def test_the_displayed_area_is_the_image_with_its_pixels(documented, volume):
    [area] = documented["presentation-state-0"].DisplayedAreaSelectionSequence
    rows, columns = volume.array.shape[1:]
    assert list(area.DisplayedAreaBottomRightHandCorner) == [columns, rows]
    assert list(area.PresentationPixelSpacing) == [0.5, 0.75]


@pytest.mark.parametrize(
    ("attributes", "window", "shown"),
    [
        ({}, (40, 400), (40, 400)),
        ({"WindowCenter": [-600, 40], "WindowWidth": [1500, 400]}, None, (-600, 1500)),
        ({"WindowCenter": -600, "WindowWidth": 1500}, (40, 400), (40, 400)),
        ({}, None, None),
    ],
)
def test_the_window_is_the_author_s_or_the_source_s(tmp_path, attributes, window, shown):
    volume = ct(tmp_path / "ct", **attributes)
    state = write(tmp_path / "out", volume, PresentationState([POINT], window))["presentation-state-0"]
    assert (state.RescaleSlope, state.RescaleIntercept, state.RescaleType) == (1, -1024, "HU")
    windows = [(item.WindowCenter, item.WindowWidth) for item in state.get("SoftcopyVOILUTSequence", [])]
    assert windows == ([] if shown is None else [shown])
    assert state.PresentationLUTShape == "IDENTITY"


def test_images_of_several_rescales_are_refused(tmp_path):
    volume = ct(tmp_path / "ct", RescaleSlope=lambda index: 1 + index)
    marks = [Mark([(1, 1)], index) for index in (0, 1)]
    with pytest.raises(InvalidResult, match="images with 2 rescales"):
        write(tmp_path / "out", volume, PresentationState(marks))
    write(tmp_path / "one", volume, PresentationState(marks[:1]))


@pytest.mark.parametrize(
    "result",
    [
        PresentationState([Mark([(16, 3)])]),
        PlacedFindings([PlacedFinding(codes.SCT.Nodule, Mark([(3, -1)]))]),
        Measurements([Measurement(LENGTH, 1.0, MM, mark=Mark([(1, 1), (1, 15.6)]))]),
    ],
)
def test_a_mark_outside_its_image_is_refused(tmp_path, volume, result):
    with pytest.raises(InvalidResult, match="of an image of 16 x 16"):
        write(tmp_path / "out", volume, result)


def test_points_need_a_frame_of_reference(tmp_path):
    volume = ct(tmp_path / "ct", FrameOfReferenceUID=None)
    with pytest.raises(InvalidResult, match="without a frame of reference"):
        measured(tmp_path / "out", volume, points=((0, 0, 0),))


@pytest.mark.parametrize("result", [KeyObject([1]), PresentationState([POINT])])
def test_slices_of_a_resampled_volume_are_no_images(tmp_path, result):
    from imaging_data import find_instances, read_volume

    ct_series(tmp_path / "ct", ImagePositionPatient=lambda index: [0, 0, 2.0 * index + (index > 4) * 0.7])
    [series] = find_instances(tmp_path / "ct").series
    volume = read_volume(series, resample=True)
    assert volume.resampling is not None
    with pytest.raises(InvalidResult, match="a volume that was resampled"):
        write(tmp_path / "out", volume, result)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Mark([]), "without points"),
        (lambda: Mark([(math.nan, 0)]), "A Mark at"),
        (lambda: PlacedFinding(codes.SCT.Nodule, Mark([(0, 0), (1, 1)])), "is not closed"),
        (lambda: PlacedFindings([]), "without any finding"),
        (lambda: PresentationState([]), "without any mark"),
        (lambda: PresentationState([POINT], (40, 0)), "A window of width 0"),
        (lambda: PresentationState([POINT], label="lower case"), "The label 'lower case'"),
        (lambda: KeyObject([]), "without any instance"),
        (lambda: Measurement(LENGTH, 1.0, MM, slices=(1,), mark=POINT), "a place in several ways"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, sentence):
    with pytest.raises(InvalidResult, match=sentence):
        make()


def test_a_key_object_names_only_results_of_its_run(tmp_path, volume):
    stranger = PresentationState([POINT])
    with pytest.raises(InvalidResult, match="not returned beside it"):
        write(tmp_path / "out", volume, KeyObject([stranger]))


def test_a_key_object_may_be_returned_before_what_it_names(tmp_path, volume):
    state = PresentationState([POINT])
    written = write(tmp_path / "out", volume, [KeyObject([state, 1]), state])
    [named] = items(written["key-object-0"], "COMPOSITE")
    uid = named.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert uid == written["presentation-state-0"].SOPInstanceUID


def test_an_outline_has_three_corners_at_least():
    assert Mark(OUTLINE).is_closed
    assert not Mark(OUTLINE[:2] + OUTLINE[:1]).is_closed
