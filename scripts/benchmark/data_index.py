# SPDX-License-Identifier: Apache-2.0
"""scripts/bench data --only index: rows a second while a data set's index grows to a million images."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from imaging_data.dataset.facts import Facts, Looked
from imaging_data.dataset.index import AT_ONCE, Index, write_down
from imaging_data.dataset.writer import opened
from imaging_data.identifiers import derive_uid

IMAGES_OF_SERIES, SERIES_OF_STUDY, STUDIES_OF_PATIENT = 100, 2, 2
TENTH = 10  # parts that are timed one by one


def measure(folder: Path, quick: bool) -> dict[str, Any]:
    """Seconds for each tenth of the images and for their indexes at the end, and whether the time grew with them.

    UIDs are in no order, as those of real archives are; each image goes the way that a file's facts go.
    """
    images = 10_000 if quick else 1_000_000
    steps: list[tuple[float, float]] = []  # wall and processor, of each tenth and the indexes
    with opened(folder / "set") as writer:
        index, files = Index(writer), _looked(images)
        for _ in range(TENTH):
            part = list(islice(files, images // TENTH))
            with _timed(steps):
                for first in range(0, len(part), AT_ONCE):
                    write_down(writer, index, part[first : first + AT_ONCE])
        with _timed(steps):
            writer.index_images()
    wall, processor = zip(*steps, strict=True)
    return {
        "images": images,
        "first_tenth_s": wall[0],
        "last_tenth_s": wall[-2],
        "indexes_s": wall[-1],
        "all_s": round(sum(wall), 2),
        "all_to_ten_times_first": round(sum(wall) / wall[0] / TENTH, 2),
        "processor_s": processor,
    }


@contextmanager
def _timed(steps: list[tuple[float, float]]) -> Iterator[None]:
    began = time.perf_counter(), time.process_time()
    yield
    steps.append((round(time.perf_counter() - began[0], 2), round(time.process_time() - began[1], 2)))


def _looked(images: int) -> Iterator[Looked]:
    for number in range(images):
        series = number // IMAGES_OF_SERIES
        study = series // SERIES_OF_STUDY
        path = f"/archive/{series:06d}/{number:07d}.dcm"
        facts = Facts(
            path=path,
            patient_id=f"PAT-{study // STUDIES_OF_PATIENT:06d}",
            patient_sex="O",
            study_instance_uid=derive_uid("study", str(study)),
            study_date="20260105",
            study_description="CT thorax",
            series_instance_uid=derive_uid("series", str(series)),
            modality="CT",
            series_number="2",
            series_description="Lung 1.0",
            stratum="",
            sop_instance_uid=derive_uid("image", str(number)),
            sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            instance_number=str(number % IMAGES_OF_SERIES + 1),
            rescale_intercept="-1024",
            rescale_slope="1",
            window_center="-600",
            window_width="1500",
            frames=1,
            rows=512,
            columns=512,
        )
        yield Looked(Path(path), 525_000, number, facts)
