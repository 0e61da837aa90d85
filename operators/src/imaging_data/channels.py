# SPDX-License-Identifier: Apache-2.0
"""One series that holds several images of one anatomy, such as the echoes of an MR, as aligned volumes."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from pydicom.datadict import tag_for_keyword

from .errors import MissingChannel, UnalignedChannels, naming
from .instances import Series, SeriesInstance
from .slices import SHOWN
from .values import values_of
from .volume import Volume, read_volume

ALIGNED_MM = 0.01  # corners of two grids that are one may differ by rounding


@dataclass(frozen=True, eq=False)
class Channels(Volume):
    """Volumes on one grid; as a Volume it is the first of them.

    channels: one Volume each, in rising order of what tells them apart.
    values: that attribute's value in each, as text.
    series: the whole series, with the instances of all channels.
    """

    channels: tuple[Volume, ...] = ()
    values: tuple[str, ...] = ()


def read_channels(series: Series, keyword: str, count: int | None = None) -> Channels:
    """The series as one volume for each value of the DICOM attribute `keyword`, EchoTime for one.

    Raises MissingChannel when an instance does not have the attribute, when there are not `count` values (at
    least two without `count`), UnalignedChannels when the volumes do not share one grid, NotAVolume, naming
    the channel, when the instances of one value are no volume, and ValueError for an unknown keyword.
    """
    if tag_for_keyword(keyword) is None:
        raise ValueError(f"{keyword!r} is no DICOM keyword")
    groups = _groups(series, keyword)
    shown = ", ".join(list(groups)[:SHOWN])
    if len(groups) != (count or max(2, len(groups))):
        wanted = count or "at least 2"
        raise MissingChannel(f"{keyword} has {len(groups)} values ({shown}); the tool takes {wanted}.")
    volumes = []
    for value, instances in groups.items():
        with naming(f"{keyword} {value}"):
            volumes.append(read_volume(replace(series, instances=tuple(instances))))
    for value, volume in zip(groups, volumes, strict=True):
        _check_aligned(keyword, value, volume, volumes[0])
    first = {field.name: getattr(volumes[0], field.name) for field in fields(Volume)}
    return Channels(**first | {"series": series}, channels=tuple(volumes), values=tuple(groups))


def _groups(series: Series, keyword: str) -> dict[str, list[SeriesInstance]]:
    """The instances by value, in rising order of it."""
    groups: dict[str, list[SeriesInstance]] = {}
    for instance in series.instances:
        values = values_of(instance.dataset, keyword)
        if not values:
            raise MissingChannel(f"{instance.path.name} has no {keyword}, which tells the channels apart.")
        groups.setdefault("\\".join(map(str, values)), []).append(instance)
    return dict(sorted(groups.items(), key=lambda item: rising(item[0])))


def rising(value: str) -> tuple[float, str]:
    """What sorts values: numbers by size, before texts."""
    try:
        return float(value), value
    except ValueError:
        return float("inf"), value


def _check_aligned(keyword: str, value: str, volume: Volume, first: Volume) -> None:
    where = f"{keyword} {value}"
    if volume.shape != first.shape:
        raise UnalignedChannels(f"{where} has {_size(volume)} voxels, the first channel {_size(first)}.")
    if volume.frame_of_reference_uid != first.frame_of_reference_uid:
        raise UnalignedChannels(f"{where} has another FrameOfReferenceUID than the first channel.")
    apart_mm = float(np.abs(_corners(volume) - _corners(first)).max())
    if apart_mm > ALIGNED_MM:
        raise UnalignedChannels(f"{where} lies up to {apart_mm:.2f} mm off the first channel.")


def _size(volume: Volume) -> str:
    return " x ".join(map(str, volume.shape))


def _corners(volume: Volume) -> Any:
    """The first voxel, and the last one along each axis, in patient coordinates."""
    ends = np.eye(4, dtype=float)[:4] * (*(size - 1 for size in volume.shape), 0)
    ends[:, 3] = 1
    return volume.affine @ ends.T
