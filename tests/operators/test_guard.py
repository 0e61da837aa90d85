# SPDX-License-Identifier: Apache-2.0
"""A mask that is flipped, mirrored, shifted or on the wrong slice does not leave."""

import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series, enhanced_ct
from highdicom.seg import segread
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from result_files import INFO, SEGMENTS, block, ct, volume_in, write
from results_3d import each

from imaging_operators import Segmentation
from imaging_operators.context import JobContext
from imaging_operators.errors import InvalidResult, WrongGeometry
from imaging_operators.results.base import ResultContext, RunContext
from imaging_operators.results.written import unpacked

KINDS = ("binary", "labelmap")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """8 slices of 16 x 16, 2.5 mm apart, pixels 0.5 x 0.75 mm."""
    return ct(tmp_path_factory.mktemp("ct"), spacing=(2.5, 0.5, 0.75))


@pytest.fixture(scope="module")
def sound(small, tmp_path_factory):
    """The two objects of the same labelmap, as files."""
    result = Segmentation(lopsided(small), SEGMENTS)
    folder = tmp_path_factory.mktemp("out")
    return {
        kind: write(folder / kind, small, result, segmentation=kind).folder / "segmentation-0.dcm"
        for kind in KINDS
    }


def lopsided(volume) -> np.ndarray:
    """Two labels, no two slices alike, and no slice like its mirror."""
    labelmap = np.zeros(volume.shape, np.uint8)
    labelmap[1, 2:5, 3:9] = labelmap[2, 2:4, 3:8] = labelmap[3, 2:3, 3:6] = 1
    labelmap[2, 10, 12] = labelmap[3, 9, 12] = 2
    return labelmap


def check(content: bytes, volume) -> None:
    run = RunContext(volume, INFO, "d" * 64, JobContext())
    result = Segmentation(lopsided(volume), SEGMENTS)
    result.check_written(content, ResultContext(run, result.kind, 0))


def changed(path: Path, change: Callable[[Dataset], None], pixels: Callable | None = None) -> bytes:
    """The object with something else in it, as the bytes that would leave."""
    dataset = dcmread(path)
    if dataset.file_meta.TransferSyntaxUID != ExplicitVRLittleEndian:
        dataset.decompress()
    if pixels is not None:
        array = np.ascontiguousarray(pixels(dataset.pixel_array))
        one_bit = dataset.BitsAllocated == 1
        packed = np.packbits(array, bitorder="little") if one_bit else array
        dataset.PixelData = packed.tobytes() + b"\0" * (packed.nbytes % 2)
    change(dataset)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def groups(dataset: Dataset, number: int) -> Dataset:
    return dataset.PerFrameFunctionalGroupsSequence[number]


def image(dataset: Dataset, number: int) -> Dataset:
    return groups(dataset, number).DerivationImageSequence[0].SourceImageSequence[0]


def nothing(dataset: Dataset) -> None:
    pass


def shift_positions(axis: int, mm: float) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        for group in dataset.PerFrameFunctionalGroupsSequence:
            position = [float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient]
            position[axis] += mm
            group.PlanePositionSequence[0].ImagePositionPatient = position

    return change


def swap_references(dataset: Dataset) -> None:
    one, other = image(dataset, 0), image(dataset, 1)
    one.ReferencedSOPInstanceUID, other.ReferencedSOPInstanceUID = (
        other.ReferencedSOPInstanceUID,
        one.ReferencedSOPInstanceUID,
    )


def swap_frames(dataset: Dataset) -> None:
    sequence = dataset.PerFrameFunctionalGroupsSequence
    sequence[0], sequence[1] = sequence[1], sequence[0]


def orient(*cosines: float) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        [shared] = dataset.SharedFunctionalGroupsSequence
        shared.PlaneOrientationSequence[0].ImageOrientationPatient = list(cosines)

    return change


def space(*mm: float) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        [shared] = dataset.SharedFunctionalGroupsSequence
        shared.PixelMeasuresSequence[0].PixelSpacing = list(mm)

    return change


def one_slice_on(dataset: Dataset) -> None:
    """Every frame says the place and source of the slice above: consistent in itself, and one slice off."""
    last = len(dataset.PerFrameFunctionalGroupsSequence) - 1
    moved = {}
    for number in range(last):
        if image(dataset, number + 1).ReferencedSOPInstanceUID != image(dataset, 0).ReferencedSOPInstanceUID:
            moved[number] = (
                image(dataset, number + 1).ReferencedSOPInstanceUID,
                groups(dataset, number + 1).PlanePositionSequence,
            )
    for number, (uid, place) in moved.items():
        image(dataset, number).ReferencedSOPInstanceUID = uid
        groups(dataset, number).PlanePositionSequence = place


