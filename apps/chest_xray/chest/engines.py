# SPDX-License-Identifier: Apache-2.0
"""An ONNX file on OpenVINO, or on ONNX Runtime where there is no OpenVINO.  Neither needs torch."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Engine:
    """name: with its version.  run: the input image to the outputs by name.  about: the file's metadata texts."""

    name: str
    run: Callable[[Floats], Mapping[str, Floats]]
    about: Callable[[str], str]


def load(path: Path, cores: int) -> Engine:
    """The model on the first engine that is installed, on so many cores, in float32 on every processor."""
    try:
        openvino = _openvino()
    except ImportError:
        return on_onnx_runtime(path, cores)
    return on_openvino(openvino, path, cores)


def _openvino() -> Any:
    """OpenVINO without its telemetry, which calls a web service at the very import.  Raises ImportError."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # cannot be imported then
    import openvino

    return openvino


def on_openvino(openvino: Any, path: Path, cores: int) -> Engine:
    """The model on OpenVINO.  Precision is stated: some processors would take bfloat16, and score otherwise."""
    core = openvino.Core()
    model = core.read_model(path)
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": cores,
        "ENABLE_CPU_PINNING": False,  # every worker on the machine would choose the same cores
    }
    compiled = core.compile_model(model, "CPU", options)
    names = [output.get_any_name() for output in compiled.outputs]

    def run(image: Floats) -> Mapping[str, Floats]:
        found = compiled(image)
        return {name: found[name] for name in names}

    name = f"OpenVINO {openvino.__version__.partition('-')[0]}"
    return Engine(name, run, lambda key: str(model.get_rt_info(["framework", key]).value))


def on_onnx_runtime(path: Path, cores: int) -> Engine:
    """The model on ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    [given] = session.get_inputs()
    about = session.get_modelmeta().custom_metadata_map

    def run(image: Floats) -> Mapping[str, Floats]:
        return dict(zip(names, session.run(names, {given.name: image}), strict=True))

    name = f"ONNX Runtime {onnxruntime.__version__}"
    return Engine(name, run, lambda key: str(about[key]))
