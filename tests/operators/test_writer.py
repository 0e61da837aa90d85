# SPDX-License-Identifier: Apache-2.0
"""What `predict` returns becomes files: in an order in which references point back, results.json last."""

import os

import numpy as np
import pytest
from result_files import SEGMENTS, block, write

from imaging_operators import Measurement, Measurements, Segmentation, TextReport, codes
from imaging_operators.errors import InvalidResult
from imaging_operators.files import write_durably

REPORT = TextReport("Title", "Text")


def kinds(written) -> list[tuple[str, int]]:
    return [(entry["kind"], entry["ordinal"]) for entry in written.document["results"]]


def test_a_single_result_will_do(tmp_path, volume):
    assert kinds(write(tmp_path / "out", volume, REPORT)) == [("text-report", 0)]


@pytest.mark.parametrize("pack", [list, tuple])
def test_segmentations_come_first_then_the_author_s_order(tmp_path, volume, pack):
    first, second = (Segmentation(block(volume) >= number, SEGMENTS[:1]) for number in (1, 2))
    numbers = Measurements([Measurement(codes.SCT.Volume, 1.0, codes.UCUM.CubicMillimeter, 1)], second)
    written = write(tmp_path / "out", volume, pack([REPORT, first, numbers, REPORT, second]))
    assert kinds(written) == [
        ("segmentation", 0),
        ("segmentation", 1),
        ("text-report", 0),
        ("measurements", 0),
    ]
    assert written["segmentation-0"].pixel_array.sum() > written["segmentation-1"].pixel_array.sum() == 1
    assert {path.name for path in written.folder.iterdir()} == {
        "results.json",
        *(entry["file"] for entry in written.document["results"]),
    }


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "predict() returned NoneType"),
        ([], "an empty list"),
        ([REPORT, "text"], "returned str"),
        (np.zeros(3), "returned ndarray"),
        ("text", "returned str"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path, volume, returned, words):
    with pytest.raises(InvalidResult, match=words.replace("(", r"\(").replace(")", r"\)")):
        write(tmp_path / "out", volume, returned)
    assert list((tmp_path / "out").iterdir()) == []


def test_without_a_manifest_nothing_counts_when_a_result_fails(tmp_path, volume):
    wrong = Segmentation(np.ones((1, 1, 1), np.uint8), SEGMENTS[:1])
    good = Segmentation(block(volume) > 0, SEGMENTS[:1])
    with pytest.raises(InvalidResult):
        write(tmp_path / "out", volume, [good, wrong])
    assert "results.json" not in os.listdir(tmp_path / "out")


def test_results_json_is_written_last(tmp_path, volume, monkeypatch):
    """By rename: seen from outside, it is there whole and after all it names."""
    renamed = []
    rename = type(tmp_path).rename
    monkeypatch.setattr(
        type(tmp_path), "rename", lambda self, to: (renamed.append(to.name), rename(self, to))[1]
    )
    write(tmp_path / "out", volume, [REPORT, Segmentation(block(volume), SEGMENTS)])
    assert renamed == ["segmentation-0.dcm", "text-report-0.dcm", "results.json"]


def test_the_results_have_their_names_for_good_before_results_json_has_its(tmp_path, volume, monkeypatch):
    done = []
    fsync, rename = os.fsync, type(tmp_path).rename
    monkeypatch.setattr(
        os,
        "fsync",
        lambda descriptor: (fsync(descriptor), done.append(os.path.isdir(f"/proc/self/fd/{descriptor}"))),
    )
    monkeypatch.setattr(
        type(tmp_path), "rename", lambda self, to: (rename(self, to), done.append(to.name))[0]
    )
    write(tmp_path / "out", volume, [REPORT, Segmentation(block(volume), SEGMENTS)])
    file, folder = False, True
    assert done == [
        *(file, "segmentation-0.dcm"),
        *(file, "text-report-0.dcm"),
        folder,
        *(file, "results.json"),
        folder,
    ]


def test_a_file_is_synced_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: (done.append(os.listdir(tmp_path)), fsync(descriptor))[1]
    )
    write_durably(tmp_path / "a.json", b"{}")
    assert done == [[".a.json.part"], ["a.json"]]
    assert (tmp_path / "a.json").read_bytes() == b"{}"
