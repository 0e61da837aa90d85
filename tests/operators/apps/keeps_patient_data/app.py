# SPDX-License-Identifier: Apache-2.0
"""What no app may do: it keeps its first volume, and tells the first patient's number of every other one."""

from imaging_operators import AppInfo, InferenceApp, SeriesRule, TextReport, Volume


class KeepsPatientData(InferenceApp):
    info = AppInfo(name="keeps-patient-data", version="1.0", creator="Gantry")
    series = SeriesRule(Modality="CT")
    first: Volume | None = None

    def predict(self, volume: Volume) -> TextReport:
        self.first = self.first or volume
        return TextReport("Mean", f"Mean of the series: {self.first.array.mean():.3f} HU")


if __name__ == "__main__":
    KeepsPatientData().run()
