# SPDX-License-Identifier: Apache-2.0
"""`gantry send`: what is found in files, folders and zips, whom a person means, and whether it is there at the end."""

from .sender import Sent, send

__all__ = ["Sent", "send"]
