# SPDX-License-Identifier: Apache-2.0
"""What is not certain does not go out."""

from ..errors import ImagingDataError


class HeldBack(ImagingDataError):
    """It is not certain that the patient can be taken out of this instance."""

    hint = "Look at it yourself: what is certain of it is for a person to say."
