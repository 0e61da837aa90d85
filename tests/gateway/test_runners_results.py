# SPDX-License-Identifier: Apache-2.0
"""results.json is read strictly: every way it can be wrong is refused by field, and no value is repeated."""

import json
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from informatics_gateway.errors import AppFailed, AppWroteNoManifest
from informatics_gateway.runners.outcome import last_line, plain, read_error
from informatics_gateway.runners.results import SIZE_LIMIT, Results, read_results

GOOD: dict[str, Any] = {
    "contract": 1,
    "app": {"name": "tool", "version": "1.0", "creator": "Lab", "digest": "d" * 64, "profile": "fast"},
    "input": {"hash": "a" * 64, "series_instance_uid": "1.2.4", "instances": 120},
    "results": [
        {
            "kind": kind,
            "ordinal": 0,
            "file": f"{kind}-0.dcm",
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.66.4",
            "sop_instance_uid": f"2.25.{number}",
            "study_instance_uid": "1.2.3",
            "series_instance_uid": f"2.25.9{number}",
            "series_number": 300 + number,
            "sha256": "b" * 64,
        }
        for number, kind in enumerate(["segmentation", "text-report"])
    ],
    "measurements": [{"name": "volume", "value": 2500.5, "unit": "ml", "site": "left lung"}],
    "findings": ["lungs not completely imaged"],
    "notes": ["StudyID is left out: it is no SH"],
    "models": {"model.ts": "c" * 64},
    "times": {"read_s": 0.5, "predict_s": 1},
    "device": "cpu",
}


