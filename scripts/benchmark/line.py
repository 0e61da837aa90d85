# SPDX-License-Identifier: Apache-2.0
"""What the line adds to an app's own compute, and what a warm worker saves.

A real gateway, a real Orthanc, Orthanc itself sends; the app is lung_densitometry on CT phantoms.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))  # the Orthanc and the gateway that the tests start

from gateway_process import Gateway  # noqa: E402
from orthanc import Orthanc  # noqa: E402
from pydicom import dcmread  # noqa: E402

from imaging_data.phantom import Rendered, thorax, thorax_grid, write_series  # noqa: E402
from informatics_gateway.store import Journal  # noqa: E402

RUNNERS = ("warm", "process")
BUTTONS = {"warm": "WARM", "process": "COLD"}


def line(
    jobs: Annotated[
        int, typer.Option(min=2, help="Warm jobs; the first, which loads the app, is left out.")
    ] = 50,
    cold: Annotated[int, typer.Option(min=1, help="Cold jobs, each a process of its own.")] = 5,
    slices: Annotated[int, typer.Option(min=16)] = 60,
    rows: Annotated[int, typer.Option(min=64)] = 256,
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers for programs.")] = False,
) -> None:
    """Seconds from the last instance acknowledged to the result proved in Orthanc, less predict()."""
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as folder:
        measured = measure(Path(folder), {"warm": jobs + 1, "process": cold}, slices, rows)
    measured["warm"] = measured["warm"][1:]
    if as_json:
        typer.echo(json.dumps({"slices": slices, "rows": rows, "seconds": measured}))
    else:
        Console().print(table(measured, f"{slices} slices of {rows} x {rows}"))


Times = dict[str, float]


def measure(folder: Path, counts: Mapping[str, int], slices: int, rows: int) -> dict[str, list[Times]]:
    """The times of each job, by runner."""
    orthanc = Orthanc(folder / "orthanc")
    orthanc.start()
    gateway = Gateway(folder / "gateway", tables(orthanc), environment=orthanc.environment)
    try:
        gateway.start()
        phantom = thorax(seed=1).render(thorax_grid(slices, rows), seed=1)
        for button in BUTTONS.values():
            orthanc.add_modality(button, gateway.port)
        return {
            runner: [
                one_job(gateway, orthanc, phantom, folder / f"{runner}-{number}", runner)
                for number in track(range(count), f"{runner} jobs")
            ]
            for runner, count in counts.items()
        }
    finally:
        gateway.stop()
        orthanc.kill()
        orthanc.client.close()


def tables(orthanc: Orthanc) -> str:
    """The configuration: the same app, warm behind one button and cold behind another."""
    apps = (
        f'[[app]]\nname = "{runner}"\npath = "{ROOT}/apps/lung_densitometry"\nrunner = "{runner}"\n'
        f'[[route]]\ncalled_ae_title = "{button}"\napp = "{runner}"\ndestinations = ["archive"]\n'
        for runner, button in BUTTONS.items()
    )
    return orthanc.destination() + "".join(apps)


def one_job(gateway: Gateway, orthanc: Orthanc, phantom: Rendered, folder: Path, runner: str) -> Times:
    """Send one new phantom by Orthanc and take the job's times from the journal."""
    paths = write_series(phantom, folder, patient_id=folder.name)
    for path in paths:
        orthanc.upload(path)
    before = len(gateway.statuses())
    orthanc.send_series(str(dcmread(paths[0], stop_before_pixels=True).SeriesInstanceUID), BUTTONS[runner])
    statuses = gateway.wait_ended(before + 1, seconds=300)
    if statuses[-1] != "delivered":
        raise RuntimeError(f"{folder.name}: {gateway.events(before + 1)[-1]}")
    time.sleep(0.2)
    with Journal(gateway.storage) as journal:
        return times_of(journal, before + 1, gateway.cli("jobs", "show", str(before + 1), "--json"))


def times_of(journal: Journal, number: int, shown: Mapping[str, Any]) -> Times:
    """Seconds of each part of one job."""
    job = journal.job(number)
    assert job is not None
    last = max(instance.path.stat().st_mtime for instance in job.input_set.instances)  # when it was durable
    at = {event.text.split(":")[0].split(" in ")[0]: event.at for event in journal.events(number)}
    predict = float(shown["times"]["predict_s"])
    execute = at["executed"] - at["execute"]
    total = at["delivered"] - last
    return {
        "assemble and route": at["execute"] - last,
        "execute, less predict": execute - predict,
        "predict": predict,
        "validate": at["validated"] - at["executed"],
        "deliver and prove": at["delivered"] - at["validated"],
        "overhead": total - predict,
    }


def table(measured: Mapping[str, list[Times]], what: str) -> Table:
    """Median and 95th percentile of each part, warm and cold side by side, and their ratio."""
    grid = Table(title=f"The line, {what}: seconds")
    for column in (
        "part",
        *(f"{runner}, median (p95) of {len(measured[runner])}" for runner in RUNNERS),
        "cold/warm",
    ):
        grid.add_column(column, justify="left" if column == "part" else "right")
    for part in measured["warm"][0]:
        warm, cold = ([times[part] for times in measured[runner]] for runner in RUNNERS)
        ratio = f"{median(cold) / median(warm):.1f}" if median(warm) > 0.001 else ""
        grid.add_row(part, *(f"{median(each):.3f} ({p95(each):.3f})" for each in (warm, cold)), ratio)
    return grid


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
