# SPDX-License-Identifier: Apache-2.0
"""TotalSegmentator, DICOM in to SEG out: ours warm, the package's command; as a program, one of them.

Both have the same checkpoint: the small one of scripts/make-test-models, or the one in the models folder that
GANTRY_BENCH_TOTALSEGMENTATOR names.  Speed does not depend on what a network has learnt, only on its size.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from contenders import Case, Contender, child, report

from imaging_data.phantom import torso, torso_grid, write_series

ROOT = Path(__file__).parents[2]
APP = ROOT / "apps" / "totalsegmentator"
MODELS = Path(os.environ.get("GANTRY_BENCH_TOTALSEGMENTATOR") or ROOT / "build/test-models/totalsegmentator")
COMMAND = Path(__file__).with_name("stock_totalsegmentator.py")
SLICES, ROWS = (150, 300), 512
QUICK_SLICES, QUICK_ROWS = (40,), 64
SETTINGS = {"totalseg_id": "bench", "send_usage_stats": False, "prediction_counter": 0}


def cases(folder: Path, quick: bool) -> Iterator[Case]:
    """The fast task `total` on 150 and on 300 slices of a torso phantom."""
    if not os.environ.get("GANTRY_BENCH_TOTALSEGMENTATOR"):
        subprocess.run(
            [ROOT / "scripts" / "make-test-models", "totalsegmentator"], check=True, stdout=sys.stderr
        )
    rows = QUICK_ROWS if quick else ROWS
    for slices in QUICK_SLICES if quick else SLICES:
        source = folder / str(slices)
        write_series(torso(5).render(torso_grid(slices, rows), seed=5, factor=1), source)
        contenders = [
            Contender("Gantry, warm", child(__file__, "warm", source)),
            Contender("TotalSegmentator's command", child(__file__, "stock", source)),
            Contender("Gantry, cold", child(__file__, "cold", source)),
        ]
        yield Case(f"TotalSegmentator total --fast, {slices} slices of {rows} x {rows}", contenders)


def warm(source: Path, folder: Path) -> None:
    """The second job of a warm worker; all results are written, not the SEG alone."""
    environment = os.environ | {"HOLOSCAN_MODEL_PATH": str(MODELS)}
    command = [sys.executable, APP / "app.py", "worker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as worker:
        assert worker.stdin
        assert worker.stdout
        worker.stdout.readline()
        for number in range(2):
            output = folder / str(number)
            output.mkdir()
            order = {"input": str(source), "output": str(output), "models": str(MODELS), "job": {}}
            begin, spent = time.perf_counter(), _cpu_s(worker.pid)
            worker.stdin.write(json.dumps(order | {"log": str(folder / "log")}) + "\n")
            worker.stdin.flush()
            answer = json.loads(worker.stdout.readline())
            seconds, spent = time.perf_counter() - begin, _cpu_s(worker.pid) - spent
            if answer != {"exit": 0}:
                raise RuntimeError((folder / "log").read_text())
        worker.stdin.close()
    times = json.loads((output / "results.json").read_text())["times"]
    report(
        seconds, cpu_s=spent, **{name: round(value, 2) for name, value in times.items() if name != "setup_s"}
    )


def _cpu_s(pid: int) -> float:
    """What a process that still runs has used of all cores."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def cold(source: Path, folder: Path) -> None:
    """A process of its own for the one series."""
    folders = {"INPUT": source, "OUTPUT": folder, "MODEL": MODELS}
    variables = {f"HOLOSCAN_{name}_PATH": str(path) for name, path in folders.items()}
    _timed([sys.executable, APP / "app.py"], variables)


def stock(source: Path, folder: Path) -> None:
    """`TotalSegmentator -ot dicom_seg`, a process of its own; torchvision's operators are declared for it."""
    (folder / "config.json").write_text(json.dumps(SETTINGS))
    places = {"TOTALSEG_HOME_DIR": str(folder), "TOTALSEG_WEIGHTS_PATH": str(MODELS)}
    options = ["--fast", "--ml", "-d", "cpu", "-ot", "dicom_seg", "-q"]
    command = [sys.executable, COMMAND, "-i", source, "-o", folder / "seg.dcm", *options]
    _timed(command, places)


def _timed(command: list[str | Path], variables: dict[str, str]) -> None:
    """Run a process, and report its time with that of the processes it started."""
    begin = time.perf_counter()
    subprocess.run(command, env=os.environ | variables, check=True, stdout=sys.stderr)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    report(time.perf_counter() - begin, cpu_s=usage.ru_utime + usage.ru_stime)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        {"warm": warm, "cold": cold, "stock": stock}[sys.argv[1]](Path(sys.argv[2]), Path(place))
