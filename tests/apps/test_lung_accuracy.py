# SPDX-License-Identifier: Apache-2.0
"""How close the lungs' numbers come to a phantom's truth, which is known from its shapes."""

import json
from pathlib import Path

import numpy as np
import pytest
from lungs import find_lungs, finding
from lungs.densitometry import measure

from imaging_data.phantom import thorax

APP = Path(finding.__file__).parents[1]
EXPECTED = json.loads((APP / "expected" / "phantoms.json").read_text())
VOLUME_PERCENT, LAA_POINTS = 2.0, 1.0  # the targets
MEAN_HU, PERCENTILE_HU = 13.0, 2.0  # what partial volume at the pleura does to them, see the README
SIDES = {"right": "right", "left": "left", "both": "total"}
UNEQUAL = next(each for each in EXPECTED if each["unequal"])


def name(expected):
    unequal = ", unequal" if expected["unequal"] else ""
    return f"{expected['seed']}{unequal}, {expected['slices']}x{expected['rows']}x{expected['rows']}"


def rendered_of(phantom, expected):
    return phantom(expected["seed"], expected["unequal"], expected["slices"], expected["rows"])


def numbers_of(rendered):
    lungs = find_lungs(rendered.array, rendered.grid.affine)
    return measure(rendered.array, lungs, rendered.grid.voxel_ml)


@pytest.fixture(scope="module", params=EXPECTED, ids=name)
def patient(request, phantom):
    """What is expected of a phantom, the phantom, and what is measured in it."""
    rendered = rendered_of(phantom, request.param)
    return request.param, rendered, numbers_of(rendered)


def misses(numbers, truth):
    """What lies outside the targets."""
    found = []
    for side, true_side in SIDES.items():
        measured, true = numbers[side], truth[true_side]
        percent = 100 * abs(measured.volume_ml / true.volume_ml - 1)
        points = abs(measured.laa_950_percent - true.laa_950_percent)
        found += [f"{side} volume {percent:.2f} %"] if percent > VOLUME_PERCENT else []
        found += [f"{side} LAA-950 {points:.2f} points"] if points > LAA_POINTS else []
    return found


def test_there_are_three_patients_two_of_them_at_full_size_and_one_with_unequal_lungs():
    assert len({each["seed"] for each in EXPECTED}) == 3
    assert sum((each["slices"], each["rows"]) == (120, 512) for each in EXPECTED) == 2
    assert sum(each["unequal"] for each in EXPECTED) == 1


def test_volume_and_emphysema_come_close_to_the_truth(patient):
    _, rendered, numbers = patient
    assert misses(numbers, rendered.truth) == []


def test_mean_and_percentile_come_close_to_the_truth(patient):
    _, rendered, numbers = patient
    for side, true_side in SIDES.items():
        true = rendered.truth[true_side]
        assert numbers[side].mean_hu == pytest.approx(true.mean_hu, abs=MEAN_HU)
        assert numbers[side].percentile_15_hu == pytest.approx(true.percentile_15_hu, abs=PERCENTILE_HU)


def test_the_numbers_are_those_that_the_readme_was_written_with(patient):
    expected, rendered, numbers = patient
    for side, true_side in SIDES.items():
        assert vars(numbers[side]) == pytest.approx(expected["measured"][side], abs=0.06)
        assert vars(rendered.truth[true_side]) == pytest.approx(expected["truth"][side], abs=0.02)


@pytest.mark.parametrize("expected", EXPECTED, ids=name)
def test_the_readme_tells_these_numbers(expected):
    lines = [line.split("|")[1:-1] for line in (APP / "README.md").read_text().splitlines() if "|" in line]
    unequal = ", unequal" if expected["unequal"] else ""
    for side in ("right", "left"):
        [told] = [
            each for each in lines if each[0].strip() == f"{expected['seed']}{unequal}" and side in each[1]
        ]
        measured, truth = expected["measured"][side], expected["truth"][side]
        error = 100 * (measured["volume_ml"] / truth["volume_ml"] - 1)
        numbers = [f"{measured['volume_ml']:.1f}", f"{truth['volume_ml']:.1f}", f"{error:+.2f} %"]
        for key, digits in (("mean_hu", 1), ("percentile_15_hu", 1), ("laa_950_percent", 2)):
            numbers += [f"{measured[key]:.{digits}f}", f"{truth[key]:.{digits}f}"]
        assert [cell.strip() for cell in told[2:]] == numbers


def test_without_airway_removal_the_targets_are_missed(phantom, monkeypatch):
    monkeypatch.setattr(finding, "find_airways", lambda level, hollow, _: np.zeros(hollow.shape, bool))
    rendered = rendered_of(phantom, UNEQUAL)
    missed = misses(numbers_of(rendered), rendered.truth)
    assert any("volume" in miss for miss in missed)
    assert any("LAA-950" in miss for miss in missed)


def test_without_closing_vessels_the_targets_are_missed(phantom, monkeypatch):
    monkeypatch.setattr(finding, "_closed", lambda lung, _: lung)
    rendered = phantom()
    assert any("volume" in miss for miss in misses(numbers_of(rendered), rendered.truth))


def test_without_the_line_along_the_pleura_left_and_right_mix(phantom, monkeypatch):
    rendered = phantom()
    as_it_is = _on_the_wrong_side(rendered)
    monkeypatch.setattr(finding, "split_contacts", lambda *_: None)
    monkeypatch.setattr(finding, "ridges", lambda hu, _: np.zeros_like(hu))
    assert as_it_is < 3 < _on_the_wrong_side(rendered)


def _on_the_wrong_side(rendered):
    """Millilitres of either lung that were taken for the other."""
    labels = find_lungs(rendered.array, rendered.grid.affine).labelmap
    truth = true_labels(3, False, rendered.grid)
    return ((labels > 0) & (truth > 0) & (labels != truth)).sum() * rendered.grid.voxel_ml


def true_labels(seed, unequal, grid):
    """1 right, 2 left, by the material in the middle of each voxel."""
    scene = thorax(seed, unequal)
    side = np.array([{"right": 1, "left": 2}.get(material.lung, 0) for material in scene.materials])
    return np.stack([side[plane] for plane in scene.planes(grid)])


@pytest.mark.parametrize("expected", EXPECTED[-1:], ids=name)
def test_trachea_and_main_bronchi_are_not_lung(phantom, expected):
    rendered = rendered_of(phantom, expected)
    scene = thorax(expected["seed"], expected["unequal"])
    lumen = [k for k, material in enumerate(scene.materials) if material.name == "airway lumen"]
    airway = np.stack([np.isin(plane, lumen) for plane in scene.planes(rendered.grid)])
    labels = find_lungs(rendered.array, rendered.grid.affine).labelmap
    assert (labels[airway] > 0).mean() < 0.001


def test_the_voxels_agree_with_the_shapes(phantom):
    rendered = phantom()
    labels = find_lungs(rendered.array, rendered.grid.affine).labelmap
    truth = true_labels(3, False, rendered.grid)
    for side in (1, 2):
        dice = (
            2 * ((labels == side) & (truth == side)).sum() / ((labels == side).sum() + (truth == side).sum())
        )
        assert dice > 0.98
