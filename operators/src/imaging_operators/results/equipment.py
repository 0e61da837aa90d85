# SPDX-License-Identifier: Apache-2.0
"""Made by what: the app as the equipment, and how it computed as its contribution (PS3.3 C.12.1.1.5)."""

from pydicom import Dataset

from .. import __version__
from ..coding import codes
from .base import ResultContext
from .evidence import code_item

LONGEST_CONTRIBUTION = 1024  # ST, PS3.5 section 6.2


def add_equipment(dataset: Dataset, context: ResultContext) -> None:
    """General Equipment is the app (PS3.3 C.7.5.1); Gantry, the app and its models contributed."""
    info = context.info
    dataset.Manufacturer = info.creator
    dataset.ManufacturerModelName = info.name
    dataset.SoftwareVersions = info.version
    dataset.DeviceSerialNumber = context.run.digest[:16]
    gantry = _item("Gantry", "Gantry", __version__, "Ran the app and made this object of its result")
    app = _item(info.creator, info.name, info.version, contribution(context))
    app.DeviceSerialNumber = context.run.digest[:16]
    of_libraries = dataset.get("ContributingEquipmentSequence", [])
    dataset.ContributingEquipmentSequence = [gantry, app, *of_libraries]


def _item(manufacturer: str, name: str, version: str, description: str) -> Dataset:
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [code_item(codes.DCM.ProcessingEquipment)]
    item.Manufacturer = manufacturer
    item.ManufacturerModelName = name
    item.SoftwareVersions = version
    item.ContributionDescription = description
    return item


def contribution(context: ResultContext) -> str:
    """How the app computed: profile, engine, device and the hash of each model, as far as ST has room.

    No times: the same input gives the same bytes.
    """
    trace, profile = context.run.trace, context.run.profile.name
    if context.run.job.instead_of:
        profile += f" (cheaper; {context.run.job.instead_of} ran out of GPU memory)"
    engine = f"engine {trace.engine} on {trace.device}" if trace.engine else f"device {trace.device}"
    text = (
        f"Computed the result: profile {profile}, {engine}" if profile else f"Computed the result: {engine}"
    )
    models = [f"model {name} SHA-256 {sha256}" for name, sha256 in sorted(trace.models.items())]
    for place, model in enumerate(models):
        rest = f", and {len(models) - place} models more"
        if len(f"{text}, {model}{rest}") > LONGEST_CONTRIBUTION:
            return text + rest
        text += f", {model}"
    return text
