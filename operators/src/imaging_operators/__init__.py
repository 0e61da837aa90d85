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
    from .results.classification import Classification, Score
    from .results.measurements import Measurement, Measurements
    from .results.secondary_capture import SecondaryCapture
    from .results.segmentation import Segment, Segmentation
    from .results.text_report import TextReport

__all__ = [
    "AppInfo",
    "Classification",
    "Code",
    "InferenceApp",
    "Measurement",
    "Measurements",
    "Needs",
    "Score",
    "SecondaryCapture",
    "Segment",
    "Segmentation",
    "SeriesRule",
    "TextReport",
    "Volume",
    "codes",
    "private_code",
]
__version__ = "0.1.0"

_HOMES = {
    "AppInfo": ".info",
    "Classification": ".results.classification",
    "Code": ".coding",
    "InferenceApp": ".app",
    "Measurement": ".results.measurements",
    "Measurements": ".results.measurements",
    "Needs": ".info",
    "Score": ".results.classification",
    "SecondaryCapture": ".results.secondary_capture",
    "Segment": ".results.segmentation",
    "Segmentation": ".results.segmentation",
    "SeriesRule": "imaging_data",
    "TextReport": ".results.text_report",
    "Volume": "imaging_data",
    "codes": ".coding",
    "private_code": ".coding",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
