# SPDX-License-Identifier: Apache-2.0
"""Lung volume and density on CT.  Research use only."""

from lungs import Results, find_lungs, report

from imaging_operators import AppInfo, InferenceApp, Needs, SeriesRule, Volume


class LungDensitometry(InferenceApp):
    """Both lungs by threshold: volume, mean density, 15th percentile and LAA-950.  No weights."""

    info = AppInfo(name="lung_densitometry", version="0.1.0", creator="Gantry", needs=Needs(timeout_s=300))
    series = SeriesRule(Modality="CT")

    def predict(self, volume: Volume) -> Results:
        """SEG and measurements where there are lungs; a table and a picture in any case."""
        return report(volume, find_lungs(volume.array, volume.affine, volume.padding))


if __name__ == "__main__":
    LungDensitometry().run()
