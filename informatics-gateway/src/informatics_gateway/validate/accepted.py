# SPDX-License-Identifier: Apache-2.0
"""Which SOP classes an app may send as results, grouped by what is checked of them."""

from pydicom.uid import (
    BasicTextSRStorage,
    ChestCADSRStorage,
    ColonCADSRStorage,
    ColorSoftcopyPresentationStateStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedOBJStorage,
    EncapsulatedPDFStorage,
    EncapsulatedSTLStorage,
    EnhancedSRStorage,
    ExtensibleSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    MammographyCADSRStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    ParametricMapStorage,
    PseudoColorSoftcopyPresentationStateStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

LABELMAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"  # pydicom 3.0 has no name for it

SEGMENTATIONS = frozenset({str(SegmentationStorage), LABELMAP_SEGMENTATION})
FRAMES_ON_SOURCE = SEGMENTATIONS | {str(ParametricMapStorage)}
CONTOURS = frozenset({str(RTStructureSetStorage)})
DOCUMENTS = frozenset(
    map(
        str,
        (
            BasicTextSRStorage,
            EnhancedSRStorage,
            ComprehensiveSRStorage,
            Comprehensive3DSRStorage,
            ExtensibleSRStorage,
            MammographyCADSRStorage,
            ChestCADSRStorage,
            ColonCADSRStorage,
            KeyObjectSelectionDocumentStorage,
        ),
    )
)
PICTURES = frozenset(
    map(
        str,
        (
            SecondaryCaptureImageStorage,
            MultiFrameSingleBitSecondaryCaptureImageStorage,
            MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
            MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
            MultiFrameTrueColorSecondaryCaptureImageStorage,
        ),
    )
)
PAPERS = frozenset({str(EncapsulatedPDFStorage)})
MESHES = frozenset(map(str, (EncapsulatedSTLStorage, EncapsulatedOBJStorage)))
PRESENTATIONS = frozenset(
    map(
        str,
        (
            GrayscaleSoftcopyPresentationStateStorage,
            ColorSoftcopyPresentationStateStorage,
            PseudoColorSoftcopyPresentationStateStorage,
        ),
    )
)
RESULT_CLASSES = FRAMES_ON_SOURCE | CONTOURS | DOCUMENTS | PICTURES | PAPERS | MESHES | PRESENTATIONS
