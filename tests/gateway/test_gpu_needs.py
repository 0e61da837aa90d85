# SPDX-License-Identifier: Apache-2.0
"""What an app's manifest says of the GPU, and how an end for want of its memory is told from others."""

import json

import pytest

from informatics_gateway.apps import AppFolder
from informatics_gateway.errors import AppFailed, AppOutOfGpuMemory, AppOutOfMemory
from informatics_gateway.model import AttemptFolder
from informatics_gateway.runners import Ended
from informatics_gateway.runners.outcome import check

MANIFEST = {
    "name": "tool",
    "version": "1",
    "creator": "Tests",
    "digest": "0",
    "series": {},
    "models": [],
    "profiles": {"fine": {}, "fast": {}},
}
NEEDS = {"cpu": 1, "memory_mb": 512, "gpu_memory_mb": 0, "timeout_s": 60}


def manifest(folder, needs=None, **more):
    text = json.dumps(MANIFEST | {"needs": NEEDS | (needs or {})} | more)
    (folder / "app.py").write_text(f"print({text!r})")
    return AppFolder(folder).manifest()


@pytest.mark.parametrize(
    ("needs", "use"),
    [
        ({}, "none"),
        ({"gpu_memory_mb": 4000}, "required"),
        ({"gpu_memory_mb": 4000, "gpu": ""}, "required"),
        ({"gpu_memory_mb": 4000, "gpu": "preferred"}, "preferred"),
        ({"gpu": "required"}, "required"),
        ({"gpu_memory_mb": 4000, "gpu": "none"}, "none"),
    ],
)
def test_whether_a_job_gets_a_gpu(tmp_path, needs, use):
    assert manifest(tmp_path, needs).needs.gpu_use == use


def test_the_cheaper_profile_also_of_the_default_one(tmp_path):
    said = manifest(tmp_path, cheaper={"fine": "fast"})
    assert [said.cheaper_than(name) for name in ("", "fine", "fast")] == ["fast", "fast", ""]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"cheaper": {"fine": "faster"}}, "must be profiles"),
        ({"cheaper": {"fine": "fast", "fast": "fine"}}, "is itself replaced"),
        ({"needs": NEEDS | {"gpu": "maybe"}}, "needs.gpu"),
    ],
)
def test_what_a_manifest_must_not_say(tmp_path, more, why):
    with pytest.raises(AppFailed, match=why):
        manifest(tmp_path, **more)


TORCH = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity"
ON_THE_GPU = [
    TORCH,
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
    "RuntimeError: CUDA error: out of memory",
    "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB",
    "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException: CUDA failure 2: out of memory ; GPU=0",
    "cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 4,000,000,000 bytes",
]
IN_THE_MACHINE = ["MemoryError", "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8.00 GiB"]


@pytest.mark.parametrize("line", [*ON_THE_GPU, *IN_THE_MACHINE, "ValueError: out of memory, says my app"])
def test_the_last_line_of_the_log(tmp_path, line):
    folder = AttemptFolder(tmp_path)
    folder.output.mkdir()
    folder.log.write_text(f"Traceback (most recent call last):\n  File ...\n{line}\n")
    with pytest.raises(AppFailed) as caught:
        check(Ended(1), folder)
    expected = (
        AppOutOfGpuMemory if line in ON_THE_GPU else AppOutOfMemory if line in IN_THE_MACHINE else AppFailed
    )
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("error", "message", "expected"),
    [
        ("OutOfMemory", f"The app ran out of memory. {TORCH.partition(': ')[2]}", AppOutOfGpuMemory),
        ("OutOfMemory", "The app ran out of memory. Unable to allocate 8.00 GiB", AppOutOfMemory),
    ],
)
def test_the_error_file_of_an_app_of_ours(tmp_path, error, message, expected):
    folder = AttemptFolder(tmp_path)
    folder.output.mkdir()
    (folder.output / "error.json").write_text(json.dumps({"error": error, "message": message, "hint": ""}))
    with pytest.raises(AppOutOfMemory) as caught:
        check(Ended(1), folder)
    assert type(caught.value) is expected
    assert "The app ran out of memory. The app" not in str(caught.value)
