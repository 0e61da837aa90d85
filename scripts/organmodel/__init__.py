# SPDX-License-Identifier: Apache-2.0
"""How the network of apps/organ_segmentation is trained and measured; the command is scripts/train-organ-model."""
