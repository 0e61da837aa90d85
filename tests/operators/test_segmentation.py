# SPDX-License-Identifier: Apache-2.0
"""Segmentations lie on their source, show what the labelmap shows, and say whose slices they are."""

import numpy as np
import pytest
from builders import enhanced_ct
from dicom_tools import dciodvfy_errors
from highdicom.seg import Segmentation as HighdicomSegmentation
from highdicom.seg import segread
from pydicom.uid import ExplicitVRLittleEndian, RLELossless
from result_files import SEGMENTS, block, ct, shown, volume_in, write

from imaging_operators import Code, Segment, Segmentation, codes, private_code
from imaging_operators.errors import InvalidResult

LUNG = codes.SCT.Lung
TILTED = [0.8, 0.6, 0.0, 0.0, 0.0, -1.0]  # rows along the patient's left and back, columns downwards
NORMAL = np.cross(TILTED[:3], TILTED[3:])


def one(labelmap: np.ndarray) -> Segmentation:
    return Segmentation(labelmap, [Segment(1, LUNG, "One")])


def assert_lies_on(seg: HighdicomSegmentation, volume, labelmap: np.ndarray) -> None:
    """Every voxel of the segmentation is where the labelmap has it in the patient."""
    shown = seg.get_volume(combine_segments=True).match_geometry(volume.to_highdicom())
    assert np.array_equal(shown.array, labelmap)


def assert_names_its_sources(seg, volume) -> None:
    """Each frame's source image is the instance, and the frame of it, that lies at the frame's position."""
    assert len(seg.PerFrameFunctionalGroupsSequence) == seg.NumberOfFrames
    place = {
        (instance.sop_instance_uid, frame): volume.affine[:3, 3] + index * volume.affine[:3, 0]
        for index, (instance, frame) in enumerate(volume.sources)
    }
    for group in seg.PerFrameFunctionalGroupsSequence:
        [source] = group.DerivationImageSequence[0].SourceImageSequence
        key = source.ReferencedSOPInstanceUID, source.get("ReferencedFrameNumber", 1)
        position = group.PlanePositionSequence[0].ImagePositionPatient
        assert np.allclose(position, place[key], atol=1e-3)
        assert max(len(str(value)) for value in position) <= 16


@pytest.mark.parametrize("kind", ["binary", "labelmap"])
@pytest.mark.parametrize(
    "source",
    [
        {},
        {"spacing": (2.5, 0.5, 0.75)},
        {"ImagePositionPatient": lambda index: [-7.0, 3.5, 100 - 2.5 * index]},
        {"InstanceNumber": lambda index: 1 + (5 * index) % 8},
        {
            "ImageOrientationPatient": TILTED,
            "ImagePositionPatient": lambda index: list(map(float, 10 + 2.5 * index * NORMAL)),
        },
        {"rows": 13, "columns": 15},
        {"slices": 9, "rows": 17, "columns": 21, "InstanceNumber": None},
        {"ImagePositionPatient": lambda index: ["-12.3456789012345", "0", f"{index * 2.5:.13f}"]},
    ],
    ids=[
        "plain",
        "not square",
        "head first",
        "shuffled",
        "tilted",
        "odd bits",
        "odd frames",
        "long decimals",
    ],
)
def test_it_lies_on_its_source(tmp_path, source, kind):
    volume = ct(tmp_path / "ct", **source)
    labelmap = block(volume)
    written = write(tmp_path / "out", volume, Segmentation(labelmap, SEGMENTS), segmentation=kind)
    seg = segread(written.folder / "segmentation-0.dcm")
    assert_lies_on(seg, volume, labelmap)
    assert_names_its_sources(seg, volume)
    assert seg.FrameOfReferenceUID == volume.frame_of_reference_uid


@pytest.mark.parametrize("kind", ["binary", "labelmap"])
def test_it_names_the_frames_of_an_enhanced_source(tmp_path, kind):
    def downwards(index, groups):
        groups.PlanePositionSequence[0].ImagePositionPatient = [0.0, 0.0, -2.5 * index]

    enhanced_ct(tmp_path / "ct", frame=downwards)
    volume = volume_in(tmp_path / "ct")
    labelmap = block(volume)
    written = write(tmp_path / "out", volume, Segmentation(labelmap, SEGMENTS), segmentation=kind)
    seg = written["segmentation-0"]
    assert_names_its_sources(seg, volume)
    assert_lies_on(segread(written.folder / "segmentation-0.dcm"), volume, labelmap)
    numbers = {
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        for group in seg.PerFrameFunctionalGroupsSequence
    }
    assert numbers == {5, 6, 7}  # slices 1 to 3 from below are frames 7 to 5 from above


