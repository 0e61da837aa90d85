# SPDX-License-Identifier: Apache-2.0
"""The small classifier on phantoms it has never seen: it was really trained, and its maps point to the finding."""

import numpy as np
import pytest
from chest import Classifier
from chest.picture import heat
from chest.preparation import model_input

from imaging_data.phantom.radiograph import FINDINGS, chest_radiograph

PATIENTS = range(80)  # it was trained on seeds from 10,000 on
SIDE = 256


@pytest.fixture(scope="module")
def classifier(test_models):
    return Classifier(test_models("chest_xray") / "densenet121-res224-all.onnx", 2)


@pytest.fixture(scope="module")
def judged(classifier):
    """For each patient what there is, and what the model says of it, by finding."""
    random = np.random.default_rng(2)
    cases = []
    for seed in PATIENTS:
        has = [name for name in FINDINGS if random.random() < 1 / 3]
        phantom = chest_radiograph(seed, has, SIDE)
        cases.append((phantom, {one.name: one for one in classifier(model_input(phantom.array))}))
    return cases


def auc(positive, negative):
    """The part of pairs that are ranked right (Mann-Whitney)."""
    higher = np.subtract.outer(positive, negative)
    return (higher > 0).mean() + (higher == 0).mean() / 2


@pytest.mark.parametrize("finding", FINDINGS)
def test_held_out_phantoms_are_told_apart(judged, finding):
    values = {True: [], False: []}
    for phantom, scores in judged:
        values[finding in phantom.places].append(scores[finding].value)
    assert min(map(len, values.values())) > 15
    assert auc(values[True], values[False]) > 0.9


@pytest.mark.parametrize("finding", FINDINGS)
def test_the_operating_point_parts_them(judged, finding):
    right = [scores[finding].above == (finding in phantom.places) for phantom, scores in judged]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("finding", ["Effusion", "Mass", "Pneumothorax"])
def test_the_map_is_stronger_where_the_finding_is_than_on_the_other_side(judged, finding):
    own, other = [], []
    for phantom, scores in judged:
        if finding in phantom.places:
            place = phantom.places[finding] > 0.5
            strength = heat(scores[finding].map, SIDE)
            own.append(strength[place].mean())
            other.append(strength[:, ::-1][place].mean())
    assert np.mean(np.array(own) > np.array(other)) > 0.85


def test_a_classifier_that_learned_nothing_would_not_pass():
    random = np.random.default_rng(3)
    assert auc(random.random(30), random.random(50)) < 0.7
