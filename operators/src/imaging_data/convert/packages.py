# SPDX-License-Identifier: Apache-2.0
"""Packages that only some formats need: imported where they are used, and missed by name."""

from importlib import import_module
from typing import Any

from .errors import MissingPackage


def package(name: str) -> Any:
    """The module `name`.  Raises MissingPackage, which says how to install it."""
    try:
        return import_module(name)
    except ImportError:
        raise MissingPackage(f"{name}.") from None
