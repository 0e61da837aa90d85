# SPDX-License-Identifier: Apache-2.0
"""scripts/gpu-check: what NVML says here, as the gateway reads it, on one page of text."""

import platform
import sys
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version

import psutil

from informatics_gateway.config import Gpu
from informatics_gateway.gpu.nvml import Device, Nvml, Reading

NONE = (
    "There is no GPU here that NVML shows: apps that prefer one run on the CPU, those that require one wait."
)


def page(reading: Reading) -> Iterator[str]:
    """The page's lines."""
    yield f"GPUs of {platform.machine()} {platform.system()} {platform.release()}, {datetime.now():%Y-%m-%d %H:%M}"
    yield f"nvidia-ml-py {version('nvidia-ml-py')}, driver {reading.driver or 'unknown'}"
    yield ""
    for device in reading.devices:
        yield from _about(device)
    yield from reading.troubles
    if not reading.devices:
        yield NONE


def _about(device: Device) -> Iterator[str]:
    kind = "MIG slice" if device.is_slice else "card"
    celsius = device.temperature_c
    heat = "temperature unknown" if celsius is None else f"{celsius} degrees Celsius"
    if celsius is not None and celsius >= Gpu().hottest_c:
        heat += f", too hot for a new job (from {Gpu().hottest_c})"
    free = device.total_mb - device.used_mb
    yield f"{device.uuid}  {kind}  {device.name}"
    yield f"    {free} of {device.total_mb} MB free, {device.used_mb} MB used; {heat}"
    for number, mb in device.processes.items():
        yield f"    process {number} ({_name(number)}): {'unknown' if mb is None else mb} MB"
    if not device.processes:
        yield "    no process that the driver names"
    yield ""


def _name(number: int) -> str:
    try:
        return str(psutil.Process(number).name())
    except psutil.Error:
        return "not one of this machine's that can be seen"


if __name__ == "__main__":
    read = Nvml().read()
    print("\n".join(page(read)))
    sys.exit(0 if read.devices else 1)
