# SPDX-License-Identifier: Apache-2.0
"""Real results of a small CT series, made with highdicom as an app makes them."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from imaging_data import file_sha256, input_hash
from informatics_gateway.model import (
    Identity,
    InputSet,
    Instance,
    Job,
    JobStatus,
    Manifest,
    Result,
    SeriesKey,
)

RESEARCH = "NOT FOR CLINICAL USE - RESEARCH ONLY"
DEVICE = {
    "manufacturer": "Gantry",
    "manufacturer_model_name": "Test app",
    "software_versions": "0.1",
    "device_serial_number": "1",
}
MADE_BY = {"manufacturer": "Gantry"}


@dataclass
class Made:
    """A job's input and results on disk, as they stand when the step `validate` begins."""

    job: Job
    sources: list[Dataset]
    output: Path
    results: dict[str, Result]

    @property
    def manifest(self) -> Manifest:
        return Manifest("test-app", "0.1", self.job.input_set.hash, tuple(self.results.values()))

    def add(self, kind: str, dataset: Dataset) -> Dataset:
        """Save `dataset` as the app's result `kind`, with everything that each result carries."""
        for_research_only(dataset)
        path = self.output / f"{kind}-0.dcm"
        dataset.save_as(path, enforce_file_format=True)
        self.results[kind] = Result(
            path=path,
            kind=kind,
            sop_class_uid=str(dataset.SOPClassUID),
            sop_instance_uid=str(dataset.SOPInstanceUID),
            series_instance_uid=str(dataset.SeriesInstanceUID),
            sha256=file_sha256(path),
        )
        return dataset

    def copy(self, folder: Path) -> "Made":
        """The same job with a copy of its results, to be changed."""
        output = Path(shutil.copytree(self.output, folder / "output"))
        results = {kind: replace(each, path=output / each.path.name) for kind, each in self.results.items()}
        return Made(self.job, self.sources, output, results)

    def read(self, kind: str) -> Dataset:
        return dcmread(self.results[kind].path)

    def change(self, kind: str, mutate: Callable[[Dataset], None]) -> None:
        """Change a result in its file, and its hash in the manifest: only what is in it is wrong then."""
        dataset = self.read(kind)
        mutate(dataset)
        path = self.results[kind].path
        dataset.save_as(path, enforce_file_format=True)
        self.results[kind] = replace(self.results[kind], sha256=file_sha256(path))


def for_research_only(dataset: Dataset) -> None:
    """What the framework puts into each result of a shadow app."""
    dataset.SeriesDescription = f"Test {RESEARCH}"
    equipment = Dataset()
    equipment.Manufacturer = equipment.ManufacturerModelName = "Gantry"
    equipment.PurposeOfReferenceCodeSequence = [_code("109103", "DCM", "Modifying Equipment")]
    dataset.ContributingEquipmentSequence = [equipment]


def made(folder: Path, paths: Sequence[Path]) -> Made:
    """The job on the instances in `paths`, with an empty output folder."""
    output = folder / "output"
    output.mkdir(parents=True)
    (output / "results.json").write_text(json.dumps({}))
    sources = [dcmread(path) for path in paths]
    instances = tuple(_instance(path, dataset) for path, dataset in zip(paths, sources, strict=True))
    first = instances[0]
    key = SeriesKey("TESTS@127.0.0.1", "LUNGS", first.study_instance_uid, first.series_instance_uid)
    digest = input_hash(instance.sha256 for instance in instances)
    input_set = InputSet(1, key, 1, digest, instances, 0.0, "a test")
    return Made(
        Job(1, input_set, "LUNGS/test-app", "test-app", JobStatus.EXECUTED, 1, 1, 0.0), sources, output, {}
    )


def everything(folder: Path, paths: Sequence[Path]) -> Made:
    """The job on the instances in `paths` with a result of each sort that is checked in a way of its own."""
    job = made(folder, paths)
    seg = job.add("segmentation", segmentation(job.sources))
    job.add("labelmap", segmentation(job.sources, "LABELMAP"))
    job.add("parametric-map", parametric_map(job.sources))
    job.add("measurements", measurements(job.sources, seg))
    job.add("contours", contour_report(job.sources))
    job.add("text-report", text_report(job.sources[0]))
    job.add("secondary-capture", secondary_capture(job.sources[0]))
    job.add("structure-set", structure_set(job.sources))
    return job


