# SPDX-License-Identifier: Apache-2.0
"""The environment of an app: only what it needs, so that no secret of the gateway reaches it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..model import AttemptFolder
from . import Layout

# Passed on where the gateway has them: where programs and the GPU are.  A name that is not here does not
# pass.
PASSED_ON = (
    "PATH",
    "LD_LIBRARY_PATH",
    "CUDA_HOME",
    "CUDA_DEVICE_ORDER",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "TZ",
)


def app_environment(home: Path, cpu: int, extra: Mapping[str, str], gpu: str = "") -> dict[str, str]:
    """What every app process gets.  `home` (made here) is its HOME and, in `home/tmp`, its TMPDIR.

    `cpu`: the threads the app asks for, 0 leaves the choice to the libraries.  Threads wait without spinning,
    because the machine receives studies meanwhile.  `gpu`: the UUID of the one that it sees, "" for none; which
    ones the gateway itself sees does not matter.  `extra`, from the configuration, wins.
    """
    temporary = home / "tmp"
    temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "OMP_WAIT_POLICY": "PASSIVE",
        "CUDA_VISIBLE_DEVICES": gpu,
        "PYTHONUNBUFFERED": "1",  # what an app printed before it crashed is in its log
    }
    if cpu > 0:
        environment["OMP_NUM_THREADS"] = str(min(cpu, os.cpu_count() or cpu))
    return environment | dict(extra)


def map_environment(
    folder: AttemptFolder | Layout, models: Path, job: Mapping[str, Any] | None
) -> dict[str, str]:
    """The variables of the MAP interface, with the names of both MAP generations, and GANTRY_JOB."""
    paths = {"INPUT": folder.input, "OUTPUT": folder.output, "MODEL": models}
    variables = {f"HOLOSCAN_{name}_PATH": str(path) for name, path in paths.items()}
    variables |= {f"MONAI_{name}PATH": str(path) for name, path in paths.items()}
    if job is not None:
        variables["GANTRY_JOB"] = json.dumps(job)
    return variables
