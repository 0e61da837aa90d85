# SPDX-License-Identifier: Apache-2.0
"""A series as PNG files, one for each frame, as a viewer shows them."""

from pathlib import Path

from ...display.files import pictures
from ...display.frames import frame_count
from ...display.png import encode_png
from ...display.rendering import Options
from ...errors import naming
from ...instances import Series, SeriesInstance
from ...threads import in_threads
from ..outputs import Outputs

AT_ONCE = 16  # instances whose pictures are in memory


def write_pictures(series: Series, stem: Path, options: Options, outputs: Outputs) -> None:
    """STEM.png of a single picture; of several STEM-0001.png and so on, by InstanceNumber and frame.

    With the window "all" each frame gives as many pictures as it has views.  Raises UnsupportedPixels,
    UnreadableInstance, TargetExists.
    """
    whole = len(series.instances) == 1 and frame_count(series.instances[0].dataset) == 1
    if whole and options.window != "all":
        [content] = _encoded(series.instances[0], options)
        outputs.file(stem.with_name(f"{stem.name}.png")).write_bytes(content)
        return
    number = 0
    for start in range(0, len(series.instances), AT_ONCE):
        some = series.instances[start : start + AT_ONCE]
        for contents in in_threads(lambda instance: _encoded(instance, options), some):
            for content in contents:
                number += 1
                outputs.file(stem.with_name(f"{stem.name}-{number:04}.png")).write_bytes(content)


def _encoded(instance: SeriesInstance, options: Options) -> list[bytes]:
    with naming(instance.path.name):
        return [encode_png(one.array) for one in pictures(instance.read_unhashed(), options)]
