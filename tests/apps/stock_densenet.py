# SPDX-License-Identifier: Apache-2.0
"""What stock torchxrayvision says: a random DenseNet121 in the format of its checkpoint, and its scores.

A program of its own, so that no test process imports torchvision: `python stock_densenet.py FOLDER` writes
FOLDER/stick/<checkpoint> and, for each FOLDER/*.npy, grey values from 0 to 1, FOLDER/*.scores with its scores.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from convert import NAME, torchxrayvision

xrv = torchxrayvision()


def checkpoint(folder: Path) -> Path:
    """A whole pickled module, as torchxrayvision's own: its statistics those of some input, scores round 0.5."""
    torch.manual_seed(7)
    model = xrv.models.DenseNet(num_classes=18)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # of all input so far
        model.train()
        model((torch.rand(4, 1, 224, 224) * 2 - 1) * 1024)
        points = torch.tensor(xrv.models.model_urls[NAME]["op_threshs"])
        model.classifier.bias.copy_(torch.logit(points) + torch.randn(18))
    folder.mkdir()
    path = folder / Path(xrv.models.model_urls[NAME]["weights_url"]).name
    torch.save(model.eval(), path)
    return path


def main(folder: Path) -> None:
    """Write the checkpoint and the scores."""
    path = checkpoint(folder / "stick")
    model = xrv.models.DenseNet(weights=NAME, cache_dir=str(path.parent))
    crop = xrv.datasets.XRayCenterCrop()
    for image in folder.glob("*.npy"):
        values = crop((np.load(image)[None] * 2 - 1) * 1024)
        with torch.inference_mode():
            scores = model(torch.from_numpy(np.ascontiguousarray(values, np.float32))[None])
        np.save(image.with_suffix(".scores"), scores[0].numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