def write(output: Path, document: Any) -> Path:
    """results.json and the files of GOOD."""
    for entry in GOOD["results"]:
        (output / entry["file"]).touch()
    (output / "results.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return output


def changed(path: str, value: Any) -> dict[str, Any]:
    """GOOD with one value changed; None takes it away."""
    document = deepcopy(GOOD)
    *parents, last = path.split(".")
    place: Any = document
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    key = int(last) if isinstance(place, list) else last
    if value is None:
        del place[key]
    else:
        place[key] = value
    return document


def test_a_good_one_is_read(tmp_path):
    results = read_results(write(tmp_path, GOOD))
    assert json.loads(results.model_dump_json()) == GOOD


def test_unknown_keys_of_a_later_app_are_left_alone(tmp_path):
    assert read_results(write(tmp_path, GOOD | {"mood": "good"})) == read_results(write(tmp_path, GOOD))


BAD = [
    ("contract", 2),
    ("contract", "1"),
    ("app", None),
    ("app.name", ""),
    ("app.digest", 5),
    ("input.hash", "A" * 64),
    ("input.hash", None),
    ("input.instances", 0),
    ("input.series_instance_uid", "1.02.3"),
    ("results", []),
    ("results", {}),
    ("results.0.kind", "../x"),
    ("results.0.ordinal", -1),
    ("results.0.ordinal", True),
    ("results.0.file", "../../instances/1.dcm"),
    ("results.0.file", "/etc/passwd"),
    ("results.0.file", ".hidden"),
    ("results.0.file", "a\x00b"),
    ("results.0.file", "results.json\n"),
    ("results.0.sop_class_uid", "CT"),
    ("results.0.sop_instance_uid", "1." * 32 + "1"),
    ("results.0.study_instance_uid", None),
    ("results.0.series_number", "300"),
    ("results.0.sha256", "b" * 63),
    ("measurements.0.value", "2500"),
    ("measurements.0.name", None),
    ("findings.0", 5),
    ("findings.0", "x" * 2000),
    ("models", {"m": "short"}),
    ("times.read_s", "0.5"),
    ("device", 0),
]


@pytest.mark.parametrize(("path", "value"), BAD, ids=[f"{path}={str(value)[:12]!r}" for path, value in BAD])
def test_a_bad_one_is_refused_by_field(tmp_path, path, value):
    with pytest.raises(AppFailed) as caught:
        read_results(write(tmp_path, changed(path, value)))
    assert f"results.json is not as agreed: {path}" in str(caught.value)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(tmp_path, value):
    with pytest.raises(AppFailed, match=r"measurements\.0\.value"):
        read_results(write(tmp_path, json.dumps(GOOD).replace("2500.5", value)))


@pytest.mark.parametrize("key", ["file", "sop_instance_uid"])
def test_two_results_are_two(tmp_path, key):
    with pytest.raises(AppFailed, match=f"two results have the same {key}"):
        read_results(write(tmp_path, changed(f"results.1.{key}", GOOD["results"][0][key])))


def test_a_kind_has_one_result_of_an_ordinal(tmp_path):
    with pytest.raises(AppFailed, match="two results have the same kind and ordinal"):
        read_results(write(tmp_path, changed("results.1.kind", "segmentation")))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\udcff", "[" * 100000])
def test_what_is_not_such_json_is_refused(tmp_path, text):
    write(tmp_path, GOOD)
    (tmp_path / "results.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(AppFailed, match="not as agreed"):
        read_results(tmp_path)


@pytest.mark.parametrize("path", ["input.instances", "results.0.sop_instance_uid", "app", "contract"])
def test_no_value_is_repeated_in_the_sentence(tmp_path, path):
    with pytest.raises(AppFailed) as caught:
        read_results(write(tmp_path, changed(path, "Doe^Jane")))
    assert "Doe" not in str(caught.value) + caught.value.hint


def test_it_has_a_size_limit(tmp_path):
    with pytest.raises(AppFailed, match="at most"):
        read_results(write(tmp_path, json.dumps(GOOD) + " " * SIZE_LIMIT))


def test_no_file_is_no_manifest(tmp_path):
    with pytest.raises(AppWroteNoManifest):
        read_results(tmp_path)


def test_a_link_or_a_pipe_is_no_manifest_that_can_be_read(tmp_path):
    write(tmp_path, GOOD).joinpath("results.json").rename(tmp_path / "other.json")
    (tmp_path / "results.json").symlink_to("other.json")
    with pytest.raises(AppFailed, match="cannot be read"):
        read_results(tmp_path)
    (tmp_path / "results.json").unlink()
    os.mkfifo(tmp_path / "results.json")
    with pytest.raises(AppFailed, match="no plain file"):
        read_results(tmp_path)


@pytest.mark.parametrize("how", ["absent", "a link", "a folder"])
def test_the_files_it_names_are_plain_files(tmp_path, how):
    write(tmp_path, GOOD)
    file = tmp_path / "text-report-0.dcm"
    file.unlink()
    if how == "a link":
        file.symlink_to("segmentation-0.dcm")
    elif how == "a folder":
        file.mkdir()
    with pytest.raises(AppFailed, match=r"names text-report-0\.dcm, which is not there"):
        read_results(tmp_path)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5))
def test_whatever_stands_in_a_field_it_is_read_or_refused(value):
    for path in ("app", "input", "results", "results.0", "times", "findings"):
        document = changed(path, value) if value is not None else GOOD
        try:
            Results.model_validate_json(json.dumps(document))
        except ValueError:
            continue


# error.json and the log


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"error": "E", "message": "m", "hint": "h"}', {"error": "E", "message": "m", "hint": "h"}),
        ('{"error": 5, "message": "m"}', {"message": "m"}),
        ("[]", {}),
        ("{", {}),
        ('{"message": "' + "x" * 70000 + '"}', {}),
    ],
)
def test_error_json_is_believed_as_far_as_it_is_text(tmp_path, text, said):
    (tmp_path / "error.json").write_text(text)
    assert read_error(tmp_path) == said


def test_error_json_behind_a_link_is_not_read(tmp_path):
    (tmp_path / "secret").write_text('{"message": "m"}')
    (tmp_path / "error.json").symlink_to("secret")
    assert read_error(tmp_path) == {}


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("one\ntwo\n\n  \n", "two"),
        ("Traceback:\n  File x\nValueError: bad\n    ^^^\n", "ValueError: bad"),
        ("", ""),
        ("x" * 40000 + "\nlast", "last"),
        ("\udcff\n", "�"),
    ],
)
def test_the_last_line_that_says_something(tmp_path, log, line):
    (tmp_path / "log").write_bytes(log.encode(errors="surrogateescape"))
    assert last_line(tmp_path / "log") == line


def test_no_log_says_nothing(tmp_path):
    assert last_line(tmp_path / "log") == ""


def test_a_sentence_is_plain_and_short():
    assert plain("a\tb\x1b[0m\r\nc ") == "a b [0m c"
    assert len(plain("word " * 200)) == 300
