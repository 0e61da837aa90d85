# SPDX-License-Identifier: Apache-2.0
"""What runs inside a MAP: an app's base class, the results it returns, and how they become DICOM.

Names are imported when they are first used, so that `python app.py manifest` needs no MONAI Deploy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imaging_data import SeriesRule, Volume

    from .app import InferenceApp
    from .coding import Code, codes, private_code
    from .info import AppInfo, Needs
    from .progress import report_progress
    from .results.classification import Classification, Score
    from .results.encapsulated_pdf import EncapsulatedPDF
    from .results.fractional import FractionalSegmentation
    from .results.key_object import KeyObject
    from .results.marks import Mark
    from .results.measurements import Measurement, Measurements
    from .results.mesh import Mesh
    from .results.parametric_map import ParametricMap
    from .results.placed_findings import PlacedFinding, PlacedFindings
    from .results.presentation_state import PresentationState
    from .results.rtstruct import RTStruct
    from .results.secondary_capture import SecondaryCapture
    from .results.segmentation import Segment, Segmentation
    from .results.text_report import TextReport

__all__ = [
    "AppInfo",
    "Classification",
    "Code",
    "EncapsulatedPDF",
    "FractionalSegmentation",
    "InferenceApp",
    "KeyObject",
    "Mark",
    "Measurement",
    "Measurements",
    "Mesh",
    "Needs",
    "ParametricMap",
    "PlacedFinding",
    "PlacedFindings",
    "PresentationState",
    "RTStruct",
    "Score",
    "SecondaryCapture",
    "Segment",
    "Segmentation",
    "SeriesRule",
    "TextReport",
    "Volume",
    "codes",
    "private_code",
    "report_progress",
]
__version__ = "0.1.0"

_HOMES = {
    "AppInfo": ".info",
    "Classification": ".results.classification",
    "Code": ".coding",
    "EncapsulatedPDF": ".results.encapsulated_pdf",
    "FractionalSegmentation": ".results.fractional",
    "InferenceApp": ".app",
    "KeyObject": ".results.key_object",
    "Mark": ".results.marks",
    "Measurement": ".results.measurements",
    "Measurements": ".results.measurements",
    "Mesh": ".results.mesh",
    "Needs": ".info",
    "ParametricMap": ".results.parametric_map",
    "PlacedFinding": ".results.placed_findings",
    "PlacedFindings": ".results.placed_findings",
    "PresentationState": ".results.presentation_state",
    "RTStruct": ".results.rtstruct",
    "Score": ".results.classification",
    "SecondaryCapture": ".results.secondary_capture",
    "Segment": ".results.segmentation",
    "Segmentation": ".results.segmentation",
    "SeriesRule": "imaging_data",
    "TextReport": ".results.text_report",
    "Volume": "imaging_data",
    "codes": ".coding",
    "private_code": ".coding",
    "report_progress": ".progress",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
