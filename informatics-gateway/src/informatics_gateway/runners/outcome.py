# SPDX-License-Identifier: Apache-2.0
"""What the way an app ended means: nothing, or one of the errors of execute with a sentence for people."""

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import AppCrashed, AppFailed, AppOutOfGpuMemory, AppOutOfMemory, AppRefused
from ..model import AttemptFolder
from . import Ended
from .folders import read_regular

REFUSED = 2  # the exit status for a series that the app cannot work on
SENTENCE_LIMIT = 300
ERROR_FILE_LIMIT = 1 << 16
TAIL_BYTES = 1 << 14
# Python's, NumPy's, PyTorch's and our apps' own
OUT_OF_MEMORY = re.compile(r"(?:^|\.)(?:MemoryError|_ArrayMemoryError|OutOfMemoryError|OutOfMemory)(?::|$)")


# The words of PyTorch on CUDA and on ROCm, of the CUDA libraries, ONNX Runtime and CuPy
OUT_OF_GPU_MEMORY = re.compile(
    r"\btorch(?:\.cuda)?\.OutOfMemoryError|\bcupy[\w.]*\.OutOfMemoryError|\b(?:CUDA|HIP) out of memory"
    r"|\bCUDA error: out of memory|\bCUDA failure 2\b|\bcudaErrorMemoryAllocation|\bCUDA_ERROR_OUT_OF_MEMORY"
    r"|\bCU(?:BLAS|DNN)_STATUS_ALLOC_FAILED"
)
# The sentence of our apps' OutOfMemory; their AppError's is the gateway's own.
OUT_OF_MEMORY_SAID = "The app ran out of memory."


def check(ended: Ended, folder: AttemptFolder, hide: Callable[[str], str] = str) -> None:
    """Raise the error that an app's end stands for; an exit status of 0 stands for none.

    `hide` takes out of a sentence what must not be in a log.  Raises AppOutOfMemory, or AppOutOfGpuMemory where
    it was the GPU's, AppCrashed (a signal), AppRefused (exit status 2) or AppFailed, with the app's own words
    from error.json, else the last line that says something in app.log.
    """
    if ended.exit == 0:
        return
    if ended.starved:
        raise AppOutOfMemory("The kernel killed it, because memory ran short.")
    if ended.exit < 0:
        raise AppCrashed(f"It was killed by {_signal(-ended.exit)}.")
    _raise_in_its_words(ended, folder, hide)


def _raise_in_its_words(ended: Ended, folder: AttemptFolder, hide: Callable[[str], str]) -> None:
    said = read_error(folder.output)
    kind, hint = said.get("error", ""), hide(plain(said.get("hint", ""))) or None
    message = said.get("message", "") or last_line(folder.log)
    detail = message.removeprefix(AppFailed().sentence).removeprefix(OUT_OF_MEMORY_SAID).strip()
    sentence = hide(plain(detail)) or f"Its exit status is {ended.exit}; it said nothing."
    if ended.exit == REFUSED:
        raise AppRefused(sentence, hint)
    if OUT_OF_GPU_MEMORY.search(f"{kind}: {message}"):
        raise AppOutOfGpuMemory(sentence)
    if OUT_OF_MEMORY.search(kind) or OUT_OF_MEMORY.search(message.split()[0] if message else ""):
        raise AppOutOfMemory(sentence)
    raise AppFailed(sentence, hint)


def read_error(output: Path) -> dict[str, str]:
    """error.json's texts; empty when the app wrote none that can be read."""
    try:
        content: Any = json.loads(read_regular(output / "error.json", ERROR_FILE_LIMIT))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if isinstance(value, str)}


def last_line(log: Path) -> str:
    """The last line of the log that says something: not blank, not indented as in a traceback."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    said = [line for line in lines if line.strip() and not line[0].isspace()]
    return said[-1] if said else ""


def plain(text: str) -> str:
    """One line of printable characters, not longer than a sentence."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= SENTENCE_LIMIT else line[: SENTENCE_LIMIT - 1] + "…"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
