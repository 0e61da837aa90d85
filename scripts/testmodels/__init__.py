# SPDX-License-Identifier: Apache-2.0
"""Small models for the tests, one module an app: its `make` trains into a folder, `SOURCES` says from what."""