def foreign(dataset: Dataset) -> None:
    image(dataset, 0).ReferencedSOPInstanceUID = generate_uid()


def twice(dataset: Dataset) -> None:
    sequence = dataset.PerFrameFunctionalGroupsSequence
    sequence[1] = sequence[0]


DESCRIPTIONS = {
    "a shift of one slice": (
        shift_positions(2, 2.5),
        r"segment \d \(.*\) lies 2.5 mm from|the map lies 2.5 mm",
    ),
    "a shift of one column": (shift_positions(0, 0.75), "lies 0.75 mm from"),
    "a shift of a tenth of a millimetre": (shift_positions(1, 0.1), "lies 0.1 mm from"),
    "references swapped": (swap_references, "lies 2.5 mm from"),
    "frames permuted": (swap_frames, "is off by|there twice"),
    "rows flipped by the orientation": (orient(1, 0, 0, 0, -1, 0), "turned or scaled"),
    "columns flipped by the orientation": (orient(-1, 0, 0, 0, 1, 0), "turned or scaled"),
    "rows and columns changed over": (orient(0, 1, 0, 1, 0, 0), "turned or scaled"),
    "spacing changed over": (space(0.75, 0.5), "turned or scaled"),
    "spacing of another grid": (space(0.6, 0.75), "turned or scaled"),
    "spacing missing": (space(), "turned or scaled"),
    "one slice on": (one_slice_on, "is off by|there twice"),
    "a foreign source": (foreign, "which is none of the volume"),
    "a frame twice": (twice, "is there twice"),
}
PIXELS = {
    "rows": lambda array: array[:, ::-1],
    "columns": lambda array: array[:, :, ::-1],
    "slices": lambda array: array[::-1],
    "both": lambda array: array[:, ::-1, ::-1],
    "transposed": lambda array: array.transpose(0, 2, 1),
    "one row down": lambda array: np.roll(array, 1, axis=1),
    "one column back": lambda array: np.roll(array, -1, axis=2),
    "one frame on": lambda array: np.roll(array, 1, axis=0),
    "empty": lambda array: array * 0,
    "one voxel more": lambda array: np.where(np.arange(16) == 15, array.max(), array),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_object_leaves(sound, small, kind):
    check(sound[kind].read_bytes(), small)
    check(changed(sound[kind], nothing, lambda array: array), small)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", DESCRIPTIONS)
def test_frames_that_say_something_else_do_not_leave(sound, small, kind, what):
    change, words = DESCRIPTIONS[what]
    with pytest.raises(WrongGeometry, match=words) as raised:
        check(changed(sound[kind], change), small)
    assert raised.value.hint


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", PIXELS)
def test_frames_that_show_something_else_do_not_leave(sound, small, kind, what):
    with pytest.raises(WrongGeometry, match=r"segment|marked voxels"):
        check(changed(sound[kind], nothing, PIXELS[what]), small)


def test_the_sentence_says_which_segment_is_off_and_by_how_much(sound, small):
    with pytest.raises(WrongGeometry, match=r"segment 1 \(Left lung\) is off by 0\.5 mm at its centroid"):
        check(changed(sound["binary"], nothing, PIXELS["one row down"]), small)


def test_a_mask_mirrored_about_its_own_centroid_does_not_leave(tmp_path, small):
    labelmap = np.zeros(small.shape, np.uint8)
    labelmap[2, 4:7, 4:9] = [[1, 1, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 1, 1]]
    result = Segmentation(labelmap, SEGMENTS[:1])
    path = write(tmp_path / "out", small, result).folder / "segmentation-0.dcm"

    def mirrored(array):
        turned = array.copy()
        turned.reshape(16, 16)[4:7, 4:9] = array.reshape(16, 16)[4:7, 4:9][:, ::-1]
        return turned

    context = ResultContext(RunContext(small, INFO, "d" * 64, JobContext()), result.kind, 0)
    result.check_written(path.read_bytes(), context)
    with pytest.raises(WrongGeometry, match=r"off by 0 mm .* moved, mirrored or turned"):
        result.check_written(changed(path, nothing, mirrored), context)


def test_a_missing_frame_is_seen(sound, small):
    def drop(dataset: Dataset) -> None:
        del dataset.PerFrameFunctionalGroupsSequence[-1]
        dataset.NumberOfFrames -= 1

    with pytest.raises(WrongGeometry, match="show 32 marked voxels, the app returned 33"):
        check(changed(sound["binary"], drop), small)


def test_a_wrong_object_is_never_in_the_output_folder(tmp_path, small, monkeypatch):
    from imaging_operators.results import segmentation

    right = segmentation.binary_pixels
    monkeypatch.setattr(
        segmentation, "binary_pixels", lambda labelmap, frames: right(labelmap[:, ::-1], frames)
    )
    with pytest.raises(InvalidResult, match=r"segment 1 \(Left lung\)"):
        write(tmp_path / "out", small, Segmentation(block(small), SEGMENTS))
    assert list((tmp_path / "out").iterdir()) == []


@st.composite
def sources(draw: st.DrawFn) -> dict:
    """A grid at any angle, at any place, its slices in any order, in single frames or in one instance."""
    axis = np.array([1.5, *(draw(st.floats(-1, 1)) for _ in range(3))])
    w, x, y, z = axis / np.linalg.norm(axis)
    right = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)])
    down = np.array([2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)])
    down *= draw(st.sampled_from([1, -1]))
    origin = np.array([draw(st.floats(-500, 500)) for _ in range(3)])
    spacing = tuple(round(draw(st.floats(0.3, 6)), 4) for _ in range(3))
    order = draw(st.permutations(range(5)))
    normal = np.cross(right, down) * spacing[0] * draw(st.sampled_from([1, -1]))
    return {
        "slices": 5,
        "rows": draw(st.integers(2, 9)),
        "columns": draw(st.integers(2, 9)),
        "spacing": spacing,
        "orientation": [f"{value:.10f}" for value in (*right, *down)],
        "position": lambda index: [f"{value:.6f}" for value in origin + normal * order[index]],
        "enhanced": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**16)),
    }