def test_binary_has_no_empty_frames(written, volume):
    seg = written["segmentation-0"]
    assert seg.SOPClassUID.name == "Segmentation Storage"
    assert (seg.SegmentationType, seg.SegmentsOverlap) == ("BINARY", "NO")
    assert seg.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    shown = [
        (
            group.SegmentIdentificationSequence[0].ReferencedSegmentNumber,
            list(group.FrameContentSequence[0].DimensionIndexValues),
        )
        for group in seg.PerFrameFunctionalGroupsSequence
    ]
    assert shown == [(1, [1, 1]), (1, [1, 2]), (1, [1, 3]), (2, [2, 2])]
    assert seg.pixel_array.reshape(4, -1).any(axis=1).all()


def test_a_segment_without_voxels_is_described_and_has_no_frame(tmp_path, volume):
    segments = [*SEGMENTS, Segment(3, codes.SCT.Heart, "Not there")]
    seg = write(tmp_path / "out", volume, Segmentation(block(volume), segments))["segmentation-0"]
    assert [item.SegmentLabel for item in seg.SegmentSequence][-1] == "Not there"
    numbers = {
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for group in seg.PerFrameFunctionalGroupsSequence
    }
    assert numbers == {1, 2}


@pytest.mark.parametrize(("rows", "columns"), [(13, 15), (5, 5), (7, 8)])
def test_bits_of_many_frames_follow_each_other_without_gaps(tmp_path, rows, columns):
    volume = ct(tmp_path / "ct", slices=21, rows=rows, columns=columns)
    labelmap = np.random.default_rng(1).integers(0, 3, volume.shape, np.uint8)
    seg = write(tmp_path / "out", volume, Segmentation(labelmap, SEGMENTS))["segmentation-0"]
    assert seg.NumberOfFrames == 42
    assert len(seg.PixelData) == 2 * -(-42 * rows * columns // 16)
    assert np.array_equal(shown(seg, volume), labelmap)


def test_labelmap_is_rle_with_background_last(as_labelmap, volume):
    seg = as_labelmap["segmentation-0"]
    assert seg.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7"
    assert seg.file_meta.TransferSyntaxUID == RLELossless
    assert [item.SegmentNumber for item in seg.SegmentSequence] == [1, 2, 0]
    assert seg.NumberOfFrames == 3
    assert np.array_equal(seg.pixel_array, block(volume)[1:4])


def test_every_value_of_a_labelmap_is_described_the_background_too(as_labelmap):
    """PS3.3 C.8.20.2.3."""
    seg = as_labelmap["segmentation-0"]
    assert seg.PixelPaddingValue == 0
    assert (
        {item.SegmentNumber for item in seg.SegmentSequence} == set(np.unique(seg.pixel_array)) == {0, 1, 2}
    )


@pytest.mark.parametrize("kind", ["binary", "labelmap"])
def test_more_than_255_segments(tmp_path, volume, kind):
    labelmap = np.zeros(volume.shape, np.uint16)
    labelmap[3].flat[:] = labelmap[5].flat[:] = np.arange(256)
    labelmap[5, 0, 0] = 300
    segments = [Segment(number, LUNG, f"Number {number}") for number in range(1, 301)]
    written = write(tmp_path / "out", volume, Segmentation(labelmap, segments), segmentation=kind)
    assert_lies_on(segread(written.folder / "segmentation-0.dcm"), volume, labelmap)
    assert written["segmentation-0"].NumberOfFrames == {"binary": 2 * 255 + 1, "labelmap": 2}[kind]


def test_each_segment_says_what_it_is(written):
    lung, nodule = written["segmentation-0"].SegmentSequence
    assert (lung.SegmentNumber, lung.SegmentLabel, lung.SegmentAlgorithmName) == (1, "Left lung", "test-app")
    [lung_type] = lung.SegmentedPropertyTypeCodeSequence
    assert lung_type.CodeValue == LUNG.value
    assert lung_type.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert "SegmentedPropertyTypeModifierCodeSequence" not in nodule.SegmentedPropertyTypeCodeSequence[0]
    assert nodule.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert lung.RecommendedDisplayCIELabValue != nodule.RecommendedDisplayCIELabValue


def test_it_refers_to_all_of_its_source(written, volume):
    [series] = written["segmentation-0"].ReferencedSeriesSequence
    assert series.SeriesInstanceUID == volume.series.series_instance_uid
    named = [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence]
    assert named == [instance.sop_instance_uid for instance, _ in volume.sources]


@pytest.mark.parametrize(
    ("said", "thickness"), [("3", 3), ("1.12345678901234567", 1.1235), ("0", 2.5), ("-1", 2.5), ("", 2.5)]
)
def test_thickness_is_the_source_s_and_spacing_is_measured(tmp_path, said, thickness):
    volume = ct(tmp_path / "ct", SliceThickness=said)
    [shared] = write(tmp_path / "out", volume, one(block(volume) > 0))[
        "segmentation-0"
    ].SharedFunctionalGroupsSequence
    [measures] = shared.PixelMeasuresSequence
    assert measures.SliceThickness == pytest.approx(thickness, abs=1e-3)
    assert len(str(measures.SliceThickness)) <= 16
    assert measures.SpacingBetweenSlices == 2.5


def test_without_a_frame_of_reference_it_lies_where_its_source_says(tmp_path):
    volume = ct(tmp_path / "ct", FrameOfReferenceUID=None, PositionReferenceIndicator=None)
    labelmap = block(volume)
    written = write(tmp_path / "out", volume, Segmentation(labelmap, SEGMENTS))
    path = written.folder / "segmentation-0.dcm"
    assert not {"FrameOfReferenceUID", "PositionReferenceIndicator"} & set(written["segmentation-0"].dir())
    assert_names_its_sources(written["segmentation-0"], volume)
    assert np.array_equal(shown(written["segmentation-0"], volume), labelmap)
    assert dciodvfy_errors(path) == []


@pytest.mark.parametrize(
    ("labelmap", "numbers", "sentence"),
    [
        (np.ones((2, 2, 2)), [1], "dtype float64; integers or booleans are needed"),
        (np.full((2, 2, 2), np.nan), [1], "no numbers .NaN or infinite.. In the labelmap"),
        (np.ones((2, 2), int), [1], r"shape \(2, 2\); \(slices, rows, columns\)"),
        (np.zeros((2, 2, 2), int), [1], "The labelmap is empty"),
        (np.zeros((0, 2, 2), int), [1], "The labelmap is empty"),
        (np.full((2, 2, 2), 3), [1, 2], "holds 3 to 3; there are segments 1 to 2"),
        (np.full((2, 2, 2), -1), [1], "holds -1 to -1"),
        (np.ones((2, 2, 2), int), [1, 3], r"numbered \[1, 3\]; they must be 1, 2, 3"),
        (np.ones((2, 2, 2), int), [2, 1], r"numbered \[2, 1\]"),
        (np.ones((2, 2, 2), int), [], r"numbered \[\]"),
    ],
)
def test_a_wrong_labelmap_is_refused_in_words(labelmap, numbers, sentence):
    with pytest.raises(InvalidResult, match=sentence) as raised:
        Segmentation(labelmap, [Segment(number, LUNG, "S") for number in numbers])
    assert raised.value.hint


def test_another_grid_is_refused(tmp_path, volume):
    with pytest.raises(InvalidResult, match=r"shape \(2, 2, 2\), the volume has \(8, 16, 16\)"):
        write(tmp_path / "out", volume, one(np.ones((2, 2, 2), bool)))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"label": "x" * 65}, "1 to 64 characters"),
        ({"label": "a\\b"}, "no backslash"),
        ({"label": "x", "color": (0, 0, 256)}, "each part is 0 to 255"),
    ],
)
def test_a_wrong_segment_is_refused(arguments, sentence):
    with pytest.raises(InvalidResult, match=sentence):
        Segment(1, LUNG, **arguments)


