# SPDX-License-Identifier: Apache-2.0
"""torchxrayvision's checkpoint as one ONNX file, once: scripts/fetch-models calls `densenet`.

Only this module imports torch and torchxrayvision.  The checkpoint is a pickled object, which runs code when it
is loaded: fetch-models compares its SHA-256 with model.lock before it calls this.

The file has one input, `image` (1, 1, 224, 224) from -1024 to 1024, and two outputs: `scores` (1, findings),
in which 0.5 is the operating point, and `maps` (1, findings, h, w), whose mean over the image, with a bias, is
the logit that becomes the score (class activation maps, Zhou et al. 2016).  What the reports must say of the
model stands in its metadata (`ABOUT`), so that a file cannot be taken for another.
"""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import nn

NAME = "densenet121-res224-all"
FILE = f"{NAME}.onnx"
SIDE = 224
HIGHEST = 1024.0
OPSET = 17
ABOUT = {
    "model": f"torchxrayvision {NAME}",
    "training": (
        "NIH ChestX-ray14, PadChest, CheXpert, MIMIC-CXR, Google's labels, OpenI and RSNA pneumonia "
        "(arXiv 2002.02497); most labels were mined from reports"
    ),
    "limits": (
        "Scores are no probabilities. For frontal views only. Small findings vanish at 224 x 224 pixels; the "
        "sides, or top and bottom, of an image that is no square are cut off."
    ),
}


def densenet(checkpoint: Path, folder: Path) -> None:
    """Write `FILE` into `folder` from torchxrayvision's checkpoint, under the name that the package gave it.

    Raises ValueError under another name, which torchxrayvision would take for a file to download, and when the
    converted model does not give what torchxrayvision gives.
    """
    xrv = torchxrayvision()
    wanted = PurePosixPath(xrv.models.model_urls[NAME]["weights_url"]).name
    if checkpoint.name != wanted:
        raise ValueError(f"the checkpoint is called {checkpoint.name}, not {wanted}")
    model = xrv.models.DenseNet(weights=NAME, cache_dir=str(checkpoint.parent)).eval()
    exported = Scored(model.features, model.classifier, model.op_threshs)
    _check_same(model, exported)
    write_onnx(exported, folder / FILE, ABOUT, model.pathologies)


def torchxrayvision() -> Any:
    """The package.  Its torchvision does not import beside a CPU build of torch unless two operators exist."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchxrayvision as xrv

    return xrv


class Scored(nn.Module):
    """A classifier whose last step is the mean over the image, with its class activation maps.

    features: image to (n, channels, h, w), before the final ReLU.  classifier: channels to findings.
    operating_points: sigmoids, one a finding, that become 0.5; NaN for a finding that was not trained.
    """

    def __init__(self, features: nn.Module, classifier: nn.Linear, operating_points: torch.Tensor) -> None:
        super().__init__()
        self.features, self.classifier = features, classifier
        self.register_buffer("operating_points", operating_points.detach().clone().float())

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores and maps."""
        features = torch.relu(self.features(image))
        maps = nn.functional.conv2d(features, self.classifier.weight[:, :, None, None])
        sigmoids = torch.sigmoid(maps.mean((2, 3)) + self.classifier.bias)
        return rescaled(sigmoids, self.operating_points), maps


def rescaled(sigmoids: torch.Tensor, operating_points: torch.Tensor) -> torch.Tensor:
    """torchxrayvision's op_norm without indexing, which ONNX lacks: two straight lines that meet at 0.5."""
    trained = ~torch.isnan(operating_points)
    points = torch.where(trained, operating_points, torch.full_like(operating_points, 0.5))
    below = sigmoids / (2 * points)
    above = 1 - (1 - sigmoids) / (2 * (1 - points))
    scores = torch.where(sigmoids < points, below, above)
    return torch.where(trained, scores, torch.full_like(scores, 0.5))


def write_onnx(model: Scored, path: Path, about: Mapping[str, str], findings: list[str]) -> None:
    """Write `model` and what is to be said of it; a finding "" is an output that was not trained."""
    import onnx

    example = torch.zeros(1, 1, SIDE, SIDE)
    torch.onnx.export(
        model.eval(),
        (example,),
        str(path),
        input_names=["image"],
        output_names=["scores", "maps"],
        opset_version=OPSET,
        dynamo=False,  # the newer exporter needs a package more
    )
    written = onnx.load(str(path))
    onnx.helper.set_model_props(written, {**about, "findings": json.dumps(findings)})
    onnx.checker.check_model(written)
    onnx.save(written, str(path))


def _check_same(model: nn.Module, exported: Scored) -> None:
    generator = torch.Generator().manual_seed(0)
    image = (torch.rand(2, 1, SIDE, SIDE, generator=generator) * 2 - 1) * HIGHEST
    with torch.inference_mode():
        difference = (model(image) - exported(image)[0]).abs().max()
    if not difference < 1e-4:
        raise ValueError(f"the converted model differs from torchxrayvision's by {difference}")
