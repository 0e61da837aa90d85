# SPDX-License-Identifier: Apache-2.0
"""The kinds of app that can be made: which template, and the words that fill it."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .labels import checked, findings, segments
from .probing import Model, probe
from .wrong import UnusableBundle

LONGEST_LINE = 110
IMPORTS = {
    "Segmentation": ["Segment", "Segmentation", "SeriesRule", "TextReport", "Volume"],
    "Classification": ["Classification", "Score", "SeriesRule", "Volume"],
}
ENGINES = {
    "torchscript": ("", 'self.network = torch.jit.load(models / "$model", map_location="cpu").eval()'),
    "onnx": ("import onnxruntime\n", 'self.network = onnxruntime.InferenceSession(models / "$model")'),
}
# onnxruntime is called by the name of the model's input
ONNX_CALL = """

    def _infer(self, image: torch.Tensor) -> torch.Tensor:
        name = self.network.get_inputs()[0].name
        return torch.from_numpy(self.network.run(None, {name: image.numpy()})[0])"""


@dataclass(frozen=True)
class Kind:
    """template: of app.py, "" for a bundle, which needs none.  words: what fills it.

    model, bundle: what is copied.  needs: packages beside those of all apps.
    """

    template: str
    words: Mapping[str, str]
    model: Path | None = None
    bundle: Path | None = None
    needs: tuple[str, ...] = ()


def kind_of(options: argparse.Namespace) -> Kind:
    """What was asked for.  Raises NoApp."""
    if options.model is not None:
        return _model(options.name, probe(options.model, options.patch), options.label)
    if options.bundle is not None:
        return _bundle(options.bundle)
    lines = segments(checked(options.label, 1) if options.label else ["Bone"], options.name)
    words = {
        "about": "What is above 200 HU: a place to begin.",
        "segments": lines,
        "imports": _imports("Segmentation", lines),
        "kinds": '"segmentation", "text-report"',
        "out": "a SEG, or a text report that says that nothing was found",
        "how": "By threshold. Replace `predict` in `app.py` by your own method.",
    }
    return Kind("threshold.py", words)


def _model(name: str, model: Model, labels: list[str]) -> Kind:
    file = f"model.{'onnx' if model.engine == 'onnx' else 'ts'}"
    classes = model.outputs if model.scores or model.outputs == 1 else model.outputs - 1
    named = checked(labels, classes)
    result = "Classification" if model.scores else "Segmentation"
    lines = findings(named) if model.scores else segments(named, name)
    library, load = ENGINES[model.engine]
    words = {
        "about": f"{', '.join(named).capitalize()}, by {model.path.name}.",
        "segments": lines,
        "imports": _imports(result, lines),
        "libraries": f"{library}import torch",
        "model": file,
        "load": load.replace("$model", file),
        "patch": str(model.patch),
        "axes": "[None, None]" if len(model.patch) == 3 else "[:, None]",
        "network": "self._infer" if model.engine == "onnx" else "self.network",
        "cut": "0.5" if model.spread else "0.0",
        "extra": ONNX_CALL if model.engine == "onnx" else "",
        **(_told_of_scores(model) if model.scores else _told_of_voxels(model)),
    }
    needs = ("onnxruntime",) if model.engine == "onnx" else ()
    return Kind("classifier.py" if model.scores else "model.py", words, model.path, needs=needs)


def _bundle(folder: Path) -> Kind:
    if not (folder / "configs" / "metadata.json").is_file():
        raise UnusableBundle(f"{folder} has no configs/metadata.json.")
    words = {
        "about": "A MONAI bundle, run as it is.",
        "kinds": '"segmentation", "measurements", "text-report", "secondary-capture", "classification"',
        "out": "what the bundle's `configs/metadata.json` says",
        "how": "`configs/inference.json` says how the series is prepared and what becomes of the network's output.",
    }
    return Kind("", words, bundle=folder)


def _imports(result: str, lines: str) -> str:
    """The import of what the app uses, as ruff would write it."""
    codes = [name for name in ("codes", "private_code") if f"{name}." in lines or f"{name}(" in lines]
    names = sorted(["AppInfo", "InferenceApp", *IMPORTS[result], *codes])
    line = f"from imaging_operators import {', '.join(names)}"
    if len(line) <= LONGEST_LINE:
        return line
    return "from imaging_operators import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _told_of_voxels(model: Model) -> dict[str, str]:
    seen = " x ".join(map(str, model.patch))
    first = (
        "The highest of its channels is a voxel's class; channel 0 is the background."
        if model.outputs > 1
        else "A voxel belongs to the class when its one channel is above the cut in `app.py`."
    )
    return {
        "kinds": '"segmentation", "text-report"',
        "out": "a SEG, or a text report that says that nothing was found",
        "how": (
            f"`{model.path.name}` sees {seen} voxels at once, moved over the series with a quarter of overlap. "
            "Values from `LOW` to\n`HIGH` become 0 to 1. Axes are slices, rows, columns as scanned: nothing is "
            f"turned or resampled to another\nspacing. {first}\nAll of this stands at the top of `app.py`: make "
            "it what the model was trained with."
        ),
    }


def _told_of_scores(model: Model) -> dict[str, str]:
    seen = " x ".join(map(str, model.patch))
    return {
        "kinds": '"classification"',
        "out": "a structured report of scores",
        "how": (
            f"The series, as scanned, is brought to {seen} voxels for `{model.path.name}`; values from `LOW` to "
            "`HIGH` become 0 to 1.\nIts outputs are reported as scores, without an operating point. All of this "
            "stands in `app.py`: make it what the\nmodel was trained with."
        ),
    }
