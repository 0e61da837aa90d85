# SPDX-License-Identifier: Apache-2.0
"""Counts voxels above the levels of its profile, and spoils what it was given."""

from imaging_operators import AppInfo, InferenceApp, SeriesRule, TextReport, Volume


class Profiled(InferenceApp):
    info = AppInfo(
        name="profiled",
        version="1.0",
        creator="Gantry",
        profiles={"bright": {"levels": [50]}, "every": {"levels": [-2000], "word": "all"}},
    )
    series = SeriesRule(Modality="CT")

    def predict(self, volume: Volume, levels: list[float], word: str = "bright") -> TextReport:
        table = "\n".join(f"{word} {level}: {(volume.array > level).sum()}" for level in levels)
        levels.append(0)
        return TextReport("Voxels", table)


if __name__ == "__main__":
    Profiled().run()
