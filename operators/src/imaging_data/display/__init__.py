# SPDX-License-Identifier: Apache-2.0
"""Stored values as the grey levels a viewer shows: PS3.3 C.11."""
