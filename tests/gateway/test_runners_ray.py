# SPDX-License-Identifier: Apache-2.0
"""The ray runner on a real cluster of three nodes: input, results, limits and ends as on the gateway's machine."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import grpc
import psutil
import pytest
from app_jobs import APP, REQUEST, Bench, app_pid, make_job, wait_for
from engine import Podman
from ray_cluster import Cluster

from informatics_gateway.config import Config
from informatics_gateway.doctor.check import Check
from informatics_gateway.doctor.cluster import cluster as cluster_checks
from informatics_gateway.errors import (
    AppFailed,
    AppOutOfTime,
    JobCancelled,
    RayOpen,
    RayRefused,
    RayUnavailable,
)
from informatics_gateway.execute import Executor
from informatics_gateway.gpu.cards import Place
from informatics_gateway.model import Job, Manifest
from informatics_gateway.runners import ray_driver
from informatics_gateway.runners.container import LABEL, owner_of

pytestmark = pytest.mark.timeout(300)

APPS = {
    "tool": {},
    "cold": {"on_node": "process", "idle_s": 0.1},
    "hasty": {"timeout_s": 2},
    "narrow": {"output_mb": 8},
    "drawn": {"gpu": "required"},
}


class RayBench(Bench):
    """An executor whose apps run in a cluster; `told` is what jobs told of."""

    def __init__(self, storage: Path, ray: dict[str, object], image: str = "") -> None:
        """`image`: of an app "boxed", instead of the others."""
        self.storage, self.jobs, self.told = storage, 0, list[str]()
        common = {"path": APP, "runner": "ray"}
        apps = [{"name": name} | common | more for name, more in APPS.items()]
        if image:
            apps = [{"name": "boxed", "image": image, "runner": "ray", "on_node": "container"}]
        self.executor = Executor(
            Config.model_validate({"storage": {"path": storage}, "app": apps, "ray": ray})
        )

    def of(self, app: str, do: str, **wanted: object) -> Job:
        """The next job, of that app."""
        return replace(self.job(do, **wanted), app=app)

    def execute(self, job: Job, cancelled: threading.Event | None = None, lane: str = "") -> Manifest:
        """Run a job, in that lane."""
        self.told.clear()
        return self.executor.execute(
            job,
            REQUEST,
            cancelled or threading.Event(),
            lambda step, fraction: self.told.append(f"{step} {fraction:g}"),
            Place(lane or job.app),
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), Podman().environment) as started:
        yield started


@pytest.fixture(scope="module")
def bench(cluster, tmp_path_factory) -> Iterator[RayBench]:
    made = RayBench(tmp_path_factory.mktemp("storage"), cluster.tables)
    yield made
    made.executor.close()
    assert made.left() == []
    assert list(cluster.temporary.glob("gantry-*/*")) == []


def _left_by(cluster: Cluster, name: str) -> str:
    """A file of an output folder on any node."""
    found = [path.read_text() for path in cluster.temporary.glob(f"gantry-*/*/*/output/{name}")]
    return next(iter(found), "")


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_worker_stays_warm_on_its_node_and_results_and_log_come_back(bench, cluster):
    first, second = (bench.execute(bench.of("tool", "done")) for _ in range(2))
    assert app_pid(first) == app_pid(second)
    assert cluster.node_of(app_pid(first)) in (0, 1, 2)
    assert first.results[0].path.read_bytes() == b"result"
    assert "doing done" in (bench.kept() / "app.log").read_text()
    assert list(cluster.temporary.glob("gantry-*/*/*/output")) == []


def test_a_cold_job_has_a_process_of_its_own(bench):
    assert len({app_pid(bench.execute(bench.of("cold", "done"))) for _ in range(2)}) == 2


@pytest.mark.engine
def test_an_image_runs_in_a_container_of_its_node_which_is_gone_then(cluster, engine, stub_image, tmp_path):
    bench = RayBench(tmp_path / "storage", cluster.tables, stub_image)
    manifest = bench.execute(bench.of("boxed", "done"))
    assert manifest.results[0].path.read_bytes() == b"result"
    assert bench.told[0].startswith("on ")
    assert app_pid(manifest) == 1  # it was the first process of a container
    with pytest.raises(AppFailed, match=r"the sum is wrong$"):
        bench.execute(bench.of("boxed", "fail"))
    stations = list(cluster.temporary.glob("gantry-*/*boxed*"))
    assert stations
    for station in stations:
        assert engine("ps", "--all", "--quiet", "--filter", f"label={LABEL}={owner_of(station)}") == ""
    bench.executor.close()


def test_what_the_app_tells_and_its_node_are_told(bench):
    bench.execute(bench.of("tool", "progress", pieces=['{"step": "predict", "fraction": 0.5}\n'] * 4))
    assert bench.told[0].startswith("on ")
    assert "predict 0.5" in bench.told


def test_the_app_gets_its_input_read_only_and_no_token(bench):
    bench.execute(bench.of("cold", "see"))
    seen = (bench.kept() / "output" / "seen.json").read_text()
    assert seen.count("0o100444") == 2
    assert "TOKEN" not in seen


def test_an_app_that_fails_does_so_in_its_own_words(bench):
    with pytest.raises(AppFailed, match=r"the sum is wrong$"):
        bench.execute(bench.of("tool", "fail"))
    assert "doing fail" in (bench.kept() / "app.log").read_text()


def test_links_are_refused_by_name_as_on_this_machine(bench):
    with pytest.raises(AppFailed) as refused:
        bench.execute(bench.of("cold", "link"))
    assert all(name in str(refused.value) for name in ("output/link", "output/pipe", "output/input.dcm"))
    assert [path for path in bench.kept().rglob("*") if path.is_symlink()] == []


def test_an_app_that_writes_too_much_is_ended(bench):
    with pytest.raises(AppFailed, match=r"It wrote more than 8 MB\.$"):
        bench.execute(bench.of("narrow", "flood"))


def test_at_its_time_limit_the_app_dies_with_what_it_started(bench, cluster):
    pids = []
    job = bench.of("hasty", "descend", hang=True)
    looks = threading.Thread(target=lambda: pids.append(int(wait_for(lambda: _left_by(cluster, "daemon")))))
    looks.start()
    with pytest.raises(AppOutOfTime, match=r"The limit is 2 s\."):
        bench.execute(job)
    looks.join()
    assert _is_gone(pids[0])


def _run_aside(bench: RayBench, job: Job, cancelled: threading.Event) -> tuple[threading.Thread, list]:
    ends: list[BaseException | None] = []

    def run() -> None:
        try:
            bench.execute(job, cancelled)
            ends.append(None)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            ends.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ends


def test_a_cancel_ends_the_app_with_what_it_started(bench, cluster):
    cancelled = threading.Event()
    thread, ends = _run_aside(bench, bench.of("tool", "descend", hang=True), cancelled)
    daemon = int(wait_for(lambda: _left_by(cluster, "daemon")))
    cancelled.set()
    thread.join(60)
    assert isinstance(ends[0], JobCancelled)
    assert _is_gone(daemon)


def test_when_the_link_dies_the_app_does_and_the_next_job_has_a_new_link(bench, cluster):
    thread, ends = _run_aside(bench, bench.of("tool", "descend", hang=True), threading.Event())
    daemon = int(wait_for(lambda: _left_by(cluster, "daemon")))
    [link] = [each for each in psutil.Process().children() if any("ray_driver" in w for w in each.cmdline())]
    link.kill()
    thread.join(60)
    assert isinstance(ends[0], RayUnavailable)
    wait_for(lambda: _is_gone(daemon))
    assert bench.execute(bench.of("tool", "done")).results


def test_a_gpu_is_the_clusters_to_give_and_an_idle_worker_makes_room(bench, cluster):
    bench.execute(bench.of("drawn", "see"))
    seen = (bench.kept() / "output" / "seen.json").read_text()
    assert '"CUDA_VISIBLE_DEVICES": "0"' in seen
    bench.execute(bench.of("cold", "see"))
    assert '"CUDA_VISIBLE_DEVICES": ""' in (bench.kept() / "output" / "seen.json").read_text()


def test_without_a_token_it_is_refused(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    bench = RayBench(tmp_path / "storage", {"address": cluster.address})
    with pytest.raises(RayRefused):
        bench.execute(bench.of("tool", "done"))


def doctored(ray: dict[str, object]) -> Check:
    """What the doctor says of [ray]."""
    apps = [{"name": "tool", "path": APP, "runner": "ray"}]
    [check] = cluster_checks(Config.model_validate({"app": apps, "ray": ray}))
    return check


def test_the_doctor_looks_at_the_cluster(cluster, tmp_path):
    good = doctored(cluster.tables)
    assert (good.status, version("ray") in good.sentence) == ("ok", True)
    (tmp_path / "wrong").write_text("0" * 64)
    wrong = doctored(cluster.tables | {"token_file": tmp_path / "wrong"})
    assert (wrong.status, "[ray]" in wrong.hint) == ("fail", True)
    assert doctored({"address": "127.0.0.1:1"}).status == "fail"
    assert list(cluster_checks(Config.model_validate({}))) == []


def test_a_cluster_that_takes_whoever_comes_is_refused(cluster, monkeypatch):
    """The driver sees it of a server that answers; a real cluster without token was tried by hand."""
    assert not ray_driver.answers_anybody(cluster.address)
    asked = []

    def answer(call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        asked.append(call.method)
        return grpc.unary_unary_rpc_method_handler(lambda *_: b"")

    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers(
        [type("Open", (grpc.GenericRpcHandler,), {"service": lambda _, c: answer(c)})()]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    assert ray_driver.answers_anybody(f"127.0.0.1:{port}")
    server.stop(None)
    assert asked == ["/ray.rpc.NodeInfoGcsService/GetAllNodeInfo"]
    monkeypatch.setattr(ray_driver.ray, "init", lambda *_, **__: None)
    monkeypatch.setattr(ray_driver.ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address="a"))
    monkeypatch.setattr(ray_driver, "answers_anybody", lambda address: address == "a")
    with pytest.raises(RayOpen, match="takes whoever comes"):
        ray_driver._connect("auto")


@pytest.mark.parametrize("other", ["address", "token_file"])
def test_a_cluster_that_is_away_or_has_another_token_is_waited_for(cluster, tmp_path, other):
    (tmp_path / "wrong").write_text("0" * 64)
    wrong = {"address": "127.0.0.1:1", "token_file": tmp_path / "wrong"}
    bench = RayBench(tmp_path, cluster.tables | {other: wrong[other]})
    cancelled = threading.Event()
    thread, ends = _run_aside(bench, make_job(tmp_path, "done"), cancelled)
    wait_for(lambda: any(line.startswith("waits for the Ray cluster") for line in bench.told))
    cancelled.set()
    thread.join(60)
    assert isinstance(ends[0], JobCancelled)
