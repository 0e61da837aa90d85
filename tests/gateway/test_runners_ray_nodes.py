# SPDX-License-Identifier: Apache-2.0
"""A gateway with a cluster of three nodes: one is lost in mid-job, one is drained, each job is delivered once."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from app_jobs import wait_for
from builders import ct_series
from gateway_process import STORESCU, Gateway
from ray_cluster import Cluster

pytestmark = pytest.mark.timeout(300)

APP = Path(__file__).parents[1] / "operators" / "apps" / "torch_free"
JOBS = 7
TABLES = """
[ray]
address = "{address}"
token_file = "{token}"
[[destination]]
name = "folder"
kind = "folder"
path = "results"
clinical = false
[[app]]
name = "tool"
path = "{app}"
runner = "ray"
jobs_at_once = 3
environment = {{ SLEEP_S = "3", WHOSE = "{app_mark}" }}
[[route]]
called_ae_title = "LUNGS"
app = "tool"
destinations = ["folder"]
"""


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    with Cluster(folder) as started:
        yield started


@pytest.fixture
def gateway(cluster, tmp_path) -> Iterator[Gateway]:
    if not Path(STORESCU).exists():
        pytest.skip("DCMTK is not installed: apt-get install dcmtk")
    words = {"address": cluster.address, "token": cluster.token, "app": APP, "app_mark": tmp_path}
    made = Gateway(tmp_path / "gateway", TABLES.format(**words))
    made.start()
    yield made
    made.stop()


def _at_work(cluster: Cluster, mark: Path) -> dict[int, int]:
    """The app's processes by the node on which they are."""
    found = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get("WHOSE") == str(mark) and process.status() != psutil.STATUS_ZOMBIE:
                found[cluster.node_of(process.pid)] = process.pid
        except (psutil.Error, StopIteration):
            continue
    return found


def test_one_node_is_lost_one_is_drained_and_each_job_is_delivered_once(cluster, gateway, tmp_path):
    for number in range(JOBS):
        gateway.send(ct_series(tmp_path / f"ct{number}", slices=3, patient_id=f"P{number}"))
    wait_for(lambda: set(_at_work(cluster, tmp_path)) == {0, 1, 2}, 120)
    cluster.drain(1)
    cluster.lose(2)
    assert gateway.wait_ended(JOBS) == ["delivered"] * JOBS, gateway.events()
    results = [path.name for path in (gateway.folder / "results").rglob("*.dcm")]
    assert len(results) == JOBS
    assert set(Counter(results).values()) == {1}
    events = gateway.events()
    assert sum("was lost, it runs again elsewhere" in event for event in events) == 1
    assert sum(event.startswith("execute: tool starts") for event in events) == JOBS
    assert set(_at_work(cluster, tmp_path)) == {0}
