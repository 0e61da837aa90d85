# SPDX-License-Identifier: Apache-2.0
"""`gantry convert`: the commands of docs/research.md as they stand there, and what is wrong usage."""

import json
import re
import shlex
from pathlib import Path

import nibabel
import numpy as np
import pytest
from builders import ct_series
from gateway_process import Gateway
from PIL import Image
from pydicom import dcmread
from typer.testing import CliRunner

from imaging_data import ExplainedError, find_instances
from imaging_data.convert.attributes import WrongAttribute
from imaging_data.convert.errors import TargetExists, UnknownFormat
from imaging_data.display import Options, Window, picture
from informatics_gateway.cli import app
from informatics_gateway.cli.convert import CannotConvert
from informatics_gateway.sending.addressee import NoSuchButton, NoSuchDestination

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "research.md").read_text()
SECTION = PAGE.partition("### To DICOM\n")[2].partition("\n### ")[0].partition("\n## ")[0]
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line)[1:] for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
WINDOW = "-900,150"
APP = ROOT / "tests" / "operators" / "apps" / "torch_free"
TABLES = f"""
[[destination]]
name = "research-archive"
kind = "folder"
path = "archive"
clinical = false
[[app]]
name = "torch_free"
path = "{APP}"
[[route]]
called_ae_title = "LUNGS"
series = {{ Modality = "CT" }}
app = "torch_free"
destinations = ["research-archive"]
"""


