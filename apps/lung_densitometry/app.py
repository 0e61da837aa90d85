# SPDX-License-Identifier: Apache-2.0
"""Lung volume and density on CT.  Research use only."""

from lungs import Results, find_lungs, report

from imaging_operators import AppInfo, InferenceApp, Needs, SeriesRule, Volume, report_progress


class LungDensitometry(InferenceApp):
    """Both lungs by threshold: volume, mean density, 15th percentile and LAA-950.  No weights."""

    info = AppInfo(name="lung_densitometry", version="0.1.0", creator="Gantry", needs=Needs(timeout_s=300))
    series = SeriesRule(Modality="CT")

    def predict(self, volume: Volume) -> Results:
        """SEG and measurements where there are lungs; a table and a picture in any case."""
        report_progress("find the lungs", 0)
        lungs = find_lungs(volume.array, volume.affine, volume.padding)
        report_progress("measure and draw", 0)
        return report(volume, lungs)


if __name__ == "__main__":
    LungDensitometry().run()
