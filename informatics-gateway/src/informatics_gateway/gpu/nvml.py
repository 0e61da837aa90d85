# SPDX-License-Identifier: Apache-2.0
"""What NVML, the driver's own library, says of the GPUs: devices, MIG slices, memory, temperature, processes."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pynvml

MB = 1 << 20


@dataclass(frozen=True)
class Device:
    """A device that can be given to a job, or a MIG slice.  MB of 2**20 bytes, degrees Celsius.

    `processes`: MB by process number; None where the driver does not say how much.
    """

    uuid: str
    name: str
    total_mb: int
    used_mb: int
    temperature_c: int | None = None
    processes: dict[int, int | None] = field(default_factory=dict)
    is_slice: bool = False


@dataclass(frozen=True)
class Reading:
    """The devices, and in sentences what could not be read."""

    devices: tuple[Device, ...] = ()
    troubles: tuple[str, ...] = ()
    driver: str = ""


class Nvml:
    """Asks NVML, which is opened when it is first needed, and anew after an error: a driver may come back."""

    def __init__(self) -> None:
        self._is_open = False

    def read(self) -> Reading:
        """What there is now.  Never raises: a machine without a GPU or driver has no devices."""
        try:
            if not self._is_open:
                pynvml.nvmlInit()
                self._is_open = True
            return self._read()
        except pynvml.NVMLError as error:
            self.close()
            return Reading(troubles=(f"NVML: {error}.",))

    def close(self) -> None:
        """Let the library go."""
        if self._is_open:
            self._is_open = False
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _read(self) -> Reading:
        devices: list[Device] = []
        troubles: list[str] = []
        driver = str(_known(pynvml.nvmlSystemGetDriverVersion) or "")
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                devices += _devices(pynvml.nvmlDeviceGetHandleByIndex(index))
            except pynvml.NVMLError as error:
                troubles.append(f"GPU {index}: {error}.")
        if troubles:
            self.close()
        return Reading(tuple(devices), tuple(troubles), driver)


def _devices(handle: Any) -> list[Device]:
    """The device; its slices where MIG is on, because the device as a whole runs nothing then."""
    name, temperature = pynvml.nvmlDeviceGetName(handle), _temperature(handle)
    mode = _known(pynvml.nvmlDeviceGetMigMode, handle)
    if not mode or not mode[0]:
        return [_device(handle, name, temperature)]
    slices = list(_slices(handle))
    return [_device(each, _slice_name(each, name), temperature, is_slice=True) for each in slices]


def _slices(handle: Any) -> Iterator[Any]:
    for index in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        with suppress(pynvml.NVMLError_NotFound):  # this place has no slice
            yield pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)


def _slice_name(handle: Any, device: str) -> str:
    name = str(_known(pynvml.nvmlDeviceGetName, handle) or device)
    return name if "MIG" in name else f"{name} MIG slice"


def _device(handle: Any, name: str, temperature_c: int | None, is_slice: bool = False) -> Device:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return Device(
        uuid=pynvml.nvmlDeviceGetUUID(handle),
        name=name,
        total_mb=memory.total // MB,
        used_mb=-(-memory.used // MB),
        temperature_c=temperature_c,
        processes=_processes(handle),
        is_slice=is_slice,
    )


def _processes(handle: Any) -> dict[int, int | None]:
    found = _known(pynvml.nvmlDeviceGetComputeRunningProcesses, handle) or []
    return {each.pid: None if each.usedGpuMemory is None else -(-each.usedGpuMemory // MB) for each in found}


def _temperature(handle: Any) -> int | None:
    found = _known(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU)
    return None if found is None else int(found)


def _known(ask: Any, *arguments: Any) -> Any:
    """What NVML answers, None where this device cannot say."""
    try:
        return ask(*arguments)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_NoPermission, pynvml.NVMLError_FunctionNotFound):
        return None
