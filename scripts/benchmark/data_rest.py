# SPDX-License-Identifier: Apache-2.0
"""scripts/bench data --only rest: every endpoint of a data set's REST, with millions of images, over real HTTP."""

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx

from imaging_data.dataset.database import FILE_NAME
from imaging_data.dataset.writer import opened

GANTRY = Path(sys.executable).with_name("gantry")
STUDIES, SERIES, IMAGES = 2, 2, 50  # of a patient, of a study, of a series
ROOT = "1.2.826.0.1.3680043.10.1561"
PIXEL = bytes.fromhex(  # a grey PNG of one pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63680000008200810c"
    "d7e72c0000000049454e44ae426082"
)
AT_ONCE = 100_000  # rows in a transaction
WORDS = ("chest", "abdomen", "head", "follow-up", "contrast", "native", "lung", "liver")
Key = tuple[int, int, int, int]  # patient, study, series, image


def measure(folder: Path, quick: bool) -> dict[str, Any]:
    """Median and 95th percentile in ms of each endpoint: 5 million images, each question for another record."""
    patients, questions = (25, 50) if quick else (25_000, 1000)
    began = time.monotonic()
    make(folder / "set", patients)
    built_s = time.monotonic() - began
    with _server(folder / "set") as client:
        found = {name: _ask(client, path, patients, questions) for name, path in PATHS.items()}
    images = patients * STUDIES * SERIES * IMAGES
    worst = max(each["p95_ms"] for each in found.values())
    return {
        "images": images,
        "made_s": round(built_s, 1),
        "questions": questions,
        "p95_ms": worst,
        "of": found,
    }


def uid(*numbers: int) -> str:
    """The UID of a study, series or image by its numbers."""
    return ".".join((ROOT, *map(str, numbers)))


def stem(key: Key) -> str:
    """The name of an image's picture."""
    return f"p{'-'.join(map(str, key))}"


def make(folder: Path, patients: int) -> None:
    """A data set of this many patients; the rows are inserted in bulk, its triggers count them."""
    with opened(folder) as writer, writer.transaction():
        writer.set("complete", "1")
    (folder / "pixel.png").write_bytes(PIXEL)
    db = sqlite3.connect(folder / FILE_NAME, isolation_level=None)
    db.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA cache_size = -1000000")
    for sql, rows in _tables(patients):
        while some := list(islice(rows, AT_ONCE)):
            db.execute("BEGIN")
            db.executemany(sql, some)
            db.execute("COMMIT")
    db.execute("UPDATE series SET images = ?", (IMAGES,))
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    with opened(folder) as writer:
        writer.index_images()


def _tables(patients: int) -> Iterator[tuple[str, Iterator[tuple[Any, ...]]]]:
    words = [f"{one} {another}" for one in WORDS for another in WORDS]
    yield (
        "INSERT INTO patient (patient_id, patient_sex, split) VALUES (?, 'O', 'train')",
        ((f"P{number}",) for number in range(patients)),
    )
    yield (
        "INSERT INTO study (patient, study_instance_uid, study_date, study_description) VALUES (?, ?, '2026', ?)",
        ((p + 1, uid(p, s), words[(p + s) % len(words)]) for p in range(patients) for s in range(STUDIES)),
    )
    yield (
        "INSERT INTO series (study, series_instance_uid, modality, series_description) VALUES (?, ?, 'CT', ?)",
        (
            (number // SERIES + 1, uid(*_key(number * IMAGES)[:3]), words[number % len(words)])
            for number in range(patients * STUDIES * SERIES)
        ),
    )
    total = patients * STUDIES * SERIES * IMAGES
    yield (
        "INSERT INTO image (series, sop_instance_uid, sop_class_uid, ordinal, instance_number, frames, pixel_rows,"
        " pixel_columns, path, window_center, window_width)"
        " VALUES (?, ?, '1.2.840.10008.5.1.4.1.1.2', ?, ?, 1, 512, 512, '', '-600', '1500')",
        (
            (number // IMAGES + 1, uid(*_key(number)), number % IMAGES, str(number % IMAGES + 1))
            for number in range(total)
        ),
    )
    yield (
        "INSERT INTO picture (image, frame, stem, path, sha256, bits, rendering)"
        " VALUES (?, 0, ?, 'pixel.png', '', 8, '{}')",
        ((number + 1, stem(_key(number))) for number in range(total)),
    )


def _key(image: int) -> Key:
    series, ordinal = divmod(image, IMAGES)
    study, series = divmod(series, SERIES)
    return study // STUDIES, study % STUDIES, series, ordinal


PATHS: dict[str, Callable[[Key], str]] = {
    "/": lambda key: "/",
    "/patients/{id}": lambda key: f"/patients/P{key[0]}",
    "/studies/{id}": lambda key: f"/studies/{uid(*key[:2])}",
    "/series/{id}": lambda key: f"/series/{uid(*key[:3])}",
    "/images/{id}": lambda key: f"/images/{uid(*key)}",
    "/patients/{id}/studies": lambda key: f"/patients/P{key[0]}/studies",
    "/patients/{id}/studycount": lambda key: f"/patients/P{key[0]}/studycount",
    "/patients/{id}/seriescount": lambda key: f"/patients/P{key[0]}/seriescount",
    "/patients/{id}/imagecount": lambda key: f"/patients/P{key[0]}/imagecount",
    "/patients/{id}/counts": lambda key: f"/patients/P{key[0]}/counts",
    "/patients/count": lambda key: "/patients/count",
    "/studies/count": lambda key: "/studies/count",
    "/series/count": lambda key: "/series/count",
    "/images/count": lambda key: "/images/count",
    "/imageinfo/{filename}": lambda key: f"/imageinfo/{stem(key)}",
    "/series/{id}/images": lambda key: f"/series/{uid(*key[:3])}/images",
    "/patients?after": lambda key: f"/patients?after=P{key[0]}&limit=50",
    "/search, one word": lambda key: f"/search?q={WORDS[key[3] % len(WORDS)]}&limit=50",
    "/search, a patient and a word": lambda key: f"/search?q=P{key[0]}+chest",
    "/search, a UID": lambda key: f"/search?q={uid(*key)}",
    "/images/{id}/picture": lambda key: f"/images/{uid(*key)}/picture",
}


@contextmanager
def _server(folder: Path) -> Iterator[httpx.Client]:
    command = [GANTRY, "dataset", "serve", folder, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[1]
            with httpx.Client(base_url=url.rstrip("/"), timeout=60) as client:
                yield client
        finally:
            process.terminate()


def _ask(client: httpx.Client, path: Callable[[Key], str], patients: int, questions: int) -> dict[str, float]:
    chance = random.Random(0)
    total = patients * STUDIES * SERIES * IMAGES
    seconds = []
    for _ in range(questions):
        at = path(_key(chance.randrange(total)))
        began = time.perf_counter()
        answer = client.get(at)
        seconds.append(time.perf_counter() - began)
        answer.raise_for_status()
    cuts = quantiles(seconds, n=100)
    return {"p50_ms": round(cuts[49] * 1000, 2), "p95_ms": round(cuts[94] * 1000, 2)}
