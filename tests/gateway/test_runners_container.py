# SPDX-License-Identifier: Apache-2.0
"""The container runner, with real containers: what the app gets, and how each end is told apart."""

import pytest
from app_jobs import Bench
from containers import containers, stub

from informatics_gateway.errors import AppFailed


@pytest.fixture(scope="session")
def image(podman, tmp_path_factory):
    return stub(podman, tmp_path_factory.mktemp("stub"))


@pytest.fixture
def open_bench(engine, image, tmp_path):
    made: list[Bench] = []

    def open_(**app):
        made.append(Bench(tmp_path, **{"image": image, "timeout_s": 20} | app))
        return made[-1]

    yield open_
    for bench in made:
        bench.executor.close()
        assert bench.left() == []
    assert containers(engine, tmp_path) == []


@pytest.fixture(params=["container", "warm"])
def bench(open_bench, request):
    """Both runners."""
    return open_bench(runner=request.param)


def test_a_job_gives_results(bench):
    assert len(bench.run("done").results) == 1
    assert (bench.kept() / "app.log").read_text() == "doing done\n"


def test_an_app_that_fails_says_so(bench):
    with pytest.raises(AppFailed, match="the sum is wrong"):
        bench.run("fail")
