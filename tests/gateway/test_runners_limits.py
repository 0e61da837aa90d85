# SPDX-License-Identifier: Apache-2.0
"""Limits of time, memory and log, for both runners, with apps that really go over them."""

import shutil
import time

import pytest
from app_jobs import Bench, wait_for

from informatics_gateway.errors import AppCrashed, AppFailed, AppOutOfMemory, AppOutOfTime
from informatics_gateway.runners import LOG_LIMIT, MB, watch

pytestmark = pytest.mark.parametrize("runner", ["process", "warm"])


@pytest.fixture
def open_bench(tmp_path, runner):
    made: list[Bench] = []

    def open_(**app):
        made.append(Bench(tmp_path, runner=runner, **app))
        return made[-1]

    yield open_
    for bench in made:
        assert [name for name in bench.left() if name[0].isdigit()] == []
        bench.executor.close()
        assert bench.processes() == []


def test_an_app_that_hangs_is_ended_after_its_time(open_bench):
    bench = open_bench(timeout_s=1)
    with pytest.raises(AppOutOfTime, match=r"The limit is 1 s\."):
        bench.run("hang")  # deaf to SIGTERM


def test_an_app_that_takes_too_much_memory_is_ended(open_bench):
    bench = open_bench(memory_mb=200)
    with pytest.raises(AppOutOfMemory, match=r"It used \d+ MB; the limit is 200 MB\."):
        bench.run("fill", mb=300)


def test_the_memory_of_all_its_processes_counts_also_in_other_sessions(open_bench):
    bench = open_bench(memory_mb=200)
    with pytest.raises(AppOutOfMemory):
        bench.run("fill_by_children", mb=280)


def test_memory_that_its_processes_share_counts_once(open_bench):
    open_bench(memory_mb=200).run("share", mb=100)


def test_an_app_that_prints_without_end_is_ended(open_bench):
    bench = open_bench()
    with pytest.raises(AppFailed, match=r"printed more than 64 MB into its log\.$"):
        bench.run("chat")
    assert LOG_LIMIT < (bench.kept() / "app.log").stat().st_size < 8 * LOG_LIMIT
    shutil.rmtree(bench.storage / "jobs")


def test_a_kill_is_laid_to_memory_when_the_kernel_counts_one(open_bench, monkeypatch):
    """The kernel's killer cannot be called in a test; its count in /proc/vmstat is stood in for."""
    counts = iter(range(100))
    monkeypatch.setattr(watch, "oom_kills", lambda: next(counts))
    bench = open_bench()
    with pytest.raises(AppOutOfMemory, match="The kernel killed it"):
        bench.run("die", signal=9)
    with pytest.raises(AppCrashed, match="SIGSEGV"):
        bench.run("die", signal=11)


def test_a_kill_is_laid_to_memory_when_the_app_was_near_its_limit(open_bench):
    bench = open_bench(memory_mb=300)
    aside = bench.run_aside("fill", mb=280)
    [app] = wait_for(lambda: [each for each in bench.processes() if each.memory_info().rss > 280 * MB])
    time.sleep(1)  # it is looked at every tenth of a second
    app.kill()
    error = aside.end()
    assert type(error) is AppOutOfMemory
    assert "The kernel killed it" in str(error)


def test_the_kernel_says_how_often_it_killed(runner):
    assert watch.oom_kills() >= 0
