# SPDX-License-Identifier: Apache-2.0
"""The main job, once: a series is sent to an app's button, results come back and are shown."""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))  # the Orthanc and the gateway that the tests start

from archive import Archive, OrthancArchive, OrthancInDocker, open_archive  # noqa: E402
from gateway import Gateway  # noqa: E402
from processes import Kept, Started, stop_on_signals  # noqa: E402
from report import print_numbers, print_results, print_times, write_picture  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: E402
from study import Study, make_phantom, read_study  # noqa: E402
from tool import open_tool  # noqa: E402

from imaging_data import ExplainedError  # noqa: E402
from informatics_gateway.model import Event, Job, JobStatus  # noqa: E402

FOLDER = ROOT / "build" / "demo"
T = TypeVar("T")
REACHED = {JobStatus.QUEUED: 0.2, JobStatus.EXECUTED: 0.6, JobStatus.VALIDATED: 0.8}
INTERRUPTED = 130


def main() -> int:
    """Run it; returns the exit status: 0 results came back, 1 they did not, 130 interrupted."""
    options = _parser().parse_args()
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    kept = Kept(options.folder)
    if options.stop:
        console.print("Ended." if kept.end() else "Nothing was running.")
        return 0
    if kept.running:
        console.print(f"One is running already in {options.folder}: scripts/demo --stop ends it.")
        return 1
    stop_on_signals()
    try:
        with ExitStack() as cleanup:
            return Demonstration(options, console, cleanup).run()
    except KeyboardInterrupt:
        console.print("Interrupted; everything that was started has been ended.")
        return INTERRUPTED
    except (AssertionError, RuntimeError, ExplainedError) as error:
        console.print(f"{error}\n{getattr(error, 'hint', '')}".strip(), style="red", markup=False)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    add = parser.add_argument
    add(
        "--app",
        default="lung_densitometry",
        metavar="NAME",
        help="one of apps/ (lung_densitometry), or a path",
    )
    add("--models", type=Path, metavar="DIR", help="its models folder, if not its own")
    add("--study", type=Path, metavar="DIR", help="a folder of DICOM files instead of the phantom")
    add("--keep", action="store_true", help="leave everything running and print the addresses")
    add("--stop", action="store_true", help="end what --keep left running")
    add("--quick", action="store_true", help="a coarser phantom")
    choices = ("auto", "orthanc", "docker", "folder")
    add("--archive", choices=choices, default="auto", help="auto: Orthanc, else Docker, else a folder")
    add("--folder", type=Path, default=FOLDER, help="where everything is written (build/demo)")
    return parser


class Demonstration:
    """One run in one folder; what it starts is ended by `cleanup`."""

    def __init__(self, options: argparse.Namespace, console: Console, cleanup: ExitStack) -> None:
        self.options, self.console, self.cleanup = options, console, cleanup
        self.tool = open_tool(options.app, ROOT / "apps", options.models)
        self.folder = _fresh(options.folder.resolve())
        self.progress = cleanup.enter_context(_progress(console))

    def run(self) -> int:
        """Study, archive, gateway, send, follow, report."""
        study = self._study()
        archive = self._archive(study)
        gateway = self._gateway(archive)
        begin = time.time()
        self._send(study, archive, gateway)
        sent = time.time()
        jobs = self._follow(gateway, len(study.series), begin)
        self.progress.stop()
        for job in jobs:
            self._report(job, study, archive, gateway.details(job), (begin, sent))
        for refusal in gateway.refusals():
            self.console.print(f"Refused: {refusal}", style="red", markup=False)
        if self.options.keep:
            self._keep(archive, gateway)
        return 0 if jobs and all(job.status is JobStatus.DELIVERED for job in jobs) else 1

    def _study(self) -> Study:
        if self.options.study:
            return read_study(self.options.study, self.tool)
        quick, folder = self.options.quick, self.folder / "study"
        return self._with_bar("make a phantom", lambda told: make_phantom(self.tool, folder, quick, told))

    def _archive(self, study: Study) -> Archive:
        archive = open_archive(self.options.archive, self.folder, self.console.print)
        self.cleanup.callback(archive.close)
        self.console.print(f"Archive: {archive.about}", markup=False)
        self._with_bar("load the study", lambda told: archive.load(study.paths, told))
        return archive

    def _gateway(self, archive: Archive) -> Gateway:
        gateway = Gateway(self.folder, archive, self.tool)
        self.cleanup.callback(gateway.stop)
        self._with_bar("start the gateway", lambda told: gateway.start_and_wait())
        self.console.print(f"Gateway: {gateway.url}", markup=False)
        return gateway

    def _with_bar(self, name: str, work: Callable[[Callable[[float], None]], T]) -> T:
        bar = self.progress.add_task(name, total=1.0)
        done = work(lambda part: self.progress.update(bar, completed=part))
        self.progress.update(bar, completed=1.0)
        return done

    def _send(self, study: Study, archive: Archive, gateway: Gateway) -> None:
        for series in study.series:
            name = f"send {len(series.instances)} instances to {self.tool.button}"
            self._with_bar(name, partial(archive.send, series, self.tool.button, gateway.port))

    def _follow(self, gateway: Gateway, series: int, begin: float) -> list[Job]:
        def tell(job: Job, event: Event) -> None:
            self.console.print(f"  {event.at - begin:6.2f} s  job {job.id}: {event.text}", markup=False)

        bar = self.progress.add_task("the line", total=float(series))
        jobs: list[Job] = []
        for jobs in gateway.follow(series, tell):
            self.progress.update(bar, completed=sum(REACHED.get(job.status, 1.0) for job in jobs))
        return jobs

    def _report(
        self, job: Job, study: Study, archive: Archive, details: Mapping[str, Any], times: tuple[float, float]
    ) -> None:
        if job.status is not JobStatus.DELIVERED:
            what = f"Job {job.id} {job.status}: {job.error} {job.hint} Files are in {self.folder}."
            self.console.print(what, style="red", markup=False)
            return
        uids = [result["sop_instance_uid"] for result in details["results"]]
        fetched = {uid: archive.fetch(uid) for uid in uids}
        print_results(self.console, details, fetched)
        print_numbers(self.console, details, study.truth)
        print_times(self.console, details, *times)
        picture = write_picture(details, fetched, self.folder / f"result-{job.id}.png")
        self.console.print(f"Picture: {picture}" if picture else "The app made no picture.", markup=False)

    def _keep(self, archive: Archive, gateway: Gateway) -> None:
        self.cleanup.pop_all()
        servers = [archive.server] if isinstance(archive, OrthancArchive) else []
        started = [process for process in (gateway.process, *(each.process for each in servers)) if process]
        containers = [server.container for server in servers if isinstance(server, OrthancInDocker)]
        Kept(self.folder).write([Started.of(process) for process in started], containers)
        button = f"{self.tool.button} on 127.0.0.1:{gateway.port}"
        for name, address in {"status page": gateway.url, "button": button, **archive.addresses()}.items():
            self.console.print(f"{name}: {address}", markup=False)
        self.console.print("Everything goes on running; scripts/demo --stop ends it.")


def _fresh(folder: Path) -> Path:
    """The folder, without what an earlier run wrote; raises RuntimeError when it is somebody else's."""
    mark = folder / "made-by-scripts-demo"
    if folder.exists() and any(folder.iterdir()):
        if not mark.exists():
            raise RuntimeError(
                f"{folder} is not empty and not of an earlier demonstration: give another one."
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return folder


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console
    )


if __name__ == "__main__":
    sys.exit(main())