def test_a_segment_without_a_label_is_called_what_it_is():
    assert Segment(1, codes.SCT.Spleen).label == "Spleen"


def test_every_dtype_of_integers_will_do(tmp_path, volume):
    labelmap = block(volume)
    bytes_of = [
        write(tmp_path / name, volume, Segmentation(labelmap.astype(name), SEGMENTS)).bytes()
        for name in ("uint8", "int64", "uint16")
    ]
    assert bytes_of[0] == bytes_of[1] == bytes_of[2]


@pytest.mark.parametrize("kind", ["binary", "labelmap"])
def test_a_scheme_of_one_s_own_is_declared(tmp_path, volume, kind):
    segment = Segment(1, private_code("X1", "Größe"), "Größe ü", category=Code("C1", "99OWN", "Category"))
    written = write(tmp_path / "out", volume, Segmentation(block(volume) > 0, [segment]), segmentation=kind)
    seg = written["segmentation-0"]
    declared = {item.CodingSchemeDesignator for item in seg.CodingSchemeIdentificationSequence}
    assert declared == {"99GANTRY", "99OWN"}
    assert seg.SegmentSequence[0].SegmentLabel == "Größe ü"
    assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Größe"
    public = write(tmp_path / "public", volume, one(block(volume) > 0), segmentation=kind)
    assert "CodingSchemeIdentificationSequence" not in public["segmentation-0"]
