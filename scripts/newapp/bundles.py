# SPDX-License-Identifier: Apache-2.0
"""A MONAI bundle as it comes, made one that says what its outputs mean."""

from pathlib import Path

from imaging_data import ImagingDataError
from imaging_operators.bundle.app import BundleApp
from imaging_operators.bundle.description import Description

from .labels import segments_toml
from .wrong import UnusableBundle


def complete(folder: Path, name: str) -> None:
    """Write configs/segments.toml where it is missing, by the labels (`channel_def`) of metadata.json.

    Raises UnusableBundle, naming file and key, for a bundle that cannot be run.
    """
    try:
        description = Description.read(folder)
        table = folder / "configs" / "segments.toml"
        if description.task == "segmentation" and not table.is_file():
            table.write_text(segments_toml(description.labels[1:], name))
        BundleApp(folder).manifest()
    except ImagingDataError as error:
        raise UnusableBundle(error.detail, error.hint) from error
