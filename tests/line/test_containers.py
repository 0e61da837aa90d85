# SPDX-License-Identifier: Apache-2.0
"""A MAP that the MONAI Deploy packager made, behind a button: Orthanc sends, containers run it, Orthanc keeps.

What comes back is what the app gives as a process, and a gateway that is killed in mid-job changes nothing of it.
"""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gateway_process import Gateway
from orthanc import Orthanc
from packaged import ROOT, Packager
from pydicom import dcmread

from imaging_data.phantom import thorax, thorax_grid, write_series
from informatics_gateway.runners.container import LABEL, owner_of

pytestmark = [pytest.mark.orthanc, pytest.mark.engine, pytest.mark.timeout(900)]

LUNGS = ROOT / "apps" / "lung_densitometry"
BUTTON = """
[[app]]
name = "{runner}"
{place}
runner = "{runner}"
[[route]]
called_ae_title = "{called}"
app = "{runner}"
destinations = ["archive"]
"""
CALLED = {"process": "PROCESS", "container": "COLD", "warm": "WARM"}
DATES = {"DA", "TM", "DT"}


@pytest.fixture(scope="module")
def packager(podman) -> Packager:
    """Podman with packages."""
    return Packager()


@pytest.fixture(scope="module")
def image(packager, tmp_path_factory) -> str:
    """The image of lung_densitometry, by digest."""
    name = packager.package(LUNGS, tmp_path_factory.mktemp("image"))
    return packager("image", "inspect", name, "--format", "{{index .RepoDigests 0}}")


@pytest.fixture(scope="module")
def patients(tmp_path_factory) -> list[list[Path]]:
    """One phantom as two patients' series."""
    chest = thorax(1).render(thorax_grid(40, 128), seed=1)
    folder = tmp_path_factory.mktemp("patients")
    return [write_series(chest, folder / name, patient_id=name) for name in ("ADA", "BEN")]


@pytest.fixture(scope="module")
def line(packager, image, orthanc, tmp_path_factory):
    """A function that starts a gateway with a button for each of the runners, between an empty archive and itself."""

    @contextmanager
    def start(*runners: str) -> Iterator[Gateway]:
        orthanc.clear()
        places = {"process": f'path = "{LUNGS}"'}
        buttons = (
            BUTTON.format(
                runner=runner, called=CALLED[runner], place=places.get(runner, f'image = "{image}"')
            )
            for runner in runners
        )
        tables = orthanc.destination() + "".join(buttons)
        folder = tmp_path_factory.mktemp("gateway")
        gateway = Gateway(folder, tables, environment=orthanc.environment | packager.environment)
        for runner in runners:
            orthanc.add_modality(CALLED[runner], gateway.port)
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop()

    return start


@pytest.fixture(scope="module")
def by_process(line, orthanc, patients) -> dict[str, bytes]:
    """What the app gives as a process."""
    with line("process") as gateway:
        return walked(gateway, orthanc, "process", patients[0])


def press(orthanc: Orthanc, runner: str, paths: list[Path]) -> None:
    """Let Orthanc send the series to the runner's button."""
    for path in paths:
        orthanc.upload(path)
    orthanc.send_series(str(dcmread(paths[0]).SeriesInstanceUID), CALLED[runner])


def results(gateway: Gateway, orthanc: Orthanc, job: int) -> dict[str, bytes]:
    """The results of a job as the archive has them, by kind, without dates and times."""
    listed = gateway.cli("jobs", "show", str(job), "--json")["results"]
    return {result["kind"]: undated(orthanc.file(result["sop_instance_uid"])) for result in listed}


def walked(gateway: Gateway, orthanc: Orthanc, runner: str, paths: list[Path]) -> dict[str, bytes]:
    """The results of the first job, once it was sent, run and delivered."""
    press(orthanc, runner, paths)
    assert gateway.wait_ended() == ["delivered"], gateway.events()
    return results(gateway, orthanc, 1)


def undated(content: bytes) -> bytes:
    """The file with every date and time emptied: results say when they were made."""
    dataset, emptied = dcmread(io.BytesIO(content)), io.BytesIO()
    for element in dataset.iterall():
        if element.VR in DATES:
            element.value = ""
    dataset.save_as(emptied)
    return emptied.getvalue()


def running(packager: Packager, gateway: Gateway, *options: str) -> set[str]:
    """The engine's ids of this gateway's containers that run; with `--all` also of those that have ended."""
    label = f"label={LABEL}={owner_of(gateway.storage / 'work')}"
    return set(packager("ps", "--quiet", "--no-trunc", "--filter", label, *options).split())


def said(gateway: Gateway, job: int, words: str) -> int:
    """How many lines of the job's history have these words."""
    return sum(words in text for text in gateway.events(job))


def wait_for(look: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until `look` says yes."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


@pytest.mark.parametrize("runner", ["container", "warm"])
def test_a_container_gives_what_a_process_gives(line, packager, image, orthanc, patients, by_process, runner):
    with line(runner) as gateway:
        assert walked(gateway, orthanc, runner, patients[0]) == by_process
        assert "@sha256:" in image
        assert said(gateway, 1, f"attempt 1, image {image}") == 1
    assert set(by_process) >= {"segmentation", "measurements", "text-report", "secondary-capture"}
    assert running(packager, gateway, "--all") == set()


def test_a_gateway_killed_in_mid_job_runs_nothing_twice_and_delivers_once(
    line, packager, orthanc, patients, by_process
):
    with line("container", "warm") as gateway:
        for runner, paths in zip(("container", "warm"), patients, strict=True):
            press(orthanc, runner, paths)
        wait_for(lambda: len(running(packager, gateway)) == 2)
        first = running(packager, gateway)
        gateway.kill()
        assert gateway.statuses() == ["queued", "queued"]
        gateway.start()
        wait_for(lambda: all(said(gateway, job, "attempt 2") for job in (1, 2)))
        wait_for(lambda: len(running(packager, gateway)) >= 2)
        assert first.isdisjoint(running(packager, gateway))
        assert gateway.wait_ended(2) == ["delivered", "delivered"], gateway.events()
        made = [results(gateway, orthanc, job) for job in (1, 2)]
        assert made[0] == by_process
        for job in (1, 2):
            assert [said(gateway, job, words) for words in ("executed in", "delivered: ")] == [1, 1]
        archived = [instance["SOPInstanceUID"] for instance in orthanc.instances()]
        assert len(archived) == len(set(archived)) == sum(map(len, (*patients, *made)))
    assert running(packager, gateway, "--all") == set()
