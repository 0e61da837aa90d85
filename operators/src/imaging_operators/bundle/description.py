# SPDX-License-Identifier: Apache-2.0
"""What a bundle says of itself in configs/metadata.json: who it is, what goes in, what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from imaging_data.rule import SeriesRule

from ..info import AppInfo, Needs
from .document import Document

Task = Literal["segmentation", "classification"]
WEIGHTS = ("model.safetensors", "model.pt", "model.ts")
INPUT, OUTPUT = "network_data_format.inputs.image", "network_data_format.outputs.pred"


@dataclass(frozen=True)
class Description:
    """A bundle's metadata.json, checked.

    dimensions: 3 for a volume, 2 for one image.  channels: how many images go in; with more than one,
    `channel_keyword` is the DICOM attribute that tells them apart within the series.
    outputs: channels of the network's output; of a segmentation, the background is one of them.
    labels: the network's outputs by name (`channel_def`).  weights: the file in the models folder.
    notice: what readers of results must know, such as what the model was trained on.
    """

    info: AppInfo
    series: SeriesRule
    modality: str
    dimensions: int
    channels: int
    channel_keyword: str
    task: Task
    outputs: int
    labels: tuple[str, ...]
    title: str
    notice: str

    @property
    def weights(self) -> str:
        """The file of the weights in the models folder."""
        return self.info.models[0]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Of a bundle's folder.  Raises BadBundle, naming file and key."""
        document = Document.read(folder / "configs" / "metadata.json")
        modality = document.text(f"{INPUT}.modality", longest=16).upper()
        outputs = _count(document, f"{OUTPUT}.num_channels")
        return cls(
            info=_info(document, folder),
            series=_rule(document, modality),
            modality=modality,
            dimensions=_dimensions(document),
            channels=_count(document, f"{INPUT}.num_channels"),
            channel_keyword=_channel_keyword(document),
            task=_task(document),
            outputs=outputs,
            labels=_labels(document, outputs),
            title=document.text("task", document.text("name")),
            notice=document.text("gantry.notice", "", 1024),
        )


def _info(document: Document, folder: Path) -> AppInfo:
    return AppInfo(
        name=document.text("name"),
        version=document.text("version"),
        creator=document.text("authors"),
        needs=_needs(document),
        models=(_weights(document, folder),),
    )


def _needs(document: Document) -> Needs:
    known = Needs()
    return Needs(
        cpu=document.get("gantry.needs.cpu", int, known.cpu),
        memory_mb=document.get("gantry.needs.memory_mb", int, known.memory_mb),
        gpu_memory_mb=document.get("gantry.needs.gpu_memory_mb", int, known.gpu_memory_mb),
        timeout_s=document.get("gantry.needs.timeout_s", float, known.timeout_s),
        gpu=_gpu(document),
    )


def _gpu(document: Document) -> Any:
    gpu = document.get("gantry.needs.gpu", str, "preferred")
    if gpu not in ("required", "preferred", "none"):
        raise document.wrong("gantry.needs.gpu", gpu, "required, preferred or none")
    return gpu


def _weights(document: Document, folder: Path) -> str:
    """The file that metadata.json names, else the first there is, else the one that MONAI expects."""
    there = [name for name in WEIGHTS if (folder / "models" / name).is_file()]
    name = document.text("gantry.weights", [*there, "model.pt"][0])
    if name not in WEIGHTS:
        raise document.wrong("gantry.weights", name, f"one of {', '.join(WEIGHTS)}")
    return name


def _rule(document: Document, modality: str) -> SeriesRule:
    """The input's modality, and what `gantry.series` adds."""
    conditions: Mapping[str, Any] = document.get("gantry.series", dict, {})
    try:
        return SeriesRule.from_config({"Modality": modality} | dict(conditions))
    except ValueError as error:
        raise document.wrong("gantry.series", conditions, f"a series rule ({error})") from error


def _dimensions(document: Document) -> int:
    shape = document.get(f"{INPUT}.spatial_shape", list)
    if len(shape) not in (2, 3):
        raise document.wrong(f"{INPUT}.spatial_shape", shape, "two or three sizes")
    return len(shape)


def _count(document: Document, key: str) -> int:
    count = document.get(key, int)
    if count < 1:
        raise document.wrong(key, count, "at least 1")
    return int(count)


def _channel_keyword(document: Document) -> str:
    several = _count(document, f"{INPUT}.num_channels") > 1
    return document.text("gantry.channels") if several else document.text("gantry.channels", "")


def _task(document: Document) -> Task:
    found = document.text(f"{OUTPUT}.format")
    for task in get_args(Task):
        if found == task:
            return task  # type: ignore[no-any-return]
    raise document.wrong(f"{OUTPUT}.format", found, "segmentation or classification")


def _labels(document: Document, outputs: int) -> tuple[str, ...]:
    named = document.get(f"{OUTPUT}.channel_def", dict, {})
    return tuple(str(named.get(str(index), f"output {index}")) for index in range(outputs))
