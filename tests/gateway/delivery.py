# SPDX-License-Identifier: Apache-2.0
"""What the tests of delivery share: results to send, and a delivery that remembers what it was told."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import made_results
from builders import ct_series
from pydicom import Dataset, dcmread

from informatics_gateway.config import Config, Destination
from informatics_gateway.deliver import deliver
from informatics_gateway.destinations import DestinationClient, open_destination
from informatics_gateway.model import Proof, Result


def small_results(folder: Path) -> list[Result]:
    """A text report and a picture."""
    job = made_results.made(folder, ct_series(folder / "source", slices=3))
    job.add("text-report", made_results.text_report(job.sources[0]))
    job.add("secondary-capture", made_results.secondary_capture(job.sources[0]))
    return list(job.results.values())


def all_results(folder: Path) -> list[Result]:
    """Segmentation, labelmap (compressed), parametric map, reports, picture, structures."""
    job = made_results.everything(folder, ct_series(folder / "source"))
    return list(job.results.values())


class Delivery:
    """Delivers to one destination, with the events of the last time."""

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self.events: list[str] = []

    def open(self) -> DestinationClient:
        return open_destination(self.destination, Config())

    def run(
        self, results: Sequence[Result], before_sending: Callable[[], None] = lambda: None
    ) -> tuple[Proof, ...]:
        self.events = []
        began = time.time()
        with self.open() as client:
            proofs = deliver(results, client, on_event=self.events.append, before_sending=before_sending)
        assert [proof.sop_instance_uid for proof in proofs] == [each.sop_instance_uid for each in results]
        assert all(proof.destination == self.destination.name for proof in proofs)
        assert all(began <= proof.at <= time.time() for proof in proofs)
        return proofs

    def sent(self) -> list[str]:
        """UIDs of the results that were sent the last time."""
        return [event.split()[-1] for event in self.events if ": sent " in event]


def uids(results: Sequence[Result]) -> list[str]:
    return [result.sop_instance_uid for result in results]


def changed(result: Result, folder: Path) -> Path:
    """A file with another content under the result's UIDs."""
    dataset: Dataset = dcmread(result.path)
    dataset.ContentDate = "20250101"
    path = folder / "changed.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path
