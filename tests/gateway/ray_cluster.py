# SPDX-License-Identifier: Apache-2.0
"""A real Ray cluster of three nodes, all on this machine, in a process of its own.

`Cluster` starts this file as a program, which makes the nodes and does what it is told on its standard input.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import psutil

MB = 1 << 20
SOON = {"health_check_period_ms": 500, "health_check_failure_threshold": 4, "health_check_timeout_ms": 1000}


class Cluster:
    """The cluster; with it, as a context.  Node 0 is the gateway's own, 2 has a GPU that is none."""

    def __init__(
        self, folder: Path, more: Mapping[str, str] | None = None, cpus: int = 1, memory_mb: int = 3000
    ) -> None:
        """`folder`: for the token, the log, and what is the nodes' TMPDIR.

        `more`: environment of the nodes.  `cpus`, `memory_mb`: what each node says that it has.
        """
        self.token = folder / "token"
        self.token.write_text(secrets.token_hex(32))
        self.temporary = folder / "nodes"
        self.temporary.mkdir()
        self._sockets = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # their paths must be short
        self._log = (folder / "cluster.log").open("wb")
        environment = os.environ | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token),
            "TMPDIR": str(self.temporary),
            "RAY_TMPDIR": str(self._sockets),
            **(more or {}),
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(cpus), str(memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            start_new_session=True,
        )
        started = self._hear()
        self.address, self.raylets = str(started["address"]), list(started["raylets"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)
        self._log.close()
        shutil.rmtree(self._sockets, ignore_errors=True)

    @property
    def tables(self) -> dict[str, Any]:
        """What the configuration of a gateway says of it."""
        return {"address": self.address, "token_file": self.token}

    def lose(self, node: int) -> None:
        """Kill a node with everything on it."""
        self._do("lose", node)

    def drain(self, node: int) -> None:
        """Tell the cluster that a node is to go."""
        self._do("drain", node)

    def node_of(self, process: int) -> int:
        """On which node a process runs."""
        parents = [each.pid for each in psutil.Process(process).parents()]
        return next(index for index, raylet in enumerate(self.raylets) if raylet in parents)

    def _do(self, *words: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self._process.stdin.flush()
        assert self._hear() == {"done": True}

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the cluster has ended: " + Path(self._log.name).read_text()[-4000:]
        heard: dict[str, Any] = json.loads(line)
        return heard


def _serve(cpus: int, memory_mb: int) -> None:
    """Make the nodes, and do what is told."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray prints
    from ray.cluster_utils import Cluster as Nodes

    each = {"num_cpus": cpus, "memory": memory_mb * MB}
    each |= {"object_store_memory": 80 * MB, "include_dashboard": False}
    cluster = Nodes(initialize_head=True, head_node_args=each | {"_system_config": SOON})
    nodes = [cluster.head_node, cluster.add_node(**each), cluster.add_node(**each, num_gpus=1)]
    raylets = [node.all_processes["raylet"][0].process.pid for node in nodes]
    print(json.dumps({"address": cluster.address, "raylets": raylets}), file=answers, flush=True)
    for line in sys.stdin:
        verb, index = line.split()
        if verb == "lose":
            cluster.remove_node(nodes[int(index)], allow_graceful=False)
        else:
            _drain(cluster.address, nodes[int(index)].node_id)
        print(json.dumps({"done": True}), file=answers, flush=True)
    cluster.shutdown()


def _drain(address: str, node: str) -> None:
    from ray._raylet import GcsClient
    from ray.core.generated import autoscaler_pb2

    reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    accepted, why = GcsClient(address=address).drain_node(node, reason, "maintenance", 2**62)
    assert accepted, why


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
