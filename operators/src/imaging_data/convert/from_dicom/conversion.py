# SPDX-License-Identifier: Apache-2.0
"""DICOM to the formats of researchers: images to volumes or pictures, segmentations and contours to label maps."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ...display.rendering import Options as Display
from ...errors import GantryTilt, ImagingDataError, NotAVolume, UnevenSpacing
from ...instances import Found, Series, SeriesInstance, find_instances
from ...values import text_of
from ..converted import Converted, ConvertedSeries, Skipped
from ..errors import NothingToConvert, TargetExists, UnknownFormat
from ..grids import Grid
from ..labels.contours import STRUCTURE_SET, referenced_series
from ..labels.layers import Labels
from ..labels.maps import read_labels
from ..labels.segmentations import SEGMENTATIONS
from ..outputs import Outputs
from .pictures import write_pictures
from .stored import layout_of, resampled
from .volumes import ENDINGS, about_grid, ending_of, write_array, write_json, write_series

STANDARD = Display()
Progress = Callable[[int, int], None]  # done, of how many


@dataclass(frozen=True)
class FromDicom:
    """How DICOM is converted.

    reference: a folder or file with the series that segmentations and contours belong to, if not in the source.
    each_segment: a file for each segment, of 0 and 1, rather than label maps that segments share.
    resample: bring slices of a tilted gantry, or with uneven spacing, onto a regular grid, rather than refuse.
    display: how pictures (.png) show the values.
    """

    reference: Path | None = None
    each_segment: bool = False
    resample: bool = False
    display: Display = STANDARD


@dataclass(frozen=True, eq=False)
class _Item:
    """What becomes one output: a series of images, or one segmentation or structure set."""

    series: Series
    instance: SeriesInstance
    sop_class_uid: str

    @property
    def uid(self) -> str:
        if self.is_labels:
            return self.instance.sop_instance_uid
        return self.series.series_instance_uid

    @property
    def is_labels(self) -> bool:
        return self.sop_class_uid in (*SEGMENTATIONS, STRUCTURE_SET)


def convert_from_dicom(
    source: Path,
    target: Path,
    options: FromDicom = FromDicom(),
    on_progress: Progress = lambda done, total: None,
) -> Converted:
    """Every series of a folder, or the one file, as the format that the ending of `target` says.

    One output has the name `target`; of several each has its UID before the ending: that of the series, of a
    segmentation or structure set its own.  What cannot be converted is left out and named; when nothing can, its
    error is raised.  Raises NothingToConvert, UnknownFormat, TargetExists, MissingFolder and OSError, too; each
    output is then whole or not there.
    """
    options = options or FromDicom()
    ending = ending_of(target, (*ENDINGS, ".png"))
    found = find_instances(source)
    items = list(_items(found))
    if not items:
        raise NothingToConvert(f"{source} holds no DICOM instance.")
    references = _References(found, options)
    made: list[ConvertedSeries] = []
    files: list[Path] = []
    failed: list[tuple[_Item, ImagingDataError]] = []
    for number, item in enumerate(items):
        on_progress(number, len(items))
        stem = target.name[: -len(ending)] + (f"-{item.uid}" if len(items) > 1 else "")
        try:
            with Outputs() as outputs:
                _write(item, target.with_name(stem), ending, references, outputs)
        except TargetExists:
            raise
        except ImagingDataError as error:
            failed.append((item, error))
        else:
            files += outputs.targets
            made.append(_made(item, outputs))
    on_progress(len(items), len(items))
    if not made:
        raise failed[0][1]
    skipped = [Skipped(path.name, "It is not DICOM.") for path in found.skipped]
    skipped += [Skipped(item.uid, str(error)) for item, error in failed]
    return Converted(tuple(made), tuple(files), tuple(skipped))


def _items(found: Found) -> Iterator[_Item]:
    for series in found.series:
        labels = False
        for instance in series.instances:
            item = _Item(series, instance, text_of(instance.dataset, "SOPClassUID"))
            if item.is_labels:
                labels = True
                yield item
        if not labels:
            yield _Item(series, series.instances[0], text_of(series.instances[0].dataset, "SOPClassUID"))


def _made(item: _Item, outputs: Outputs) -> ConvertedSeries:
    names = tuple(path.name for path in outputs.targets)
    series = item.series
    modality = text_of(item.instance.dataset, "Modality")
    return ConvertedSeries(
        series.study_instance_uid, series.series_instance_uid, item.sop_class_uid, modality, names
    )


class _References:
    """The grids of the series that segmentations and contours were drawn on, each laid out once."""

    def __init__(self, found: Found, options: FromDicom) -> None:
        more = find_instances(options.reference).series if options.reference else []
        self._series = {series.series_instance_uid: series for series in (*found.series, *more)}
        self._grids: dict[str, Grid] = {}
        self.options = options

    def grid_for(self, item: _Item) -> Grid | None:
        """Its grid; None where the series is not there, or, for a segmentation, is no volume."""
        for uid in referenced_series(item.instance.dataset):
            if uid in self._series:
                try:
                    if uid not in self._grids:
                        self._grids[uid] = layout_of(self._series[uid]).grid
                    return self._grids[uid]
                except NotAVolume:
                    if item.sop_class_uid == STRUCTURE_SET:  # which has no grid of its own
                        raise
        return None


def _write(item: _Item, stem: Path, ending: str, references: _References, outputs: Outputs) -> None:
    options = references.options
    if item.is_labels:
        if ending == ".png":
            raise UnknownFormat("Labels become no pictures.")
        labels = read_labels(item.instance, references.grid_for(item))
        _write_labels(labels, stem, ending, options.each_segment, outputs)
    elif ending == ".png":
        write_pictures(item.series, stem, options.display, outputs)
    else:
        _write_images(item.series, stem, ending, options.resample, outputs)


def _write_images(series: Series, stem: Path, ending: str, resample: bool, outputs: Outputs) -> None:
    path = outputs.file(stem.with_name(stem.name + ending))
    try:
        layout = layout_of(series)
    except (GantryTilt, UnevenSpacing):
        if not resample:
            raise
        array, grid = resampled(series)
        write_array(array, grid, path)
        shape: tuple[int, ...] = array.shape
    else:
        write_series(layout, path)
        shape, grid = layout.shape, layout.grid
    if ending == ".npy":
        about = {"SeriesInstanceUID": series.series_instance_uid} | about_grid(shape, grid)
        write_json(about, outputs.file(stem.with_name(stem.name + ".json")))


def _write_labels(labels: Labels, stem: Path, ending: str, each: bool, outputs: Outputs) -> None:
    """The label maps, one when nothing overlaps, and beside them a table of what is in them."""
    rows = []
    if each or labels.fractional:
        for segment, array in labels.each():
            name = f"{stem.name}-segment-{segment.number}{ending}"
            write_array(array, labels.grid, outputs.file(stem.with_name(name)), compressed=True)
            rows.append(asdict(segment) | {"file": name, "value": 1})
    else:
        several = len(labels.layers) > 1
        names = [
            f"{stem.name}{f'-layer-{place + 1}' if several else ''}{ending}"
            for place in range(len(labels.layers))
        ]
        for name, layer in zip(names, labels.layers, strict=True):
            write_array(layer, labels.grid, outputs.file(stem.with_name(name)), compressed=True)
        rows = [
            asdict(segment) | {"file": names[labels.layer_of[segment.number]], "value": segment.number}
            for segment in labels.segments
        ]
    table = about_grid(labels.grid.shape, labels.grid) | {"segments": rows}
    write_json(table, outputs.file(stem.with_name(stem.name + ".json")))
