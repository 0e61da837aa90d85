# SPDX-License-Identifier: Apache-2.0
"""Any MONAI bundle folder as an app, without Python: `python -m imaging_operators.bundle FOLDER`.

A bundle is `configs/metadata.json`, `configs/inference.json`, the weights in `models/`, and here a table of
what its outputs mean: `configs/segments.toml` or `configs/scores.toml`.
apps/organ_segmentation/README.md says what each holds.
"""
