# SPDX-License-Identifier: Apache-2.0
"""`gantry deidentify`: INPUT OUTPUT is a run, `verify` and `reidentify` are commands, statuses say what became."""

import json
import re
import sys
from pathlib import Path

import pytest
from builders import ct_series
from pydicom import dcmread
from typer.testing import CliRunner

from imaging_data import ExplainedError, MissingFolder
from imaging_data.convert.errors import TargetExists
from imaging_data.deidentify.places import WrongPlace
from imaging_data.deidentify.pseudonyms import KeyExists, MissingKey, OtherKey
from informatics_gateway.cli import app

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "promises"))
from documented import commands, key  # noqa: E402


def gantry(*words: object) -> tuple[int, str]:
    """Exit status and output of `gantry deidentify WORDS`."""
    done = CliRunner().invoke(app, ["deidentify", *map(str, words)])
    if isinstance(done.exception, ExplainedError):
        raise done.exception
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two originals, and a run with every kind of mapping."""
    folder = tmp_path_factory.mktemp("deidentify")
    ct_series(folder / "in", slices=2, rows=4, columns=4, PatientName="Doe^Jane", StudyDate="20010203")
    options = (
        "--key-file",
        folder / "key",
        "--new-key",
        "--mapping",
        folder / "who",
        "--mapping-csv",
        folder / "who.csv",
    )
    assert gantry(folder / "in", folder / "out", *options)[0] == 0
    return folder


def test_what_is_held_makes_the_status_three(place, tmp_path):
    [first, _] = sorted((place / "in").iterdir())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.dcm").write_bytes(first.read_bytes())
    (tmp_path / "in" / "2.dcm").write_bytes(first.read_bytes()[:-9])
    (tmp_path / "in" / "3.txt").write_text("no image")
    hold = tmp_path / "held back"
    status, output = gantry(
        "--key-file", place / "key", "--json", tmp_path / "in", tmp_path / "out", "--hold", hold
    )
    said = json.loads(output)
    assert (status, said["out"], said["patients"], len(said["skipped"])) == (3, 1, 1, 1)
    assert [each["path"].startswith(str(hold)) for each in said["held"]] == [True]
    status, output = gantry(
        "run", tmp_path / "in", tmp_path / "out", "--key-file", place / "key", "--hold", hold
    )
    assert status == 3
    assert "1 held" in output
    assert re.search(r"^1 patient +$", output, re.MULTILINE)


def test_verify_says_where_and_not_what(place):
    options = "--key-file", place / "key", "--no-pixels"
    assert gantry("verify", place / "in", place / "out", *options)[0] == 0
    status, output = gantry("verify", place / "in", place / "in", *options, "--json")
    assert status == 1
    assert json.loads(output)["findings"]
    assert "Doe" not in output
    assert "(0010,0010)" in output
    assert gantry("verify", place / "in", place / "in", *options)[0] == 1


def test_verify_reads_pixels(place):
    status, output = gantry("verify", place / "in", place / "out", "--key-file", place / "key")
    assert (status, "Nothing of the originals" in output, "Not searched" in output) == (0, True, False)


def test_the_way_back(place, tmp_path):
    options = "--key-file", place / "key", "--mapping", place / "who"
    assert gantry("reidentify", place / "out", tmp_path / "back", *options)[0] == 0
    back = [dcmread(path) for path in (tmp_path / "back").rglob("*.dcm")]
    assert [(each.PatientName, each.StudyDate) for each in back] == [("Doe^Jane", "20010203")] * 2
    status, output = gantry("reidentify", place / "in", tmp_path / "strangers", *options, "--json")
    assert (status, json.loads(output)["out"]) == (1, 0)


def test_the_csv_says_who_is_who(place):
    [path, _] = (place / "out").rglob("*.dcm")
    assert f"{dcmread(path).PatientID},TEST-1" in (place / "who.csv").read_text()


@pytest.mark.parametrize(
    ("more", "error"),
    [
        (["--key-file", "none"], MissingKey),
        (["--key-file", "key", "--new-key"], KeyExists),
        (["--key-file", "key", "--mapping", "new/who"], WrongPlace),
        (["--key-file", "key", "--mapping-csv", "new/who.csv"], WrongPlace),
        (["--key-file", "new/key", "--new-key"], WrongPlace),
        (["--key-file", "key", "--mapping-csv", "who.csv"], TargetExists),
        (["--key-file", "other", "--new-key", "--mapping", "who"], OtherKey),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(place, monkeypatch, more, error):
    monkeypatch.chdir(place)
    (place / "other").unlink(missing_ok=True)
    with pytest.raises(error):
        gantry("in", "new", *more)
    assert not (place / "new").exists()


def test_no_key_is_made_for_nothing(tmp_path):
    with pytest.raises(MissingFolder):
        gantry(tmp_path / "in", tmp_path / "out", "--key-file", tmp_path / "key", "--new-key")
    assert list(tmp_path.iterdir()) == []


def test_the_commands_of_the_page(place, tmp_path):
    where = {"path/to/dicom": place / "in"}
    page = [
        words
        for words in commands(ROOT / "docs" / "research.md")
        if key(words).startswith("gantry deidentify")
    ]
    assert [words[2] for words in page] == ["path/to/dicom", "verify", "reidentify"]
    for _, _, *words in page:
        here = [
            where.get(word, tmp_path / word[8:] if word.startswith("path/to/") else word) for word in words
        ]
        status, output = gantry(*here)
        assert status == 0, output
    assert {path.name for path in tmp_path.iterdir()} == {"clean", "key", "who.sealed", "who.csv", "back"}
