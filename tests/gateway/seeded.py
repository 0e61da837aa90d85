# SPDX-License-Identifier: Apache-2.0
"""A storage folder as a gateway leaves it, written with the real Store, and its pages on a real socket."""

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from builders import ct_series, write
from pydicom import Dataset
from pydicom.uid import generate_uid

from imaging_data import input_hash
from informatics_gateway.config import Config, Route
from informatics_gateway.errors import AppFailed, GantryError
from informatics_gateway.model import Association, Instance, Job, JobStatus, Proof, Refusal, Result
from informatics_gateway.receive import read_instance
from informatics_gateway.store import Journal, Store
from informatics_gateway.web.app import create_app

APP = "lung_densitometry"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
WAY = (JobStatus.EXECUTED, JobStatus.VALIDATED, JobStatus.DELIVERED)
MEASURED = [
    {"name": "Volume", "value": 2841.36, "unit": "ml", "site": "Left lung"},
    {"name": "LAA-950", "value": 3.14159, "unit": "%", "site": None},
]
TABLES: dict[str, Any] = {
    "source": [{"ae_title": "MODALITY", "host": "127.0.0.1"}],
    "destination": [{"name": "archive", "kind": "folder", "path": "results", "clinical": False}],
    "app": [{"name": APP, "path": "apps/lung_densitometry", "runner": "warm"}],
    "route": [{"called_ae_title": "LUNGS", "app": APP, "destinations": ["archive"]}],
}


ROUTE = Route(**TABLES["route"][0])


def configuration(folder: Path, **tables: Any) -> Config:
    """A checked configuration whose storage is `folder`/storage; `tables` replace those of TABLES."""
    storage = {"storage": {"path": "storage", "reserve_gb": 0}}
    return Config.model_validate({**storage, **TABLES, **tables}, context={"folder": folder})


class Seeded:
    """A journal with jobs."""

    def __init__(self, storage: Path) -> None:
        self.storage = storage
        self.store = Store(storage)

    def series(self, count: int = 2, called: str = "LUNGS", **attributes: Any) -> list[Instance]:
        """Store a series and journal its arrival, which stays open."""
        paths = ct_series(self.storage / "instances", slices=count, **attributes)
        instances = [read_instance(path) for path in paths]
        name = f"association-{generate_uid()}"
        sender = Association(name, "MODALITY@127.0.0.1", "MODALITY", called, "127.0.0.1", time.time())
        self.store.record_arrivals([(sender, instance, time.time()) for instance in instances])
        return instances

    def job(self, status: JobStatus = JobStatus.QUEUED, **series: Any) -> Job:
        """A job that has walked the line up to `status`; FAILED: in the app, before any result."""
        job = self._queued(self.series(**series))
        if status is JobStatus.QUEUED:
            return job
        begun = self.store.begin(job, f"execute: {APP} starts, attempt 1", new_attempt=True)
        assert begun is not None
        if status is JobStatus.FAILED:
            return self.fail(begun, AppFailed("ZeroDivisionError: division by zero."))
        return self._walk(begun, status)

    def _queued(self, instances: Sequence[Instance]) -> Job:
        series = instances[0].series_instance_uid
        [key] = [each for each in self.store.open_series() if each.series_instance_uid == series]
        content = input_hash(each.sha256 for each in instances)
        sealed = self.store.seal(key, content, self.store.arrived(key), "quiet")
        self.store.queue(sealed, [ROUTE])
        [job] = self.store.jobs_of(sealed)
        return job

    def fail(self, job: Job, error: GantryError) -> Job:
        """End the job with this error."""
        self.store.end(job, JobStatus.FAILED, error)
        return self.now(job)

    def now(self, job: Job) -> Job:
        """The job as the journal has it now."""
        found = self.store.job(job.id)
        assert found is not None
        return found

    def _walk(self, job: Job, status: JobStatus) -> Job:
        results = self._results(job)
        for step in WAY[: WAY.index(status) + 1]:
            if step is JobStatus.DELIVERED:
                for result in results:
                    proof = Proof(result.sop_instance_uid, "archive", "read back and compared", time.time())
                    self.store.record_proof(job, proof)
            self.store.move(job, step, f"{step} in 0.42 s", results if step is JobStatus.EXECUTED else ())
            job = self.now(job)
        return job

    def _results(self, job: Job) -> list[Result]:
        output = self.storage / "jobs" / str(job.id) / "1" / "output"
        output.mkdir(parents=True)
        study = job.input_set.identity.study_instance_uid
        made = [
            _result(picture(study), "secondary-capture", output, 305),
            _result(_report(study), "text-report", output, 304),
        ]
        write_report(output, job, made)
        return made

    def refusal(self, calling: str = "NOBODY", **values: Any) -> Refusal:
        """A caller that was turned away."""
        reason = f"calling AE title {calling!r} at 10.0.0.9 is no known source."
        hint = f'To let it send, add:\n[[source]]\nae_title = "{calling}"\nhost = "10.0.0.9"'
        facts = {"called_ae_title": "LUNGS", "host": "10.0.0.9", "reason": reason, "hint": hint} | values
        refusal = Refusal(calling_ae_title=calling, at=time.time(), **facts)
        self.store.record_refusal(refusal)
        return refusal


