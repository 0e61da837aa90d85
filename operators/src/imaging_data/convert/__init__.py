# SPDX-License-Identifier: Apache-2.0
"""Files of other formats to DICOM, and DICOM to them."""
