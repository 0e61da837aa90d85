# SPDX-License-Identifier: Apache-2.0
"""GANTRY_JOB and the folders' variables, as docs/map-contract.md has them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from imaging_operators.context import Folders, JobContext, Replaced, Run, models_folder
from imaging_operators.errors import BadJob

CONTRACT = Path(__file__).parents[2] / "docs" / "map-contract.md"
REPLACED = {
    "kind": "text-report",
    "ordinal": 0,
    "sop_class_uid": "1.2",
    "sop_instance_uid": "1.3",
    "study_instance_uid": "1.4",
    "series_instance_uid": "1.5",
    "series_number": 303,
}


def job(**entries) -> JobContext:
    return JobContext.from_environment({"GANTRY_JOB": json.dumps(entries)})


def test_a_whole_job():
    context = job(
        content_datetime="2026-11-20T09:15:00+01:00", revision=2, segmentation="labelmap", replaces=[REPLACED]
    )
    assert context.content_datetime == datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
    assert (context.revision, context.segmentation) == (2, "labelmap")
    assert context.replaces == (Replaced(**REPLACED),)
    assert context.predecessor("text-report", 0) == Replaced(**REPLACED)
    assert context.predecessor("text-report", 1) is None
    assert context.predecessor("measurements", 0) is None


@pytest.mark.parametrize("environment", [{}, {"GANTRY_JOB": ""}, {"GANTRY_JOB": "{}"}])
def test_by_hand_it_is_now_and_the_first_revision(environment):
    context = JobContext.from_environment(environment)
    assert abs(context.content_datetime - datetime.now(UTC)) < timedelta(minutes=1)
    assert (context.revision, context.segmentation, context.replaces) == (1, "binary", ())


def test_a_time_without_a_zone_is_utc():
    assert job(content_datetime="2026-11-20T09:15:00").content_datetime.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"content_datetime": "yesterday"}', "content_datetime 'yesterday' is not an ISO 8601 time"),
        ('{"content_datetime": 5}', "content_datetime 5"),
        ('{"revision": "two"}', "revision 'two' is not a number from 1"),
        ('{"revision": 0}', "revision 0"),
        ('{"segmentation": "fractional"}', "'fractional' is neither 'binary' nor 'labelmap'"),
        ('{"replaces": [{}]}', "replaces: KeyError"),
        ('{"replaces": [{"ordinal": 0}]}', "replaces: KeyError"),
        ('{"replaces": 5}', "replaces is not a list"),
    ],
)
def test_what_is_wrong_is_said(text, words):
    with pytest.raises(BadJob, match=words) as raised:
        JobContext.from_environment({"GANTRY_JOB": text})
    assert "map-contract.md" in raised.value.hint


def test_unknown_entries_are_left_aside():
    assert job(revision=3, later="more", replaces=[REPLACED | {"more": 1}]).revision == 3


def test_the_example_of_the_contract_can_be_read():
    text = CONTRACT.read_text()
    example = text[text.index('{"content_datetime"') : text.index("`replaces` lists")]
    lines = []
    for line in example.splitlines():  # the explanations stand to the right of the values
        lines.append(line.partition("   ")[0] if line.startswith("{") else line.strip().partition("   ")[0])
    context = JobContext.from_json(json.loads("".join(lines).replace(", ...]", "]")))
    assert context.revision == 1
    assert context.replaces[0].series_number == 303


def test_folders():
    folders = Folders.from_environment(
        {"HOLOSCAN_INPUT_PATH": "/in", "HOLOSCAN_OUTPUT_PATH": "/out", "HOLOSCAN_MODEL_PATH": "/models"}
    )
    assert folders == Folders(Path("/in"), Path("/out"), Path("/models"))
    assert Folders.from_environment(folders.to_environment()) == folders


def test_folders_of_older_maps():
    folders = Folders.from_environment({"MONAI_INPUTPATH": "/in", "MONAI_OUTPUTPATH": "/out"})
    assert folders == Folders(Path("/in"), Path("/out"), None)
    assert models_folder({"MONAI_MODELPATH": "/models"}) == Path("/models")


@pytest.mark.parametrize("missing", ["HOLOSCAN_INPUT_PATH", "HOLOSCAN_OUTPUT_PATH"])
def test_a_missing_folder_is_named(missing):
    environment = {"HOLOSCAN_INPUT_PATH": "/in", "HOLOSCAN_OUTPUT_PATH": "/out"} | {missing: ""}
    with pytest.raises(BadJob, match=f"The variable {missing} is not set"):
        Run.from_environment(environment)
