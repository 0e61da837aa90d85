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
name = "lungs"
{place}
runner = "{runner}"
[[route]]
called_ae_title = "LUNGS"
app = "lungs"
destinations = ["archive"]
"""
DATES = {"DA", "TM", "DT"}


@pytest.fixture(scope="module")
def packager(podman) -> Packager:
    """Podman with packages."""
    return Packager()


@pytest.fixture(scope="module")
def image(packager) -> str:
    """The image of lung_densitometry, by digest."""
    name = packager.packaged(LUNGS)
    return packager("image", "inspect", name, "--format", "{{index .RepoDigests 0}}")


@pytest.fixture(scope="module")
def chest(tmp_path_factory) -> list[Path]:
    """A phantom's series."""
    return write_series(thorax(1).render(thorax_grid(40, 128), seed=1), tmp_path_factory.mktemp("chest"))


@pytest.fixture(scope="module")
def line(packager, image, orthanc, tmp_path_factory):
    """A function that starts a gateway whose app has this runner, between an empty archive and itself."""

    @contextmanager
    def start(runner: str) -> Iterator[Gateway]:
        orthanc.clear()
        place = f'path = "{LUNGS}"' if runner == "process" else f'image = "{image}"'
        tables = orthanc.destination() + BUTTON.format(place=place, runner=runner)
        folder, environment = tmp_path_factory.mktemp(runner), orthanc.environment | packager.environment
        gateway = Gateway(folder, tables, environment=environment)
        orthanc.add_modality("LUNGS", gateway.port)
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop()

    return start


@pytest.fixture(scope="module")
def by_process(line, orthanc, chest) -> dict[str, bytes]:
    """What the app gives as a process."""
    with line("process") as gateway:
        press(orthanc, chest)
        return results(gateway, orthanc)


def press(orthanc: Orthanc, paths: list[Path]) -> None:
    """Let Orthanc send the series to the button."""
    for path in paths:
        orthanc.upload(path)
    orthanc.send_series(str(dcmread(paths[0]).SeriesInstanceUID), "LUNGS")


def results(gateway: Gateway, orthanc: Orthanc) -> dict[str, bytes]:
    """The job's results as the archive has them once it is delivered, by kind, without dates and times."""
    assert gateway.wait_ended() == ["delivered"], gateway.events()
    listed = gateway.cli("jobs", "show", "1", "--json")["results"]
    return {result["kind"]: undated(orthanc.file(result["sop_instance_uid"])) for result in listed}


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


def said(gateway: Gateway, words: str) -> int:
    """How many lines of the job's history have these words."""
    return sum(words in text for text in gateway.events())


def wait_for(look: Callable[[], object], seconds: float = 120) -> None:
    """Wait until `look` says yes."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def test_a_warm_container_gives_what_a_process_gives(line, packager, image, orthanc, chest, by_process):
    with line("warm") as gateway:
        press(orthanc, chest)
        assert results(gateway, orthanc) == by_process
        assert said(gateway, f"attempt 1, image {image}") == 1
    assert "@sha256:" in image
    assert {"segmentation", "measurements", "text-report", "secondary-capture"} <= set(by_process)
    assert running(packager, gateway, "--all") == set()


def test_a_gateway_killed_in_mid_job_runs_nothing_twice_and_delivers_once(
    line, packager, image, orthanc, chest, by_process
):
    with line("container") as gateway:
        press(orthanc, chest)
        wait_for(lambda: running(packager, gateway))
        first = running(packager, gateway)
        gateway.kill()
        assert gateway.statuses() == ["queued"]
        assert running(packager, gateway) == first
        gateway.start()
        wait_for(lambda: said(gateway, f"attempt 2, image {image}") == 1)
        wait_for(lambda: running(packager, gateway))
        assert first.isdisjoint(running(packager, gateway))
        assert results(gateway, orthanc) == by_process
        assert [said(gateway, words) for words in ("execute:", "executed in", "delivered: ")] == [2, 1, 1]
    assert len(orthanc.instances()) == len(chest) + len(by_process)
    assert running(packager, gateway, "--all") == set()
