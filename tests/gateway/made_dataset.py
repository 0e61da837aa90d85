# SPDX-License-Identifier: Apache-2.0
"""A small data set, written with the real writer, and a server of any web application on a real socket."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI
from PIL import Image

from imaging_data.dataset.writer import Writer, opened

HOSTILE = "<script>x</script>"
PATIENTS = (
    "P1",
    "A/B 100%",
    "",
    "count",
    "Müller^Jörg é",
    HOSTILE,
)  # the last ones make trouble in addresses


def uid(*numbers: int) -> str:
    """The UID of a patient, study, series or image by its numbers."""
    return ".".join(map(str, ("2.25", *(number + 1 for number in numbers))))


def make_dataset(folder: Path) -> Path:
    """Six patients, one without a PatientID, of two studies of two series of three images; the first has pictures."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with opened(folder) as writer, writer.transaction():
        for number, patient_id in enumerate(PATIENTS):
            split = "test" if number == 5 else "train"
            patient = writer.add("patient", patient_id=patient_id, patient_sex="O", split=split)
            for study in range(2):
                _study(writer, patient, (number, study))
        writer.set("complete", "1")
    (folder / "pictures").mkdir()
    for frame in range(2):
        Image.new("L", (16, 12), 40 * frame).save(folder / "pictures" / f"p{frame}.png")
    return folder


def _study(writer: Writer, patient: int, key: tuple[int, int]) -> None:
    about = {"study_date": "20260101", "study_description": None if key[1] else "Chest follow-up"}
    study = writer.add("study", patient=patient, study_instance_uid=uid(*key), **about)
    for number in range(2):
        about = {"modality": "CT", "series_number": str(number), "series_description": f"Lung {number}"}
        of = uid(*key, number)
        series = writer.add("series", study=study, series_instance_uid=of, **about)
        images = [_image(writer, series, (*key, number, ordinal)) for ordinal in range(3)]
        writer.change("UPDATE series SET images = ? WHERE id = ?", (len(images), series))


def _image(writer: Writer, series: int, key: tuple[int, int, int, int]) -> int:
    ordinal = key[3]
    attributes = {"instance_number": str(ordinal + 1), "window_center": "-600", "window_width": "1500"}
    of = {"series": series, "sop_instance_uid": uid(*key), "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2"}
    size = {"frames": 1, "pixel_rows": 12, "pixel_columns": 16}
    image = writer.add("image", ordinal=ordinal, path="x", **of, **attributes, **size)
    if key == (0, 0, 0, 0):
        for frame in range(2):
            made = {"stem": f"p{frame}", "path": f"pictures/p{frame}.png", "sha256": "", "bits": 8}
            writer.add("picture", image=image, frame=frame, rendering='{"window": [-600, 1500]}', **made)
        outside = {"stem": "outside", "path": "../../secret.png", "sha256": "", "bits": 8}
        writer.add("picture", image=image, frame=9, rendering="{}", **outside)
    return image


@contextmanager
def web_server(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of `app`, which listens on a free port of loopback."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
