# SPDX-License-Identifier: Apache-2.0
"""An app on docs/map-contract.md alone: no import of ours, nothing but the standard library.

What it does with a job stands in its input: the first file holds `{"do": NAME, ...}`, not DICOM.
"""

import hashlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from deeds import DEEDS, Refusal

MANIFEST = {
    "name": "contract-only",
    "version": "1",
    "creator": "Tests",
    "digest": "0" * 64,
    "series": {"Modality": "CT"},
    "needs": {"cpu": 1, "memory_mb": 512, "gpu_memory_mb": 0, "timeout_s": 60},
    "models": [],
    "profiles": {"fine": {}, "fast": {}},
}


def run(job: dict) -> int:
    """One job; the exit status."""
    source, output = Path(job["input"]), Path(job["output"])
    files = sorted(source.iterdir())
    wanted = json.loads(files[0].read_text())
    print("doing", wanted["do"], flush=True)
    try:
        extra = DEEDS[wanted["do"]](wanted, output) or {}
    except Refusal as refusal:
        return leave_error(output, refusal.args[0], 2)
    except (ValueError, MemoryError) as error:
        if wanted.get("silent"):
            traceback.print_exc()
            return 1
        return leave_error(output, error, 1)
    leave_results(output, wanted, files, extra)
    return 0


def profile() -> str:
    """The job's profile, the first one without."""
    return json.loads(os.environ.get("GANTRY_JOB", "{}")).get("profile") or next(iter(MANIFEST["profiles"]))


def leave_error(output: Path, error: Exception, status: int) -> int:
    """error.json."""
    said = {"error": type(error).__name__, "message": str(error), "hint": "Try another series."}
    (output / "error.json").write_text(json.dumps(said))
    return status


def leave_results(output: Path, wanted: dict, files: list[Path], extra: dict) -> None:
    """One result and results.json, by rename."""
    (output / "picture-0.dcm").write_bytes(b"result")
    hashes = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    results = {
        "contract": 1,
        "app": {key: MANIFEST[key] for key in ("name", "version", "creator", "digest")}
        | {"profile": wanted.get("says_profile") or profile()},
        "input": {
            "hash": hashlib.sha256("\n".join(hashes).encode()).hexdigest(),
            "series_instance_uid": "1.2.4",
            "instances": len(files),
        },
        "results": [
            {
                "kind": "secondary-capture",
                "ordinal": 0,
                "file": "picture-0.dcm",
                "sop_class_uid": "1.2.840.10008.5.1.4.1.1.7",
                "sop_instance_uid": "1.2.6",
                "study_instance_uid": wanted.get("study", "1.2.3"),
                "series_instance_uid": "1.2.5",
                "series_number": 300,
                "sha256": hashlib.sha256(b"result").hexdigest(),
            }
        ],
        "measurements": [{"name": "pid", "value": os.getpid(), "unit": "1", "site": "host"}],
        "findings": [],
        "models": {},
        "times": {"predict_s": 0.0},
        "device": "cpu",
    } | extra
    if wanted["do"] != "no_manifest":
        (output / ".results").write_text(wanted.get("text") or json.dumps(results))
        (output / ".results").rename(output / "results.json")


def from_environment() -> dict:
    """The job of a cold run."""
    return {"input": os.environ["HOLOSCAN_INPUT_PATH"], "output": os.environ["HOLOSCAN_OUTPUT_PATH"]}


def serve() -> None:
    """A warm worker."""
    DEEDS["start"]({}, Path())
    answers, own_log = os.dup(1), os.dup(2)
    os.environ["PROTOCOL"] = str(answers)
    os.dup2(own_log, 1)
    os.write(answers, b'{"ready": true}\n')
    for line in sys.stdin:
        job = json.loads(line)
        log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        os.environ["GANTRY_JOB"] = json.dumps(job["job"])
        status = run(job)
        os.dup2(own_log, 1)
        os.dup2(own_log, 2)
        os.write(answers, json.dumps({"exit": status}).encode() + b"\n")
        if status:
            sys.exit(status)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(float(os.environ.get("LOADS_S", 0)))
    match sys.argv[1:]:
        case ["manifest"]:
            print(json.dumps(MANIFEST))
        case ["worker"]:
            serve()
        case _:
            sys.exit(run(from_environment()))
