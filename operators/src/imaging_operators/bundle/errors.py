# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a bundle, and with a series for it."""

from imaging_data.errors import NotAVolume

from ..errors import AppError


class BadBundle(AppError):
    """The MONAI bundle cannot be run."""

    hint = "Correct what the message names; apps/organ_segmentation/README.md says what a bundle needs."


class NotASingleSlice(NotAVolume):
    """The model takes a single image, and the series holds several slices."""

    hint = "Send a series of one slice."