def volume_of(source: dict, folder: Path):
    grid = {key: source[key] for key in ("slices", "rows", "columns", "spacing")}
    if not source["enhanced"]:
        ct_series(
            folder,
            **grid,
            ImageOrientationPatient=source["orientation"],
            ImagePositionPatient=source["position"],
        )
        return volume_in(folder)

    def place(index: int, group: Dataset) -> None:
        group.PlanePositionSequence[0].ImagePositionPatient = source["position"](index)
        group.PlaneOrientationSequence = [Dataset()]
        group.PlaneOrientationSequence[0].ImageOrientationPatient = source["orientation"]

    enhanced_ct(folder, **grid, frame=place)
    return volume_in(folder)


@settings(max_examples=25, deadline=None)
@given(sources(), st.sampled_from(KINDS))
def test_whatever_the_source_a_sound_mask_leaves_and_lies_where_it_was(source, kind):
    with tempfile.TemporaryDirectory() as name:
        volume = volume_of(source, Path(name) / "ct")
        labelmap = np.random.default_rng(source["seed"]).integers(0, 3, volume.shape, np.uint8)
        labelmap[0, 0, :2] = 1, 2
        result = Segmentation(labelmap, SEGMENTS)
        path = write(Path(name) / "out", volume, result, segmentation=kind).folder / "segmentation-0.dcm"
        shown = segread(path).get_volume(combine_segments=True, allow_missing_positions=True)
        assert np.array_equal(shown.match_geometry(volume.to_highdicom(), tol=1e-3).array, labelmap)


@pytest.mark.parametrize("code", [b"\x02abc\xfed", b"\x80\x00a\x00b", b"\x00a\xff"])
def test_literals_are_unpacked(code):
    assert unpacked(code).tobytes() == {2: b"abcddd", 128: b"ab", 0: b"a"}[code[0]]


@settings(max_examples=10, deadline=None)
@given(sources())
def test_whatever_the_source_a_sound_result_of_any_kind_leaves(source):
    with tempfile.TemporaryDirectory() as name:
        volume = volume_of(source, Path(name) / "ct")
        labelmap = np.random.default_rng(source["seed"]).integers(0, 3, volume.shape, np.uint8)
        labelmap[0, 0, :2] = 1, 2
        written = write(Path(name) / "out", volume, each(volume, labelmap))
        assert len(written.objects) == 4
