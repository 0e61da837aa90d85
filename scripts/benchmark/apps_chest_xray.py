# SPDX-License-Identifier: Apache-2.0
"""A chest radiograph to its results: the app, warm, beside torchxrayvision in torch; as a program, one of them.

From the file to both reports, picture and PDF on disk.  Seconds are the median of the jobs, processor time is
the mean: the system counts it in hundredths of a second.  The network is torchxrayvision's DenseNet121 in full
size with random weights, converted as the real one is.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from contenders import Case, Contender, child, report

from imaging_data.model_lock import FILE, describe_file, lock_text
from imaging_data.phantom.radiograph import chest_radiograph
from imaging_data.phantom.radiograph_file import write_radiograph

APP = Path(__file__).parents[2] / "apps" / "chest_xray"
PIXELS, QUICK_PIXELS = 2500, 400  # along a side
JOBS, QUICK_JOBS, WARM_UP = 20, 2, 3
PARTS = ("read_s", "predict_s", "write_s")


def cases(folder: Path, quick: bool) -> Iterator[Case]:
    """One radiograph as a detector makes it; ours writes four DICOM objects, theirs only computes scores."""
    side, jobs = (QUICK_PIXELS, str(QUICK_JOBS)) if quick else (PIXELS, str(JOBS))
    write_radiograph(chest_radiograph(1, ["Effusion"], side), folder / "input" / "image.dcm")
    environment = {"PYTHONPATH": str(APP), "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
    subprocess.run(child(__file__, "convert", folder), env=os.environ | environment, check=True)
    names = {"ours": "Gantry: SR, table, picture, PDF", "theirs": "torchxrayvision: scores only"}
    yield Case(
        f"Chest radiograph of {side} x {side}, warm, from file to results, {jobs} jobs",
        [Contender(name, child(__file__, key, folder, jobs), environment) for key, name in names.items()],
    )


def convert(folder: Path) -> None:
    """A checkpoint as torchxrayvision publishes it, and what the app makes of it, into `folder`."""
    import torch
    from convert import FILE as MODEL
    from convert import NAME, densenet, torchxrayvision

    models = torchxrayvision().models
    (folder / "models").mkdir()
    checkpoint = folder / Path(models.model_urls[NAME]["weights_url"]).name
    torch.manual_seed(0)
    model = models.DenseNet(num_classes=18).train()
    model(torch.rand(2, 1, 224, 224) * 2048 - 1024)  # so that its statistics are those of some input
    torch.save(model.eval(), checkpoint)
    densenet(checkpoint, folder / "models")
    (folder / "models" / FILE).write_text(
        lock_text([describe_file(folder / "models", MODEL)], "Random weights")
    )


def ours(folder: Path, jobs: int) -> None:
    """Orders to a warm worker as the gateway gives them; from the order to the answer."""
    environment = os.environ | {"HOLOSCAN_MODEL_PATH": str(folder / "models")}
    command = [sys.executable, APP / "app.py", "worker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert json.loads(worker.stdout.readline()) == {"ready": True}
        seconds, parts, spent = [], [], 0.0
        for number in range(WARM_UP + jobs):
            output = folder / f"output-{os.getpid()}-{number}"
            output.mkdir()
            if number == WARM_UP:
                spent = _cpu_s(worker.pid)
            begin = time.perf_counter()
            print(json.dumps(_order(folder, output)), file=worker.stdin, flush=True)
            answer = json.loads(worker.stdout.readline())
            seconds.append(time.perf_counter() - begin)
            assert answer == {"exit": 0}, (folder / "log").read_text()
            parts.append(json.loads((output / "results.json").read_text())["times"])
        spent = _cpu_s(worker.pid) - spent
        worker.stdin.close()
    facts = {part.replace("_s", " ms"): _ms([times[part] for times in parts[WARM_UP:]]) for part in PARTS}
    report(median(seconds[WARM_UP:]), cpu_s=spent / jobs, **facts)


def _cpu_s(pid: int) -> float:
    """What the process has used of all cores: on a busy machine this says more than the clock."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _order(folder: Path, output: Path) -> dict[str, Any]:
    places = {"input": folder / "input", "output": output, "models": folder / "models", "log": folder / "log"}
    return {name: str(path) for name, path in places.items()} | {"job": {}}


def _ms(seconds: list[float]) -> float:
    return round(1000 * median(seconds), 1)


def theirs(folder: Path, jobs: int) -> None:
    """The package's own reader, crop and model, in a process that has imported and loaded them."""
    import torch
    from convert import NAME, torchxrayvision

    xrv = torchxrayvision()
    model = xrv.models.DenseNet(weights=NAME, cache_dir=str(folder)).eval()
    crop = xrv.datasets.XRayCenterCrop()
    seconds, spent = [], 0.0
    for number in range(WARM_UP + jobs):
        if number == WARM_UP:
            spent = time.process_time()
        begin = time.perf_counter()
        image = crop(xrv.utils.read_xray_dcm(folder / "input" / "image.dcm")[None])
        with torch.inference_mode():
            model(torch.from_numpy(image)[None]).numpy()
        seconds.append(time.perf_counter() - begin)
    report(median(seconds[WARM_UP:]), cpu_s=(time.process_time() - spent) / jobs)


def main(key: str, folder: Path, jobs: str = "0") -> None:
    """One of the contenders, or the conversion before them."""
    if key == "convert":
        convert(folder)
    else:
        {"ours": ours, "theirs": theirs}[key](folder, int(jobs))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
