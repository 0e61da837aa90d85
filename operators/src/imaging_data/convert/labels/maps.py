# SPDX-License-Identifier: Apache-2.0
"""Label maps of researchers' formats, read onto the grid of the series that they belong to."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MissingFolder
from ...instances import SeriesInstance, find_instances
from ...values import text_of
from ..errors import AnotherGrid, AnotherPatient, NotLabels, UnreadableInput
from ..grids import Affine, Grid
from ..volumes import read_image
from .contours import STRUCTURE_SET, read_contours
from .layers import Code, LabelledSegment, Labels, labels_of, layered
from .segmentations import SEGMENTATIONS, read_segmentation

LARGEST_TABLE = 16 << 20  # bytes of JSON
LABEL_MAPS = (".nii.gz", ".nii", ".nrrd", ".mha")


def read_labels(instance: SeriesInstance, reference: Grid | None) -> Labels:
    """A segmentation or a structure set as label maps.  Raises AnotherGrid for contours without their series."""
    if text_of(instance.dataset, "SOPClassUID") != STRUCTURE_SET:
        return read_segmentation(instance, reference)
    if reference is None:
        raise AnotherGrid(
            f"{instance.path.name}: the series that its contours were drawn on is not there.",
            hint="Put it into the same folder, or name it (`--reference`).",
        )
    return read_contours(instance, reference)


def read_label_map(
    path: Path, grid: Grid, table: Path | None = None, nearest: bool = False, patient_id: str = ""
) -> Labels:
    """Labels on `grid`, of a label map, a table that names several, a structure set or a segmentation.

    path: `.nii`, `.nii.gz`, `.nrrd`, `.mha`; the `.json` that `convert_from_dicom` writes beside label maps, which
    names the files of each segment; or DICOM.  table: such a `.json`, for what the numbers of one label map mean.
    nearest: take the nearest voxel of another grid rather than raise AnotherGrid.
    patient_id: the PatientID of the series; DICOM with another one is AnotherPatient.
    Raises NotLabels for values that are no labels, UnreadableInput for damaged files and tables, MissingFolder.
    """
    if not path.exists():
        raise MissingFolder(f"{path}")
    name = path.name.lower()
    if name.endswith(".json"):
        return _of_table(path, grid, nearest)
    if name.endswith(LABEL_MAPS):
        segments = [segment for segment, _, _ in _rows(table)] if table else []
        return labels_of(_on_grid(path, grid, nearest), grid, segments)
    for series in find_instances(path).series:
        for instance in series.instances:
            if text_of(instance.dataset, "SOPClassUID") in (*SEGMENTATIONS, STRUCTURE_SET):
                if patient_id and text_of(instance.dataset, "PatientID") not in ("", patient_id):
                    raise AnotherPatient(f"{instance.path.name}: its PatientID is not the series'.")
                return _placed(read_labels(instance, grid), grid, nearest)
    raise NotLabels(f"{path.name} is no label map, table, segmentation or structure set.")


def _of_table(path: Path, grid: Grid, nearest: bool) -> Labels:
    files: dict[str, NDArray[Any]] = {}
    rows = {segment.number: (segment, name, value) for segment, name, value in _rows(path)}

    def masks_of(segment: LabelledSegment) -> Mapping[int, NDArray[np.bool_]]:
        _, name, value = rows[segment.number]
        if name not in files:
            if Path(name).name != name:
                raise UnreadableInput(f"{path.name} names a file of another folder.")
            files[name] = _on_grid(path.with_name(name), grid, nearest)
        mask = files[name] == value
        return {int(index): mask[index] for index in np.flatnonzero(mask.any(axis=(1, 2)))}

    return layered(grid, (segment for segment, _, _ in rows.values()), masks_of)


def _on_grid(path: Path, grid: Grid, nearest: bool) -> NDArray[Any]:
    array, affine = read_image(path)
    if array.ndim != 3:
        raise NotLabels(f"{path.name} has {array.ndim} dimensions; a label map has 3.")
    return grid.taken_from(array, affine, nearest)


def _placed(labels: Labels, grid: Grid, nearest: bool) -> Labels:
    """Labels of a segmentation whose frames do not lie on `grid` as it is."""
    if labels.grid is grid:
        return labels
    affine: Affine = labels.grid.affine
    layers = tuple(grid.taken_from(layer, affine, nearest) for layer in labels.layers)
    return Labels(grid, layers, labels.segments, labels.layer_of)


def _rows(table: Path) -> Iterator[tuple[LabelledSegment, str, int]]:
    """The segments of a table, the file of each and its value there."""
    try:
        if table.stat().st_size > LARGEST_TABLE:
            raise UnreadableInput(f"{table.name} has more than {LARGEST_TABLE >> 20} MiB.")
        for row in json.loads(table.read_text(encoding="utf-8"))["segments"]:
            codes = {name: row.get(name) and Code(**row[name]) for name in ("kind", "category", "modifier")}
            number, value = int(row["number"]), int(row.get("value", row["number"]))
            if not 0 < number < 1 << 16:
                raise UnreadableInput(f"{table.name} has a segment {number}.")
            about = LabelledSegment(
                number, str(row["label"]), **codes, algorithm=str(row.get("algorithm", ""))
            )
            yield about, str(row.get("file", "")), value
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnreadableInput(f"{table.name} is no table of segments ({type(error).__name__}).") from error