def _instance(path: Path, dataset: Dataset) -> Instance:
    identity = Identity(
        str(dataset.get("PatientID", "")),
        str(dataset.get("IssuerOfPatientID", "")),
        str(dataset.get("PatientName", "")),
        str(dataset.StudyInstanceUID),
    )
    position = dataset.get("ImagePositionPatient")
    return Instance(
        sop_instance_uid=str(dataset.SOPInstanceUID),
        sop_class_uid=str(dataset.SOPClassUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        identity=identity,
        path=path,
        sha256=file_sha256(path),
        instance_number=int(dataset.InstanceNumber),
        image_position=tuple(float(x) for x in position) if position else None,  # type: ignore[arg-type]
        image_orientation=tuple(map(float, dataset.get("ImageOrientationPatient", []))) or None,
    )


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _numbers(series_number: int) -> dict[str, Any]:
    return {
        "series_instance_uid": generate_uid(),
        "series_number": series_number,
        "sop_instance_uid": generate_uid(),
        "instance_number": 1,
    }


def _segment(number: int, label: str, kind: Code) -> hd.seg.SegmentDescription:
    algorithm = hd.AlgorithmIdentificationSequence("test", codes.cid7162.ArtificialIntelligence, "0.1")
    return hd.seg.SegmentDescription(
        number,
        label,
        codes.SCT.AnatomicalStructure,
        kind,
        hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm,
        tracking_uid=generate_uid(),
        tracking_id=label,
    )


def mask_of(sources: Sequence[Dataset]) -> np.ndarray:
    """A labelmap (frames, rows, columns) with two boxes, none in the outermost planes."""
    frames = len(sources) if len(sources) > 1 else int(sources[0].get("NumberOfFrames", 1))
    mask = np.zeros((frames, sources[0].Rows, sources[0].Columns), np.uint8)
    mask[1:-1, 4:10, 2:7] = 1
    mask[2:-1, 4:10, 9:14] = 2
    return mask


def segmentation(sources: Sequence[Dataset], kind: str = "BINARY", mask: np.ndarray | None = None) -> Dataset:
    """A SEG with two segments; kind BINARY or LABELMAP (that one RLE compressed)."""
    return hd.seg.Segmentation(
        list(sources),
        mask_of(sources) if mask is None else mask,
        hd.seg.SegmentationTypeValues[kind],
        [_segment(1, "Left", codes.SCT.Lung), _segment(2, "Right", codes.SCT.Lung)],
        omit_empty_frames=True,
        transfer_syntax_uid=ExplicitVRLittleEndian if kind == "BINARY" else RLELossless,
        **_numbers(301),
        **DEVICE,
    )


def parametric_map(sources: Sequence[Dataset]) -> Dataset:
    """A float32 parametric map on the source's grid."""
    mapping = hd.pm.RealWorldValueMapping("1", "test", codes.UCUM.NoUnits, (0.0, 1.0), slope=1.0, intercept=0)
    return hd.pm.ParametricMap(
        list(sources),
        mask_of(sources).astype(np.float32),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=0.5, window_width=1.0)],
        **_numbers(306),
        **DEVICE,
    )


def _observer() -> hd.sr.ObservationContext:
    device = hd.sr.DeviceObserverIdentifyingAttributes(uid=generate_uid())
    return hd.sr.ObservationContext(
        observer_device_context=hd.sr.ObserverContext(
            codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _report(groups: list[Any], evidence: Sequence[Dataset], title: Code | None = None) -> Dataset:
    report = hd.sr.MeasurementReport(
        _observer(),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=groups,
        title=title or codes.DCM.OncologyMeasurementReport,
    )
    return hd.sr.Comprehensive3DSR(list(evidence), report, **_numbers(303), **MADE_BY)


def measurements(sources: Sequence[Dataset], seg: Dataset) -> Dataset:
    """A TID 1500 report with a volume on segment 1 of `seg`."""
    group = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        hd.sr.TrackingIdentifier(generate_uid(), "Left"),
        referenced_segment=hd.sr.ReferencedSegment(
            seg.SOPClassUID,
            seg.SOPInstanceUID,
            1,
            source_series=hd.sr.SourceSeriesForSegmentation(sources[0].SeriesInstanceUID),
        ),
        finding_type=codes.SCT.Lung,
        measurements=[hd.sr.Measurement(codes.SCT.Volume, 12.5, codes.UCUM.CubicMillimeter)],
    )
    return _report([group], [seg, *sources])


def _area(region: Any) -> Any:
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        hd.sr.TrackingIdentifier(generate_uid(), "Spot"),
        referenced_region=region,
        finding_type=codes.SCT.Lung,
        measurements=[hd.sr.Measurement(codes.SCT.Area, 4.0, codes.UCUM.SquareMillimeter)],
    )


