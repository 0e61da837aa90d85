# SPDX-License-Identifier: Apache-2.0
"""Profiles of apps: chosen by a route, checked against the app, stored with the job and said in its results."""

import json
import shutil
import threading
from dataclasses import replace

import pytest
from app_jobs import APP, REQUEST, Bench
from doctored import Patient
from test_config import APP as APP_TABLE
from test_config import FOLDER, ROUTE
from test_store import KEY, queued, sealed
from test_store import ROUTE as PLAIN

from informatics_gateway.config import load
from informatics_gateway.errors import AppCrashed, BadConfiguration, InvalidResult, NoSuchProfile
from informatics_gateway.execute import load_report
from informatics_gateway.model import JobStatus
from informatics_gateway.route import check_profiles
from informatics_gateway.store import Store

FAST, FINE = (PLAIN.model_copy(update={"profile": name}) for name in ("fast", "fine"))


@pytest.fixture(params=["process", "warm"])
def bench(request, tmp_path):
    bench = Bench(tmp_path, runner=request.param)
    yield bench
    bench.executor.close()


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as store:
        yield store


@pytest.fixture
def written(tmp_path):
    """A configuration with these routes' lines, of the app contract_only; its path."""

    def written(*routes: str, app: str = str(APP)):
        path = tmp_path / "gantry.toml"
        path.write_text(FOLDER + APP_TABLE.replace("apps/lungs", app) + "".join(routes))
        return path

    return written


def execute(bench: Bench, profile: str, **wanted):
    job = replace(bench.job("done", **wanted), profile=profile)
    return bench.executor.execute(job, replace(REQUEST, profile=profile), threading.Event())


# the configuration


def test_two_routes_of_a_button_may_run_two_profiles_of_an_app(written):
    config = load(written(ROUTE + 'profile = "fast"\n', ROUTE + 'profile = "fine"\n'))
    assert [route.name for route in config.routes] == ["LUNGS/lungs/fast", "LUNGS/lungs/fine"]
    check_profiles(config, written())


@pytest.mark.parametrize(
    ("routes", "words"),
    [
        ((ROUTE, ROUTE + 'profile = "fast"\n'), "each of several routes LUNGS/lungs must name its profile"),
        ((ROUTE + 'profile = "fast"\n',) * 2, "LUNGS/lungs/fast is there twice"),
        ((ROUTE + 'profile = "Fast!"\n',), "route.0.profile: .*'Fast!'"),
    ],
)
def test_what_cannot_be_meant_is_refused(written, routes, words):
    with pytest.raises(BadConfiguration, match=words):
        load(written(*routes))


def test_an_unknown_profile_is_refused_by_file_key_and_value(written):
    path = written(ROUTE + 'profile = "dark"\n')
    with pytest.raises(BadConfiguration) as caught:
        check_profiles(load(path), path)
    for part in (
        str(path),
        "route.0.profile",
        "contract-only has not 'dark' but: fine, fast",
        "(value: 'dark')",
    ):
        assert part in str(caught.value)
    assert "gantry apps list" in caught.value.hint


def test_an_app_that_cannot_answer_is_asked_when_a_job_runs(written, caplog):
    path = written(ROUTE + 'profile = "fast"\n', app="/nowhere")
    check_profiles(load(path), path)
    assert "route LUNGS/lungs/fast: its profile is not checked: " in caplog.text


def test_the_doctor_looks_at_the_profiles_of_routes(tmp_path):
    patient = Patient(tmp_path)
    tables = [{"name": "lungs", "path": str(APP)}]
    route = {"called_ae_title": "LUNGS", "app": "lungs", "destinations": ["files"]}
    check = patient.one("app lungs", app=tables, route=[route | {"profile": "dark"}])
    assert "'dark'" in check.sentence


# a job


def test_the_app_is_told_the_profile_and_says_it(bench):
    for profile, said in (("fast", "fast"), ("fine", "fine"), ("", "fine")):
        execute(bench, profile)
        assert load_report(bench.kept() / "output")["app"]["profile"] == said


def test_an_unknown_profile_fails_the_job_before_the_app_runs(bench):
    with pytest.raises(NoSuchProfile, match="contract-only has not 'dark' but: fine, fast"):
        execute(bench, "dark")
    assert not bench.kept().exists()


def test_results_of_another_profile_are_refused(bench):
    with pytest.raises(InvalidResult, match="says profile 'fine', the job 'fast'"):
        execute(bench, "fast", says_profile="fine")


def test_a_profile_that_the_app_lost_meanwhile_fails_its_job(tmp_path):
    app = shutil.copytree(APP, tmp_path / "app")
    bench = Bench(tmp_path / "storage", path=app)
    execute(bench, "fast")
    text = (app / "app.py").read_text()
    (app / "app.py").write_text(text.replace('"fast": {}', '"faster": {}'))
    with pytest.raises(NoSuchProfile, match="but: fine, faster"):
        execute(bench, "fast")


# the journal


def test_an_input_set_has_a_job_for_each_profile(store):
    input_set = sealed(store)
    assert store.queue(input_set, [FAST, FINE]) == ([1, 2], [])
    assert store.queue(input_set, [FAST, FINE]) == ([], [])
    fast, fine = store.jobs_of(input_set)
    assert [(job.route, job.profile) for job in (fast, fine)] == [
        ("LUNGS/lungs/fast", "fast"),
        ("LUNGS/lungs/fine", "fine"),
    ]
    assert store.events(1)[0].text.startswith("queued for lungs, profile fast: revision 1")
    assert queued_without_profile(store).profile == ""


def queued_without_profile(store: Store):
    [number], _ = store.queue(store.latest_set(KEY), [PLAIN])
    return store.job(number)


def test_a_newer_revision_supersedes_the_same_profile_only(store):
    store.queue(sealed(store), [FAST, FINE])
    assert store.queue(sealed(store, 2), [FINE]) == ([3], [2])
    assert store.job(1).status is JobStatus.QUEUED


def test_a_job_replaces_the_results_of_its_own_profile(store):
    store.queue(sealed(store), [FAST, FINE])
    for status in (JobStatus.EXECUTED, JobStatus.VALIDATED):
        store.move(store.job(1), status, status)
    store.begin_sending(store.job(1))
    store.queue(sealed(store, 2), [FAST, FINE])
    newer = {job.profile: job for job in store.jobs(2)}
    assert store.predecessor(newer["fast"]) == store.job(1)
    assert store.predecessor(newer["fine"]) is None
    assert store.next_job("lungs", [JobStatus.QUEUED])[0] == newer["fine"]  # the other waits for job 1


def test_a_job_keeps_its_profile_when_it_is_tried_again(store):
    store.queue(sealed(store), [FAST])
    store.postpone(store.job(1), 0, AppCrashed())
    assert json.loads(json.dumps(store.job(1).profile)) == "fast"


def test_a_job_of_a_plain_route_is_as_ever(store):
    assert (queued(store).profile, queued(store, 2).route) == ("", "LUNGS/lungs")