def gantry(*words: object) -> tuple[int, str]:
    """Exit status and output of `gantry WORDS`."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, ExplainedError):
        raise done.exception
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """What the page calls path/to, a configuration, and a gateway that runs it."""
    folder = tmp_path_factory.mktemp("convert")
    path = folder / "path" / "to"
    (path / "pictures").mkdir(parents=True)
    array = np.arange(5 * 16 * 16, dtype=np.int16).reshape(16, 16, 5)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([1, 1, 2.5, 1.0])), path / "ct.nii.gz")
    for name in ("a.png", "b.jpg"):
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (9, 9), np.uint8)).save(
            path / "pictures" / name
        )
    Image.fromarray(array[:, :, 0].astype(np.uint16)).save(path / "picture.png")
    (path / "patients.csv").write_text("file,PatientID\na.png,1\nb.jpg,2\n")
    gateway = Gateway(folder, TABLES)
    gateway.start()
    yield gateway
    gateway.stop()


def test_the_commands_of_the_page(place, monkeypatch):
    """In their order, each in the same folder, the gateway being there."""
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("GANTRY_CONFIG", str(place.config))
    said = {" ".join(words): gantry(*words, "--json") for words in COMMANDS}
    assert len(said) == 5
    results = {words: json.loads(output) for words, (status, output) in said.items() if status == 0}
    assert set(results) == set(said)
    ct, series, picture, archived, pressed = results.values()
    assert (len(ct["files"]), len(series["files"]), picture["files"]) == (5, 2, ["path/to/picture.dcm"])
    assert {dcmread(path).PatientID for path in series["files"]} == {"1", "2"}
    assert dcmread("path/to/picture.dcm").StudyInstanceUID == ct["series"][0]["study_instance_uid"]
    assert (archived["sent"]["present"], archived["sent"]["complete"]) == (2, True)
    assert (pressed["sent"]["instances"], pressed["sent"]["complete"]) == (5, True)
    place.wait_ended()
    [job] = place.cli("jobs", "list", "--json")
    assert job["status"] == "delivered"
    received = find_instances(place.folder / "archive").series
    assert len(received) >= 3  # the two pictures, and what the app made of the volume


def test_the_lines_for_python(place, monkeypatch, tmp_path):
    [code] = [block for kind, block in BLOCKS if kind == "python"]
    (tmp_path / "ct.nii.gz").write_bytes((place.folder / "path" / "to" / "ct.nii.gz").read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "research.md", "exec"), {})
    assert len(list((tmp_path / "ct").iterdir())) == 5


def test_from_dicom_and_labels_to_a_segmentation(tmp_path):
    ct_series(tmp_path / "ct", slices=4)
    status, said = gantry("convert", tmp_path / "ct", tmp_path / "v.nii.gz")
    assert (status, said) == (0, f"1 series, 1 file in {tmp_path / 'v.nii.gz'}.\n")
    image = nibabel.load(tmp_path / "v.nii.gz")
    labels = (np.asarray(image.dataobj) > np.median(image.dataobj)).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(labels, image.affine), tmp_path / "labels.nii.gz")
    words = (
        tmp_path / "labels.nii.gz",
        tmp_path / "seg.dcm",
        "--modality",
        "SEG",
        "--template",
        tmp_path / "ct",
    )
    assert gantry("convert", *words)[0] == 0
    assert dcmread(tmp_path / "seg.dcm").Modality == "SEG"
    assert (
        gantry("convert", tmp_path / "seg.dcm", tmp_path / "back.nii.gz", "--reference", tmp_path / "ct")[0]
        == 0
    )
    assert np.array_equal(np.asarray(nibabel.load(tmp_path / "back.nii.gz").dataobj), labels)
    several = (tmp_path / "labels.nii.gz", tmp_path / "map.dcm", *words[2:], "--labelmap")
    assert gantry("convert", *several)[0] == 0
    assert dcmread(tmp_path / "map.dcm").SegmentationType == "LABELMAP"


def test_pictures_of_a_series_in_a_window_and_as_ohif_shows_them(tmp_path):
    ct_series(tmp_path / "ct", slices=1)
    [path] = (tmp_path / "ct").iterdir()
    dataset = dcmread(path)
    dataset.add_new("PixelPaddingValue", "US", int(dataset.pixel_array.max()))  # black by the Standard alone
    dataset.save_as(path)
    ways = {"deep": ("--bits", "16"), "standard": (), "ohif": ("--like", "ohif")}
    shown = {}
    for name, way in ways.items():
        status, said = gantry("convert", tmp_path / "ct", tmp_path / f"{name}.png", "--window", WINDOW, *way)
        assert status == 0, said
        [path] = tmp_path.rglob(f"{name}*.png")
        shown[name] = np.asarray(Image.open(path)).astype(int)
    assert shown["deep"].max() > 255
    options = Options(Window.read(WINDOW), "ohif")
    assert np.array_equal(shown["ohif"], picture(dataset, options=options).array)
    assert not np.array_equal(shown["standard"], shown["ohif"])
    assert np.array_equal(shown["standard"], picture(dataset, options=Options(Window.read(WINDOW))).array)


def test_arrays_with_a_spacing_or_an_affine(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    np.savetxt(tmp_path / "affine.txt", [[0, 0, 0.7, 1], [0, 0.8, 0, 2], [5, 0, 0, 3], [0, 0, 0, 1]])
    for name, words in (("s", ("--spacing", "5 0.8 0.7")), ("a", ("--affine", tmp_path / "affine.txt"))):
        assert gantry("convert", tmp_path / "a.npy", tmp_path / name, "--modality", "MR", *words)[0] == 0
        second = dcmread(tmp_path / name / "0001-0002.dcm")
        assert second.PixelSpacing == [0.8, 0.7]
        origin = [0, 0, 0] if name == "s" else [1, 2, 3]
        assert second.ImagePositionPatient == [origin[0], origin[1], origin[2] + 5]
        assert second.pixel_array.min() == 20


def test_what_is_left_out_is_said(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_text("none")
    status, said = gantry("convert", tmp_path / "in", tmp_path / "out", "--modality", "OT")
    assert status == 0
    assert f"1 series, 1 file in {tmp_path / 'out'}; 1 skipped.\nSkipped b.png: " in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["in.png", "out"], "--modality"),
        (["in.png"], "--modality"),
        (["in.png", "--modality", "OT"], "OUTPUT"),
        (["in.png", "out", "--modality", "SEG"], "--template"),
        (["in.png", "out", "--modality", "OT", "--set", "PatientID"], "--set"),
        (["in.png", "out", "--modality", "OT", "--spacing", "1 2"], "--spacing"),
        (["in.png", "out", "--modality", "OT", "--spacing", "1 2 -3"], "--spacing"),
        (["in.png", "out", "--modality", "OT", "--affine", "none.txt"], "--affine"),
        (["in.png", "out", "--modality", "OT", "--to", "a", "--button", "b"], "--to"),
        (["in.png", "out.png", "--bits", "9"], "--bits"),
        (["in.png", "out.png", "--bits", "16", "--like", "ohif"], "--bits"),
        (["in.png", "out.png", "--labelmap"], "--labelmap"),
        (["in.png", "out.png", "--set", "PatientID=1"], "--set"),
        (["in.png", "out", "--modality", "OT", "--window", "1,2"], "--window"),
        (["in.png", "out", "--modality", "SEG", "--overwrite"], "--overwrite"),
    ],
)
def test_wrong_usage_has_status_two(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.eye(4, dtype=np.uint8)).save("in.png")
    status, output = gantry("convert", *words)
    assert status == 2
    assert said in output
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--set", "PatientSex=X"], WrongAttribute),
        (["--to", "nowhere"], NoSuchDestination),
        (["--button", "NOTHING"], NoSuchButton),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(words, error, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.eye(4, dtype=np.uint8)).save("in.png")
    with pytest.raises(error):
        gantry("convert", "in.png", "out", "--modality", "OT", "--config", place.config, *words)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_an_unknown_ending_and_a_target_that_is_there(tmp_path):
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / "in.png")
    with pytest.raises(UnknownFormat):
        gantry("convert", tmp_path / "in.png", tmp_path / "out.xyz", "--modality", "OT")
    (tmp_path / "out.dcm").write_text("mine")
    words = ("convert", tmp_path / "in.png", tmp_path / "out.dcm", "--modality", "OT")
    with pytest.raises(TargetExists):
        gantry(*words)
    assert (tmp_path / "out.dcm").read_text() == "mine"
    assert gantry(*words, "--overwrite")[0] == 0
    ct_series(tmp_path / "ct", slices=2)
    with pytest.raises(CannotConvert, match=r"exists|Not a directory"):
        gantry("convert", tmp_path / "ct", tmp_path / "in.png" / "out.nii")
