# SPDX-License-Identifier: Apache-2.0
"""An app starts without the MONAI that it does not use, and one that uses it has the whole of it."""

import subprocess
import sys

PROGRAM = """
import sys
from imaging_operators.graph import Application
assert not {"monai", "monai.transforms", "matplotlib", "nibabel", "torch"} & set(sys.modules)
import monai.deploy.core
assert monai.deploy.core.Application is Application
from monai.deploy.core.models import torch_model
assert torch_model.torch.__version__ and torch_model.torch.jit is sys.modules["torch"].jit
from monai.transforms import Compose
assert monai.transforms.Compose is Compose
assert monai.networks.nets.UNet and monai.deploy.operators and monai.__version__
"""


def test_monai_comes_when_it_is_asked_for_and_then_whole():
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
