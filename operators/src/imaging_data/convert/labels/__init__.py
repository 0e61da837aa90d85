# SPDX-License-Identifier: Apache-2.0
"""Segmentations and contours as labels on a grid, label maps in files, and labels as segmentations."""
