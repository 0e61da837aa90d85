# SPDX-License-Identifier: Apache-2.0
"""An app that does what the environment variable DEED, or the file DEED in its models folder, says."""

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from imaging_operators import (
    AppInfo,
    InferenceApp,
    Segment,
    Segmentation,
    SeriesRule,
    TextReport,
    Volume,
    codes,
)


class Misbehaves(InferenceApp):
    info = AppInfo(name="misbehaves", version="1.0", creator="Gantry")
    series = SeriesRule(Modality="CT")

    def setup(self, models: Path) -> None:
        print("loading", flush=True)

    def predict(self, volume: Volume) -> Any:
        match os.environ.get("DEED") or str(volume.series.instances[0].dataset.get("SeriesDescription", "")):
            case "print":
                print("from Python")
                os.write(1, b"from a descriptor\n")
                ctypes.CDLL(None).puts(b"from C")
                os.system("echo from a child; echo from its stderr >&2")
            case "exit":
                sys.exit(0)
            case "raise":
                raise ZeroDivisionError("by my own fault")
            case "starve":
                np.empty(2**62, np.uint8)
            case "nan":
                return Segmentation(np.full(volume.shape, np.nan), [Segment(1, codes.SCT.Organ, "Nothing")])
            case "nothing":
                return None
            case "read stdin":
                print(repr(sys.stdin.read()))
            case "environment":
                print(json.dumps(dict(os.environ)))
            case "other grid":
                return Segmentation(np.ones((1, 2, 3), np.uint8), [Segment(1, codes.SCT.Organ, "Ones")])
        return TextReport("Misbehaves", "Nothing happened")


if __name__ == "__main__":
    Misbehaves().run()
