# SPDX-License-Identifier: Apache-2.0
"""DICOM to files of other formats: volumes and pictures."""
