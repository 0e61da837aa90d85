# SPDX-License-Identifier: Apache-2.0
"""Plain pages that make DICOM of files and take the patient out of DICOM, on the gateway's own machine."""
