# SPDX-License-Identifier: Apache-2.0
"""A driver that a test scripts: it stands at pynvml's functions, so that the gateway's own NVML code runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pynvml

MB = 1 << 20
UNKNOWN = None


@dataclass
class FakeCard:
    """A card as the driver sees it.  `others_mb`: of programs without a number here; `processes`: MB by number.

    `slices`: MIG is on, and these are its slices.  `error`: what every question about it raises.
    """

    uuid: str
    total_mb: int = 24000
    name: str = "NVIDIA Fake"
    others_mb: int = 0
    temperature_c: int | None = 40
    processes: dict[int, int | None] = field(default_factory=dict)
    slices: "list[FakeCard] | None" = None
    error: int | None = None

    @property
    def used_mb(self) -> int:
        """What the driver counts as used."""
        return self.others_mb + sum(mb or 0 for mb in self.processes.values())


class FakeNvml:
    """The cards of a machine; a test changes `cards` and `error` (of the driver as a whole) as it likes."""

    def __init__(self, *cards: FakeCard, error: int | None = None) -> None:
        self.cards, self.error = list(cards), error
        self.opened = self.opens = 0

    @contextmanager
    def installed(self) -> Iterator["FakeNvml"]:
        """pynvml's functions are this driver's."""
        functions: dict[str, Callable[..., Any]] = {
            "nvmlInit": self._init,
            "nvmlShutdown": self._shut_down,
            "nvmlSystemGetDriverVersion": lambda: self._open("580.1"),
            "nvmlDeviceGetCount": lambda: self._open(len(self.cards)),
            "nvmlDeviceGetHandleByIndex": lambda index: self._card(self.cards[index]),
            "nvmlDeviceGetName": lambda card: self._card(card).name,
            "nvmlDeviceGetUUID": lambda card: self._card(card).uuid,
            "nvmlDeviceGetMemoryInfo": self._memory,
            "nvmlDeviceGetTemperature": self._temperature,
            "nvmlDeviceGetComputeRunningProcesses": self._processes,
            "nvmlDeviceGetMigMode": self._mig_mode,
            "nvmlDeviceGetMaxMigDeviceCount": lambda card: 7,
            "nvmlDeviceGetMigDeviceHandleByIndex": self._slice,
        }
        with patch.multiple(pynvml, **functions):
            yield self

    def _init(self) -> None:
        if self.error is not None:
            raise pynvml.NVMLError(self.error)
        self.opened += 1
        self.opens += 1

    def _shut_down(self) -> None:
        self._open(None)
        self.opened -= 1

    def _open(self, answer: Any) -> Any:
        if not self.opened:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)
        if self.error is not None:
            raise pynvml.NVMLError(self.error)
        return answer

    def _card(self, card: FakeCard) -> FakeCard:
        self._open(None)
        if card.error is not None:
            raise pynvml.NVMLError(card.error)
        return card

    def _memory(self, card: FakeCard) -> SimpleNamespace:
        total, used = self._card(card).total_mb * MB, card.used_mb * MB
        return SimpleNamespace(total=total, used=used, free=total - used)

    def _temperature(self, card: FakeCard, sensor: int) -> int:
        if self._card(card).temperature_c is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return card.temperature_c or 0

    def _processes(self, card: FakeCard) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(pid=number, usedGpuMemory=None if mb is None else mb * MB)
            for number, mb in self._card(card).processes.items()
        ]

    def _mig_mode(self, card: FakeCard) -> list[int]:
        if self._card(card).slices is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [1, 1]

    def _slice(self, card: FakeCard, index: int) -> FakeCard:
        slices = self._card(card).slices or []
        if index >= len(slices):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return slices[index]
