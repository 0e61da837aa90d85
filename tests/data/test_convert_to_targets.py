# SPDX-License-Identifier: Apache-2.0
"""A folder of DICOM is there whole or not at all, whatever happens; trees leave out what they must, and say it."""

import gzip
import resource
import struct
from pathlib import Path

import av
import nibabel
import numpy as np
import pytest
import SimpleITK
import tifffile
from convert_inputs import instances, left, nifti, ramp, to_dicom
from PIL import Image

from imaging_data import MissingFolder, TooLarge
from imaging_data.convert.errors import NothingToConvert, TargetExists, UnreadableInput
from imaging_data.convert.to_dicom.arrays import NoPlace
from imaging_data.convert.to_dicom.conversion import SeveralInstances, ToDicom, convert_to_dicom
from imaging_data.convert.to_dicom.rescaling import UnsupportedValues
from imaging_data.convert.to_dicom.targets import CannotWrite, whole_folder


@pytest.fixture
def volume(tmp_path) -> Path:
    """A NIfTI file of four slices."""
    return nifti(tmp_path / "a.nii", ramp(3, 5, 4))


def test_a_target_that_is_there_stays_as_it_is(volume, tmp_path):
    made = to_dicom(volume, tmp_path / "out")
    before = {path: path.read_bytes() for path in made.files}
    with pytest.raises(TargetExists, match="out") as refused:
        to_dicom(volume, tmp_path / "out", "MR")
    assert "--overwrite" in refused.value.hint
    assert {path: path.read_bytes() for path in made.files} == before
    assert instances(to_dicom(volume, tmp_path / "out", "MR", overwrite=True))[0].Modality == "MR"
    assert left(tmp_path) == ["a.nii", "out"]
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(TargetExists, match="more than DICOM"):
        to_dicom(volume, tmp_path / "out", overwrite=True)
    assert len(left(tmp_path / "out")) == 5


def test_what_failed_leaves_the_target_as_it_was(volume, tmp_path):
    to_dicom(volume, tmp_path / "out")
    volume.write_bytes(volume.read_bytes()[:-9])
    with pytest.raises(UnreadableInput):
        to_dicom(volume, tmp_path / "out", overwrite=True)
    assert (left(tmp_path), len(left(tmp_path / "out"))) == (["a.nii", "out"], 4)
    with pytest.raises(UnreadableInput):
        to_dicom(volume, tmp_path / "new" / "deep" / "out")
    assert left(tmp_path) == ["a.nii", "out"]


def test_an_empty_folder_is_filled_and_a_single_file_is_written(volume, tmp_path):
    (tmp_path / "empty" / ".partial-of-a-killed-run").mkdir(parents=True)
    before = (tmp_path / "empty").stat().st_ino
    assert len(to_dicom(volume, tmp_path / "empty").files) == 4
    assert (tmp_path / "empty").stat().st_ino == before  # it may be a mount
    assert len(left(tmp_path / "empty")) == 5
    with pytest.raises(SeveralInstances, match="There are 4"):
        to_dicom(volume, tmp_path / "one.dcm")
    Image.fromarray(np.eye(3, dtype=np.uint8)).save(tmp_path / "a.png")
    for overwrite in (False, True):
        made = to_dicom(tmp_path / "a.png", tmp_path / "one.dcm", "OT", overwrite=overwrite)
        assert made.files == (tmp_path / "one.dcm",)
    with pytest.raises(TargetExists):
        to_dicom(tmp_path / "a.png", tmp_path / "one.dcm", "OT")
    assert left(tmp_path) == ["a.nii", "a.png", "empty", "one.dcm"]


