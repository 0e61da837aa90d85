# SPDX-License-Identifier: Apache-2.0
"""Who decodes compressed frames (PS3.5 section 8.2): the same decoders wherever this runs, in the same order.

Where gdcm happens to be installed pydicom asks it first, and it makes something even of frames that contradict their
attributes, which our decoders refuse.  Lossy JPEG is decoded by libjpeg, in Pillow, as DCMTK and viewers do; pylibjpeg,
which else comes first, decodes it otherwise, by up to 17 levels, and does what Pillow cannot: 12 bits.
"""

from pydicom.pixels.decoders.base import get_decoder as get_decoder
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

LOSSY_JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit)
OTHERS = (JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless, JPEG2000Lossless, JPEG2000)
PYLIBJPEG = ("pydicom.pixels.decoders.pylibjpeg", "_decode_frame")

for _uid in (*LOSSY_JPEG, *OTHERS):
    get_decoder(_uid).remove_plugin("gdcm")
for _uid in LOSSY_JPEG:
    get_decoder(_uid).remove_plugin("pylibjpeg")
    get_decoder(_uid).add_plugin("pylibjpeg", PYLIBJPEG)
