# SPDX-License-Identifier: Apache-2.0
"""Scores of 18 findings on a frontal chest radiograph.  Research use only."""

from pathlib import Path

from chest import Classifier, Results, check_frontal, report

from imaging_data import Radiograph, Series, read_radiograph
from imaging_operators import AppInfo, InferenceApp, Needs, SeriesRule

MODEL = "densenet121-res224-all.onnx"
CORES = 2


class ChestXray(InferenceApp):
    """torchxrayvision's DenseNet121 as ONNX, on OpenVINO or ONNX Runtime."""

    info = AppInfo(
        name="chest_xray",
        version="0.1.0",
        creator="Gantry",
        needs=Needs(cpu=CORES, memory_mb=2048, timeout_s=300),
        models=(MODEL,),
    )
    series = SeriesRule(Modality={"CR", "DX"})

    def setup(self, models: Path) -> None:
        """The model, compiled."""
        self.classifier = Classifier(models / MODEL, CORES)
        self.engine = self.classifier.engine

    def read(self, series: Series) -> Radiograph:
        """The one image of the series; refused when it says that it is no frontal view of a chest."""
        radiograph = read_radiograph(series)
        check_frontal(radiograph)
        return radiograph

    def predict(self, radiograph: Radiograph) -> Results:
        """Scores as coded report, table, picture and page."""
        return report(radiograph, self.classifier)


if __name__ == "__main__":
    ChestXray().run()
