# SPDX-License-Identifier: Apache-2.0
"""scripts/new-app: a working app from a name, or from a TorchScript, ONNX or MONAI bundle file."""