@pytest.mark.parametrize("empty", [False, True])
def test_of_two_runs_at_once_one_is_refused(tmp_path, empty):
    if empty:
        (tmp_path / "out").mkdir()

    def run(name: str, *meanwhile: str) -> None:
        with whole_folder(tmp_path / "out") as folder:
            (folder / "mine.dcm").write_text(name)
            for other in meanwhile:
                run(other)

    with pytest.raises(TargetExists, match="meantime"):
        run("slow", "fast")
    assert left(tmp_path) == ["out"]
    assert (tmp_path / "out" / "mine.dcm").read_text() == "fast"


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    path = nifti(tmp_path / "a.nii", np.zeros((256, 256, 2), np.int16))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # of a file; Python ignores the signal
    try:
        with pytest.raises(CannotWrite, match="File too large") as refused:
            to_dicom(path, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "space" in refused.value.hint
    assert "\n" not in refused.value.detail  # such as a traceback
    assert left(tmp_path) == ["a.nii"]


def test_a_tree_leaves_out_what_it_must_and_says_why(tmp_path):
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    nifti(folder / "deep" / "good.nii.gz", ramp(3, 4, 2))
    nifti(folder / "phases.nii", ramp(3, 4, 2, 2))
    (folder / "bad.nii").write_text("no header")
    (folder / "notes.txt").write_text("notes")
    (folder / ".hidden.png").write_text("x")
    to_dicom(folder / "phases.nii", folder / "dicom")
    seen = []
    made = convert_to_dicom(folder, tmp_path / "out", ToDicom("MR"), lambda *now: seen.append(now))
    assert [len(series.files) for series in made.series] == [2, 4]
    assert (seen[0], seen[-1]) == ((0, 3), (3, 3))
    reasons = {each.name: each.reason for each in made.skipped}
    assert set(reasons) == {
        "bad.nii",
        "notes.txt",
        ".hidden.png",
        *(f"dicom/0001-000{n}.dcm" for n in (1, 2, 3, 4)),
    }
    assert reasons["dicom/0001-0001.dcm"] == "It is DICOM already."
    assert "no header of NIfTI" in reasons["bad.nii"]
    assert sorted(path.name for path in made.files) == left(tmp_path / "out")


def test_a_file_that_breaks_off_leaves_no_instance_of_its_own(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    with tifffile.TiffWriter(folder / "a.tif") as file:
        for size in (9, 8, 300):  # of three kinds, so three instances
            file.write(np.zeros((size, size), np.uint16))
    content = (folder / "a.tif").read_bytes()
    with tifffile.TiffFile(folder / "a.tif") as file:
        [at] = file.pages[2].dataoffsets
        tag = file.pages[2].tags["StripOffsets"].valueoffset
    (folder / "a.tif").write_bytes(
        content[:tag] + (at + len(content)).to_bytes(4, "little") + content[tag + 4 :]
    )
    Image.fromarray(np.eye(3, dtype=np.uint8)).save(folder / "b.png")
    made = to_dicom(folder, tmp_path / "out", "OT")
    assert [each.name for each in made.skipped] == ["a.tif"]
    assert left(tmp_path / "out") == ["0001-0001.dcm"]


def test_nothing_to_convert(tmp_path):
    (tmp_path / "in").mkdir()
    for source, error in ((tmp_path / "in", NothingToConvert), (tmp_path / "none", MissingFolder)):
        with pytest.raises(error):
            to_dicom(source, tmp_path / "out")
    (tmp_path / "in" / "a.txt").write_text("text")
    with pytest.raises(NothingToConvert, match="No conversion"):
        to_dicom(tmp_path / "in", tmp_path / "out")
    assert left(tmp_path) == ["in"]


def header(*shape: int, kind: str = "<f8") -> bytes:
    """A NIfTI header that claims this shape."""
    image = nibabel.Nifti1Image(np.zeros((1, 1, 1), kind), np.eye(4))
    made = image.header
    made.set_sform(np.eye(4), 1)
    content = bytearray(made.binaryblock + bytes(4))
    struct.pack_into("<8h", content, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into("<f", content, 108, 352)
    return bytes(content)


NRRD = (
    b"NRRD0004\ntype: short\ndimension: 3\nsizes: 2 2 2\nencoding: raw\nendian: little\n"
    b"space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
)
MHD = (
    b"ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementSpacing = 1 1 1\nElementType = MET_SHORT\n"
    b"ElementDataFile = "
)
OUTSIDE = NRRD + b"data file: /etc/passwd\n\n"
HARMFUL = {
    "empty.nii": (b"", UnreadableInput),
    "text.nii": (b"text " * 99, UnreadableInput),
    "text.nii.gz": (b"no gzip", UnreadableInput),
    "gzip.nii": (gzip.compress(header(2, 2, 2) + bytes(64)), UnreadableInput),
    "billion.nii": (header(1000, 1000, 2000) + bytes(64), TooLarge),
    "short.nii": (header(100, 100, 100) + bytes(64), UnreadableInput),
    "short.nii.gz": (gzip.compress(header(90, 90, 60, kind="<u1") + bytes(64)), UnreadableInput),
    "cut.nii.gz": (gzip.compress(header(9, 9, 9) + bytes(9**3 * 8))[:-30], UnreadableInput),
    "bomb.nii.gz": (gzip.compress(header(1000, 1000, 1000) + bytes(64)), TooLarge),  # 8 GB
    "wide.nii": (header(32767, 32767, 32767) + bytes(64), TooLarge),
    "pair.nii": (header(2, 2, 2).replace(b"n+1\0", b"ni1\0") + bytes(64), UnreadableInput),
    "negative.nii": (header(-5, 5, 5) + bytes(64), UnsupportedValues),
    "empty.npy": (b"", UnreadableInput),
    "object.npy": (
        b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(128) + b".",
        UnreadableInput,
    ),
    "huge.npy": (
        b"\x93NUMPY\x01\0v\0{'descr': '<f8', 'fortran_order': False, 'shape': (9999, 9999, 9999), }".ljust(
            128
        ),
        UnreadableInput,
    ),
    "text.nrrd": (b"text", UnreadableInput),
    "short.nrrd": (NRRD + b"\n123", UnreadableInput),
    "outside.nrrd": (OUTSIDE, UnreadableInput),
    "late.nhdr": (OUTSIDE.replace(b"space:", b"#" * 70_000 + b"\nspace:"), UnreadableInput),
    "endless.nhdr": (OUTSIDE.replace(b"space:", b"#" * (1 << 20) + b"\nspace:"), UnreadableInput),
    "returns.nhdr": (OUTSIDE.replace(b"\n", b"\r"), UnreadableInput),
    "return.nhdr": (OUTSIDE.replace(b"data file", b"# \rdata file"), UnreadableInput),
    "outside.nhdr": (NRRD + b"data file: ../secret.raw\n\n", UnreadableInput),
    "outside.mhd": (MHD + b"/etc/passwd\n", UnreadableInput),
    "indented.mhd": (MHD.replace(b"ElementData", b"  ElementData") + b"/etc/passwd\n", UnreadableInput),
    "endless.mhd": (b"Comment = " + b"#" * (1 << 20) + b"\n" + MHD + b"/etc/passwd\n", UnreadableInput),
    "list.mhd": (MHD + b"LIST\n/etc/passwd\n", UnreadableInput),
    "huge.mha": (MHD.replace(b"2 2 2", b"60000 60000 60000") + b"LOCAL\n12", TooLarge),
    "short.mha": (MHD + b"LOCAL\n12", UnreadableInput),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_files_are_refused_by_name_and_leave_nothing(tmp_path, name):
    content, error = HARMFUL[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error) as refused:
        to_dicom(tmp_path / name, tmp_path / "out")
    assert name in str(refused.value)
    assert refused.value.hint
    assert left(tmp_path) == [name]


def test_colours_and_arrays_without_a_place_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", ramp(2, 3, 4))
    with pytest.raises(NoPlace):
        to_dicom(tmp_path / "a.npy", tmp_path / "out")
    for place in ('{"affine": [[1, 2], [3, 4]]}', "[" * 100_000):
        (tmp_path / "a.json").write_text(place)
        with pytest.raises(NoPlace):
            to_dicom(tmp_path / "a.npy", tmp_path / "out")
    (tmp_path / "b.mha").write_bytes(MHD.replace(b"ElementSpacing = 1 1 1\n", b"") + b"LOCAL\n" + bytes(16))
    with pytest.raises(NoPlace):
        to_dicom(tmp_path / "b.mha", tmp_path / "out")
    image = SimpleITK.GetImageFromArray(np.zeros((2, 3, 4, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    with pytest.raises(UnsupportedValues):
        to_dicom(tmp_path / "a.mha", tmp_path / "out")


def test_slides_and_video_of_a_tree(samples, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    slide = (samples / "wsi_svs_tiff" / "CMU-1-Small-Region.svs").read_bytes()
    (folder / "a.svs").write_bytes(slide)
    (folder / "b.svs").write_bytes(slide[:5000])
    with av.open(str(folder / "c.avi"), "w") as file:
        stream = file.add_stream("ffv1", rate=5, width=32, height=16, pix_fmt="gray")
        for level in (0, 90):
            image = np.full((16, 32), level, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        file.mux(stream.encode())
    made = to_dicom(folder, tmp_path / "out", "SM")
    if any("libturbojpeg" in each.reason for each in made.skipped):
        pytest.skip("libturbojpeg is not installed: apt-get install libturbojpeg0")
    assert [one.SOPClassUID.name for one in instances(made)] == [
        "VL Whole Slide Microscopy Image Storage",
        "VL Whole Slide Microscopy Image Storage",
        "Multi-frame True Color Secondary Capture Image Storage",
    ]
    assert {one.PatientID for one in instances(made)} == {"P1"}
    assert [each.name for each in made.skipped] == ["b.svs"]
    assert sorted(path.name for path in made.files) == left(tmp_path / "out")
