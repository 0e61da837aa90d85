# SPDX-License-Identifier: Apache-2.0
"""Files of other formats to DICOM: found, read, and written as series."""
