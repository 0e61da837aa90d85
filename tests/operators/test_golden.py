# SPDX-License-Identifier: Apache-2.0
"""Results say what they said before: every attribute, identifiers and times apart."""

import json

import pytest
from golden_results import DOCUMENTS, GOLDEN, NAMES, golden_file, masked


@pytest.mark.parametrize("name", NAMES)
def test_results_are_the_golden_ones(written, name):
    assert masked(written[name]) == json.loads(golden_file(name, "binary").read_text())


def test_the_labelmap_is_the_golden_one(as_labelmap):
    golden = json.loads(golden_file("segmentation-0", "labelmap").read_text())
    assert masked(as_labelmap["segmentation-0"]) == golden


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_the_golden_ones(documented, name):
    assert masked(documented[name]) == json.loads(golden_file(name, "document").read_text())


def test_every_golden_file_is_compared():
    compared = {golden_file(name, "binary") for name in NAMES} | {golden_file("segmentation-0", "labelmap")}
    compared |= {golden_file(name, "document") for name in DOCUMENTS}
    assert set(GOLDEN.iterdir()) == compared


def test_one_changed_attribute_is_seen(written):
    golden = json.loads(golden_file("text-report-0", "binary").read_text())
    changed = masked(written["text-report-0"])
    changed["00080060"]["Value"] = ["OT"]
    assert changed != golden
