# SPDX-License-Identifier: Apache-2.0
"""A valid result passes; spoiled in any one place it is refused, and the sentence says why."""

import shutil
import tempfile
from pathlib import Path

import made_results
import pytest
from builders import ct_series
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_results import Made
from mutations import ALL, MUTATIONS, Mutation

from informatics_gateway.errors import InvalidResult
from informatics_gateway.route import made_by_gantry
from informatics_gateway.validate import validate


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Results of all sorts on a CT whose pixels are not square, in an image that is not square."""
    folder = tmp_path_factory.mktemp("valid")
    paths = ct_series(folder / "source", rows=16, columns=20, spacing=(2.5, 0.7, 0.9))
    return made_results.everything(folder, paths)


@pytest.fixture
def job(valid: Made, tmp_path: Path) -> Made:
    """A copy of the valid results that a test may spoil."""
    return valid.copy(tmp_path)


def spoiled(job: Made, mutation: Mutation, kind: str, pick: int = 1) -> str:
    """The sentence with which the spoiled results are refused; nothing of the patient is in it."""
    job.change(kind, lambda dataset: mutation.spoil(dataset, lambda places: pick % places))
    with pytest.raises(InvalidResult) as refused:
        validate(job.job, job.manifest, "shadow")
    sentence = str(refused.value)
    assert "TEST-" not in sentence
    assert "Phantom" not in sentence
    return sentence


def test_valid_results_are_all_accepted(valid):
    results = validate(valid.job, valid.manifest, "shadow")
    assert [result.kind for result in results] == list(ALL)


def test_what_is_accepted_starts_no_job_when_it_comes_in(valid):
    assert all(made_by_gantry(valid.read(kind)) for kind in ALL)


@pytest.mark.parametrize(
    ("mutation", "kind"),
    [pytest.param(each, kind, id=f"{each}-{kind}") for each in MUTATIONS for kind in each.kinds],
)
def test_each_mutation_is_refused_for_its_reason(job, mutation, kind):
    sentence = spoiled(job, mutation, kind)
    assert mutation.says in sentence
    assert f"{kind}-0.dcm" in sentence


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mutation=st.sampled_from(MUTATIONS),
    kind=st.integers(0, 100),
    place=st.integers(0, 10_000),
)
def test_a_mutation_anywhere_is_refused(valid, mutation, kind, place):
    folder = Path(tempfile.mkdtemp())
    try:
        spoiled(valid.copy(folder), mutation, mutation.kinds[kind % len(mutation.kinds)], place)
    finally:
        shutil.rmtree(folder)


def test_a_promoted_app_need_not_say_that_it_is_for_research(job):
    job.change("text-report", lambda dataset: setattr(dataset, "SeriesDescription", "Lungs"))
    assert validate(job.job, job.manifest, "live")
    with pytest.raises(InvalidResult, match="SeriesDescription"):
        validate(job.job, job.manifest, "draft")
