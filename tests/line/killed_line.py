# SPDX-License-Identifier: Apache-2.0
"""A line whose gateway, or whose app, is killed: what was sent, what was acknowledged, and the account at the end.

A real gateway, a real Orthanc, a real sender; the app keeps the contract without torch, so that it fits the time.
"""

import time
from pathlib import Path
from typing import Any

from builders import ct_series
from gateway_process import Gateway
from orthanc import Orthanc, new_orthanc
from prefork import Forked, Prefork
from pydicom import dcmread

from informatics_gateway.model import JobStatus
from informatics_gateway.receive import pending
from informatics_gateway.store import Journal

TORCH_FREE = Path(__file__).parents[1] / "operators" / "apps" / "torch_free"
SLICES = 3
KILLED_THREE_TIMES = ("started as often as is allowed", "The app's process died")  # by gateway, or alone


class ForkedGateway(Gateway):
    """Starts in no time.  `start(POINT, WHEN)`: one that dies there (kill_at.py)."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.prefork = Prefork()

    def _begin(self, *point: str) -> Forked:
        return self.prefork.start(self.config, self.folder / "serve.log", self.environment, point)


class Line:
    """A gateway, an archive, and what was sent so far."""

    def __init__(self, folder: Path, kind: str, options: str = "") -> None:
        self.folder, self.kind, self.options = folder, kind, options
        self.orthanc = new_orthanc(folder / "orthanc")
        self.gateway = ForkedGateway(
            folder / "gateway",
            self._tables(self.orthanc),
            quiet_s=0.5,
            environment=self.orthanc.environment,
        )
        self.orthanc.add_modality(self.gateway.aet, self.gateway.port)
        self.acknowledged: set[str] = set()
        self.sent: list[list[Path]] = []

    def _tables(self, orthanc: Orthanc) -> str:
        return f"""
{orthanc.destination(self.kind)}
[[app]]
name = "torch_free"
path = "{TORCH_FREE}"
{self.options}
[[route]]
called_ae_title = "LUNGS"
app = "torch_free"
destinations = ["archive"]
"""

    def send(self) -> None:
        """A new series; what the gateway acknowledged is what the sender may forget."""
        series = ct_series(self.folder / f"series-{len(self.sent)}", slices=SLICES)
        self.sent.append(series)
        self.acknowledged |= {f"{self.sent.index(series)}/{name}" for name in self.gateway.send(series)}

    def send_again(self) -> None:
        """What a sender does with what was not acknowledged."""
        for index, series in enumerate(self.sent):
            missing = [path for path in series if f"{index}/{path.name}" not in self.acknowledged]
            if missing:
                self.acknowledged |= {f"{index}/{name}" for name in self.gateway.send(missing)}

    def finish(self) -> None:
        """Let everything come to its end, and account for it."""
        self.gateway.start()
        self.send_again()
        self.gateway.wait_ended(count=len(self.sent))
        self._retry_what_was_killed_three_times()
        assert len(self.acknowledged) == SLICES * len(self.sent)
        with Journal(self.gateway.storage) as journal:
            self._account_for_instances(journal)
            self._account_for_results(journal)

    def _retry_what_was_killed_three_times(self) -> None:
        """The guard against crash loops counts each kill in mid-execution, as it should."""
        for job in self.gateway.cli("jobs", "list", "--status", "failed", "--json"):
            assert any(sentence in job["error"] for sentence in KILLED_THREE_TIMES), job["error"]
            self.gateway.cli("jobs", "retry", str(job["id"]))
        self.gateway.wait_ended(count=len(self.sent))

    def _account_for_instances(self, journal: Journal) -> None:
        """Every instance that was answered 0x0000 is stored, with the bytes that were sent, and was worked on."""
        worked_on = {
            instance.sop_instance_uid
            for job in journal.jobs(limit=10000)
            if job.status is JobStatus.DELIVERED
            for instance in job.input_set.instances
        }
        for path in (path for series in self.sent for path in series):
            uid = sop_instance_uid(path)
            stored = journal.instance(uid)
            assert stored is not None, f"{path} was acknowledged and is not there"
            assert dataset_bytes(stored.path) == dataset_bytes(path)
            assert uid in worked_on, f"{path} was acknowledged, and no delivered job worked on it"
        assert list(pending(self.gateway.storage)) == []

    def _account_for_results(self, journal: Journal) -> None:
        """The archive holds the results of the delivered jobs, once each, and nothing else."""
        jobs = journal.jobs(limit=10000)
        assert {job.status for job in jobs} <= {JobStatus.DELIVERED, JobStatus.SUPERSEDED}, self.gateway.log
        expected = [
            result.sop_instance_uid
            for job in jobs
            if job.status is JobStatus.DELIVERED
            for result in journal.results(job.id)
        ]
        archived = [instance["SOPInstanceUID"] for instance in self.orthanc.instances()]
        assert sorted(archived) == sorted(expected)
        assert len(archived) >= len(self.sent)

    def close(self) -> None:
        self.gateway.kill()
        self.orthanc.kill()
        self.orthanc.client.close()
        self.gateway.prefork.close()


def sop_instance_uid(path: Path) -> str:
    return str(dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)


def dataset_bytes(path: Path) -> bytes:
    """The bytes after the file meta information, which a receiver writes itself."""
    data = path.read_bytes()
    return data[144 + int.from_bytes(data[140:144], "little") :]


def measured_length(line: Line) -> float:
    """Seconds from the first byte of a series to its job's end."""
    line.gateway.start()
    started = time.monotonic()
    line.send()
    line.gateway.wait_ended(count=1)
    line.gateway.kill()
    return time.monotonic() - started