def contour_report(sources: Sequence[Dataset], deep: bool = True) -> Dataset:
    """A TID 1500 report with a contour on the second image (SCOORD) and in the volume (SCOORD3D)."""
    image = hd.sr.SourceImageForRegion(sources[1].SOPClassUID, sources[1].SOPInstanceUID)
    square = np.array([[3, 3], [6, 3], [6, 6], [3, 6], [3, 3]], float)
    flat = hd.sr.ImageRegion(hd.sr.GraphicTypeValues.POLYLINE, square, image)
    if not deep:
        return _report([_area(flat)], sources, codes.DCM.ImagingMeasurementReport)
    depth = np.full((5, 1), float(sources[1].ImagePositionPatient[2]))
    region = hd.sr.ImageRegion3D(
        hd.sr.GraphicTypeValues3D.POLYGON, np.hstack([square, depth]), sources[1].FrameOfReferenceUID
    )
    return _report([_area(flat), _area(region)], sources, codes.DCM.ImagingMeasurementReport)


def plain(source: Dataset, sop_class: str, modality: str, series_number: int) -> Dataset:
    """A result without highdicom: patient, study, series and equipment of the source's study."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID"):
        dataset[keyword] = source[keyword]
    for keyword in ("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"):
        dataset[keyword] = source[keyword]
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, generate_uid()
    dataset.SeriesInstanceUID, dataset.SeriesNumber = generate_uid(), series_number
    dataset.Modality, dataset.InstanceNumber, dataset.Manufacturer = modality, 1, "Gantry"
    dataset.ContentDate, dataset.ContentTime = "20260101", "120000"
    dataset.file_meta = hd.base.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def text_report(source: Dataset) -> Dataset:
    """A Basic Text SR with one sentence."""
    report = plain(source, "1.2.840.10008.5.1.4.1.1.88.11", "SR", 304)
    report.ValueType, report.ContinuityOfContent = "CONTAINER", "SEPARATE"
    report.ConceptNameCodeSequence = [_code("18748-4", "LN", "Diagnostic imaging study")]
    report.CompletionFlag, report.VerificationFlag = "COMPLETE", "UNVERIFIED"
    report.ReferencedPerformedProcedureStepSequence, report.PerformedProcedureCodeSequence = [], []
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence = [_code("121071", "DCM", "Finding")]
    item.TextValue = f"Volume 12.5 ml\n{RESEARCH}"
    report.ContentSequence = [item]
    return report


def secondary_capture(source: Dataset) -> Dataset:
    """A true-colour picture."""
    return hd.sc.SCImage.from_ref_dataset(
        source,
        pixel_array=np.full((16, 24, 3), 200, np.uint8),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),
        **_numbers(305),
        **MADE_BY,
    )


def structure_set(sources: Sequence[Dataset]) -> Dataset:
    """An RTSTRUCT with one contour on each inner slice (PS3.3 A.19)."""
    dataset = plain(sources[0], "1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT", 307)
    dataset.StructureSetLabel = "Test"
    series = Dataset()
    series.SeriesInstanceUID = sources[0].SeriesInstanceUID
    series.ContourImageSequence = [_reference(source) for source in sources]
    study = Dataset()
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management, as writers put here
    study.ReferencedSOPInstanceUID = sources[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame_of_reference = Dataset()
    frame_of_reference.FrameOfReferenceUID = sources[0].FrameOfReferenceUID
    frame_of_reference.RTReferencedStudySequence = [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame_of_reference]
    region = Dataset()
    region.ROINumber, region.ROIName, region.ROIGenerationAlgorithm = 1, "Left", "AUTOMATIC"
    region.ReferencedFrameOfReferenceUID = sources[0].FrameOfReferenceUID
    dataset.StructureSetROISequence = [region]
    contours = Dataset()
    contours.ReferencedROINumber = 1
    contours.ContourSequence = [_contour(source) for source in sources[1:-1]]
    dataset.ROIContourSequence = [contours]
    return dataset


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    return item


def _contour(source: Dataset) -> Dataset:
    x, y, z = (float(value) for value in source.ImagePositionPatient)
    contour = Dataset()
    contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", 4
    contour.ContourData = [x + 3, y + 3, z, x + 6, y + 3, z, x + 6, y + 6, z, x + 3, y + 6, z]
    contour.ContourImageSequence = [_reference(source)]
    return contour
