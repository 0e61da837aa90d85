# SPDX-License-Identifier: Apache-2.0
"""Segmentations and structure sets of a series, for tests; written without the code that is tested."""

import warnings
from pathlib import Path

import numpy as np
from builders import override
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import Dataset, FileMetaDataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from imaging_data import find_instances, read_volume

NAMES = ("Spleen", "Liver", "Kidney")
OUTER = [(1.5, 2.5), (1.5, 15.2), (9.3, 15.2), (10.1, 4.4)]
HOLE = [(3.5, 5.5), (3.5, 9.5), (6.5, 9.5), (6.5, 5.5)]


def seg(source: Path, target: Path, pixels: np.ndarray, kind: str) -> Path:
    """A segmentation that highdicom writes; pixels: on the volume's grid, segments on the last axis if several."""
    volume = read_volume(find_instances(source).series[0])
    headers = [dcmread(one.path) for one, _ in volume.sources]
    count = pixels.shape[-1] if pixels.ndim == 4 else max(int(pixels.max()), 1)
    algorithm = AlgorithmIdentificationSequence("test", codes.cid7162.ArtificialIntelligence, "1")
    described = [
        SegmentDescription(number, NAMES[number - 1], codes.SCT.Organ, getattr(codes.SCT, NAMES[number - 1]),
                           "AUTOMATIC", algorithm) for number in range(1, count + 1)
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = Segmentation(
            headers, pixels, kind, described, generate_uid(), 1, generate_uid(), 1, "test", "test", "1", "1",
            max_fractional_value=200,
            transfer_syntax_uid=ExplicitVRLittleEndian,
        )  # fmt: skip
    target.parent.mkdir(exist_ok=True)
    dataset.save_as(target)
    return target


def structure_set(source: Path, target: Path, polygons: list, **attributes) -> Path:
    """An RT Structure Set of one region; polygons: (slice, points as row and column) on the volume's grid."""
    volume = read_volume(find_instances(source).series[0])
    dataset, series, study, frame = Dataset(), Dataset(), Dataset(), Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality = "RTSTRUCT"
    series.SeriesInstanceUID = volume.series.series_instance_uid
    study.RTReferencedSeriesSequence, frame.RTReferencedStudySequence = [series], [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    region, drawn = Dataset(), Dataset()
    region.ROINumber, region.ROIName, region.ROIGenerationAlgorithm = 3, "Lesion 病変", "MANUAL"
    drawn.ReferencedROINumber, drawn.ContourSequence = 3, []
    for at, points in polygons:
        contour = Dataset()
        contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
        places = [volume.affine @ [at, row, column, 1] for row, column in points]
        contour.ContourData = [f"{value:.6f}" for place in places for value in place[:3]]
        override(contour, 0, attributes)
        drawn.ContourSequence.append(contour)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [region], [drawn]
    dataset.save_as(target, enforce_file_format=True)
    return target
