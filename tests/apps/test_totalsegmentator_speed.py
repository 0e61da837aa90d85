# SPDX-License-Identifier: Apache-2.0
"""Each switch that makes it faster, compared with the package as it is: how much the result changes."""

import os
from multiprocessing.process import BaseProcess

import pytest
import torch
from totalseg.segmenting import Found, segment, set_up
from totalseg.tasks import SPEED, Job
from totalsegmentator_case import APP, ORGANS, Scored, dice, rendered, volume_in, written

# Of torch and timm, which nnU-Net imports when it looks for a trainer.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
SEED = 8  # with a crop that is not even, Dice falls to 0.91
# Mean Dice with the result without the switch; warm: to the voxel, by its own test.
SAME = {"crop": 0.97, "in_memory": 0.995, "bf16": 0.99}
BESIDE = {"crop": ("warm", "in_memory"), "in_memory": ("warm",), "bf16": ("warm",)}
LOSS = 0.02  # of mean Dice against the truth, with all of them


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    return volume_in(written(SEED, tmp_path_factory.mktemp("torso") / "series"))


@pytest.fixture(scope="module")
def without_processes():
    """A worker has threads; the child of a fork of it may wait for ever for a lock that one of them held."""

    def refused(*_: object) -> None:
        raise AssertionError("a process was started")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fork", refused)
        patch.setattr(BaseProcess, "start", refused)
        yield


@pytest.fixture(scope="module")
def weights(test_models):
    return set_up(APP, test_models("totalsegmentator"))


@pytest.fixture(scope="module")
def run(weights, volume, without_processes):
    """run(switches): what is found in one torso, each once."""
    made: dict[frozenset[str], Found] = {}

    def found(*switches: str) -> Found:
        key = frozenset(switches)
        if key not in made:
            made[key] = segment(volume, Job("total", True, speed=key), weights)
        return made[key]

    return found


def _mean(found: Found) -> float:
    scores = Scored.of(found.labelmap, found.names, rendered(SEED)).by_organ
    return sum(scores.values()) / len(scores)


def _alike(some: Found, others: Found) -> float:
    """Mean Dice of the classes that either of them has and that the phantom has."""
    names = sorted({*some.names, *others.names})
    both = [dice(_where(some, name), _where(others, name)) for name in names if _counts(some, others, name)]
    return sum(both) / len(both)


def _where(found: Found, name: str):
    return found.labelmap == (found.names.index(name) + 1 if name in found.names else 255)


def _counts(some: Found, others: Found, name: str) -> bool:
    return max(_where(some, name).sum(), _where(others, name).sum()) > 200


@pytest.mark.parametrize("switch", SAME)
def test_a_switch_changes_little(run, switch):
    others = BESIDE[switch]
    assert _alike(run(*others, switch), run(*others)) >= SAME[switch]


def test_all_of_them_together_change_little(run):
    assert _alike(run(*SPEED), run("warm")) >= SAME["crop"]


def test_all_of_them_lose_little_against_the_truth(run):
    assert len(ORGANS) == 6
    assert _mean(run(*SPEED)) >= _mean(run("warm")) - LOSS


def test_a_network_is_loaded_once(weights, volume, monkeypatch):
    job = Job("body", True)
    cold = segment(volume, Job("body", True, speed=frozenset(SPEED) - {"warm"}), weights)
    first = segment(volume, job, weights)
    assert (first.labelmap == cold.labelmap).all()
    monkeypatch.setattr(torch, "load", None)
    assert (segment(volume, job, weights).labelmap == first.labelmap).all()
