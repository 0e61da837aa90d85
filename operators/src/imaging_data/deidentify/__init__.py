# SPDX-License-Identifier: Apache-2.0
"""DICOM without the patient: PS3.15 Annex E, pseudonyms that are keyed, text in pixels."""