def picture(study: str, **attributes: Any) -> Dataset:
    """A true-colour secondary capture of 40 x 60 pixels, red in its left half."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :30, 0] = 255
    dataset = _object(SECONDARY_CAPTURE, study, "OT")
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 40, 60, 3
    dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = pixels.tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def _report(study: str) -> Dataset:
    return _object(BASIC_TEXT_SR, study, "SR")


def _object(sop_class: str, study: str, modality: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, generate_uid()
    dataset.Modality = modality
    return dataset


def _result(dataset: Dataset, kind: str, output: Path, series_number: int) -> Result:
    path = write(dataset, output / f"{kind}-0.dcm")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    uids = (dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.SeriesInstanceUID)
    return Result(path, kind, *map(str, uids), sha256, 0, series_number)


def write_report(output: Path, job: Job, results: Sequence[Result], **changed: Any) -> None:
    """results.json as an app of ours writes it (docs/map-contract.md)."""
    key = job.input_set.key
    entries = [
        {
            "kind": each.kind,
            "ordinal": each.ordinal,
            "file": each.path.name,
            "sop_class_uid": each.sop_class_uid,
            "sop_instance_uid": each.sop_instance_uid,
            "study_instance_uid": key.study_instance_uid,
            "series_instance_uid": each.series_instance_uid,
            "series_number": each.series_number,
            "sha256": each.sha256,
        }
        for each in results
    ]
    report = {
        "contract": 1,
        "app": {"name": APP, "version": "0.3.1", "creator": "Tests", "digest": "0" * 64},
        "input": {"hash": job.input_set.hash, "series_instance_uid": key.series_instance_uid, "instances": 2},
        "results": entries,
        "measurements": MEASURED,
        "findings": ["lungs not completely imaged"],
        "models": {},
        "times": {"read_s": 0.25, "predict_s": 1.5},
        "device": "cpu",
    }
    (output / "results.json").write_text(json.dumps(report | changed))


class Site:
    """A seeded storage and its pages on a real socket; `troubles` is what the gateway's health says."""

    def __init__(self, config: Config, seeded: Seeded, url: str) -> None:
        self.config, self.seeded, self.url = config, seeded, url
        self.troubles: list[str] = []
        self.client = httpx.Client(base_url=url, trust_env=False)

    def text(self, path: str) -> str:
        """The text of a page."""
        return self.client.get(path).raise_for_status().text

    def json(self, path: str) -> Any:
        """The answer of the API."""
        return self.client.get(path).raise_for_status().json()


@contextmanager
def site(folder: Path, config: Config | None = None) -> Iterator[Site]:
    """Serve `folder`/storage as `gantry serve` does."""
    config = config or configuration(folder)
    seeded = Seeded(config.storage.path)
    journal, listener = Journal(config.storage.path), socket.create_server(("127.0.0.1", 0))
    with seeded.store, journal, listener:
        served = Site(config, seeded, f"http://127.0.0.1:{listener.getsockname()[1]}")
        app = create_app(config, journal, lambda: served.troubles)
        settings = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", server_header=False)
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield served
        finally:
            served.client.close()
            server.should_exit = True
            thread.join(10)
