# SPDX-License-Identifier: Apache-2.0
"""Stored values as the grey levels a viewer shows: PS3.3 section C.11, and pictures of them."""

from .files import (
    grey_levels,
    picture,
    pictures,
    write_png,
)
from .frames import decoded
from .png import encode_png
from .rendering import Options, Picture, Rendering, Rule, Window

__all__ = [
    "Options",
    "Picture",
    "Rendering",
    "Rule",
    "Window",
    "decoded",
    "encode_png",
    "grey_levels",
    "picture",
    "pictures",
    "write_png",
]
