# SPDX-License-Identifier: Apache-2.0
"""Everything above 50 HU on CT, counted: the smallest app with every kind of result."""

import numpy as np

from imaging_operators import (
    AppInfo,
    InferenceApp,
    Measurement,
    Measurements,
    SecondaryCapture,
    Segment,
    Segmentation,
    SeriesRule,
    TextReport,
    Volume,
    codes,
)


class BrightVoxels(InferenceApp):
    info = AppInfo(name="bright-voxels", version="1.0", creator="Gantry")
    series = SeriesRule(Modality="CT")

    def predict(self, volume: Volume) -> list[Segmentation | Measurements | TextReport | SecondaryCapture]:
        bright = volume.array > 50
        size = float(bright.sum() * np.prod(volume.spacing_mm))
        segmentation = Segmentation(bright, [Segment(1, codes.SCT.Bone, "Bright")])
        number = Measurement(codes.SCT.Volume, size, codes.UCUM.CubicMillimeter, segment=1)
        table = f"{'Bright':<20}{size:>10.1f} mm3"
        grey = np.clip(volume.array[len(volume.array) // 2], 0, 255).astype(np.uint8)
        enlarged = np.kron(grey, np.ones((max(1, 128 // len(grey)),) * 2, np.uint8))
        picture = np.repeat(enlarged[..., None], 3, axis=2)
        return [
            segmentation,
            Measurements([number], segmentation),
            TextReport("Bright voxels", table),
            SecondaryCapture(picture, "Middle slice"),
        ]


if __name__ == "__main__":
    BrightVoxels().run()
