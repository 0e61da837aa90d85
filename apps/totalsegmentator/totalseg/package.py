# SPDX-License-Identifier: Apache-2.0
"""The package TotalSegmentator, imported so that it neither calls home nor downloads.

Its settings are environment variables that it reads whenever it runs, and a file in its home folder.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from .errors import NoLicence, WouldDownload

LICENCE_FILE = "GANTRY_TOTALSEGMENTATOR_LICENCE_FILE"
NUMBER_LENGTH = 18
SETTINGS = {
    "totalseg_id": "gantry",
    "send_usage_stats": False,
    "prediction_counter": 0,
    "statistics_disclaimer_shown": True,
}
DOWNLOADS = ("download_url_and_unpack", "download_model_with_license_and_unpack")


def prepare(models: Path) -> None:
    """Let the package find its weights in the folder `models`."""
    os.environ["TOTALSEG_WEIGHTS_PATH"] = str(models)
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ[name] = str(models)


@contextmanager
def home(licence_number: str = "") -> Iterator[None]:
    """For this time the package has a home of this run alone, in which telemetry is off."""
    settings = SETTINGS | ({"license_number": licence_number} if licence_number else {})
    with tempfile.TemporaryDirectory(prefix="totalsegmentator-") as folder:  # for this user alone
        (Path(folder) / "config.json").write_text(json.dumps(settings))
        os.environ["TOTALSEG_HOME_DIR"] = folder
        yield


def licence_number() -> str:
    """The site's licence number, of the file that LICENCE_FILE names.  Raises NoLicence; it is never shown."""
    path = os.environ.get(LICENCE_FILE, "")
    try:
        number = Path(path).read_text().strip() if path else ""
    except OSError as error:
        raise NoLicence(f"{LICENCE_FILE} cannot be read: {error.strerror}.") from None
    if len(number) != NUMBER_LENGTH:
        raise NoLicence(f"{LICENCE_FILE} names no file with a number of {NUMBER_LENGTH} characters.")
    return number


@cache
def package() -> Any:
    """`totalsegmentator.python_api`; what downloads or reports in it raises or does nothing."""
    declare_torchvision_operators()
    libraries = import_module("totalsegmentator.libs")
    for name in DOWNLOADS:
        setattr(libraries, name, _refuse)
    interface = import_module("totalsegmentator.python_api")
    interface.send_usage_stats = _say_nothing
    return interface


def _refuse(*_: Any) -> NoReturn:
    raise WouldDownload


def _say_nothing(*_: Any) -> None:
    """In place of the package's telemetry, which its settings switch off too."""


def declare_torchvision_operators() -> None:
    """torchvision's wheel is made for CUDA: beside a CPU build of torch it imports only if these exist."""
    import torch

    if torch.version.cuda is not None:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept.append(library)


_kept: list[Any] = []  # what torch.library declares goes when its Library does
