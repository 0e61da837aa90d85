# SPDX-License-Identifier: Apache-2.0
"""Data sets as trainers take them, each read back by what its trainer reads with."""

import csv
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import nibabel
import numpy as np
import pytest
from builders import enhanced_ct, mr_series
from datasets import noise, patient
from pydicom import dcmread
from pydicom.uid import generate_uid

from imaging_data.convert import segmentation_dataset
from imaging_data.convert.errors import MissingPackage, TargetExists
from imaging_data.convert.from_dicom.stored import layout_of
from imaging_data.convert.labels.layers import LabelledSegment, Labels
from imaging_data.dataset import Database, NothingToExport
from imaging_data.dataset.bids import contrast_of
from imaging_data.dataset.build import BuildOptions, build
from imaging_data.dataset.export import export
from imaging_data.instances import find_instances

SEGMENTED = 4
DCM2NIIX = Path(sys.executable).with_name("dcm2niix")
DIRECTIONS = [(1.0, 0.0, 0.0), (0.0, 0.6, 0.8), (-0.6, 0.0, 0.8), (0.0, -0.8, 0.6), (2 / 3, 1 / 3, -2 / 3)]


def _segmentation(folder, number):
    """Two segments: a liver of 2 x 3 pixels on each slice, a tumour of one pixel on the third."""
    layout = layout_of(find_instances(folder).series[0])
    layer = np.zeros(layout.grid.shape, np.uint8)
    layer[:, 4:6, 7:10] = 1
    layer[2, 12, 3 + number] = 2
    segments = (LabelledSegment(1, "liver"), LabelledSegment(2, "tumour"))
    segmentation_dataset(Labels(layout.grid, (layer,), segments, {1: 0, 2: 0}), layout).save_as(
        folder / "segmentation.dcm", enforce_file_format=True
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Four CTs with segmentations, one of them multi-frame, one without, two MRs; with pictures and volumes."""
    folder = tmp_path_factory.mktemp("exported")
    for number in range(SEGMENTED - 1):
        [path, *_] = patient(folder / "source", number, 3)
        _segmentation(path.parent, number)
    pixels = noise(3, 3)
    path = enhanced_ct(folder / "source" / "enhanced", 3, patient_id="PAT-3", pixels=pixels)
    _segmentation(path.parent, 3)
    patient(folder / "source", 8, 3)
    for number, name in ((10, "t1 mprage sag"), (11, "something")):
        pixels = noise(number, 3)
        about = {
            "pixels": pixels,
            "patient_id": f"PAT-{number}",
            "SeriesDescription": name,
            "PatientSex": "F",
        }
        mr_series(folder / "source" / f"{number}", 3, **about)
    options = BuildOptions(nifti=True, shares=(0.5, 0.25, 0.25))
    summary = build(folder / "source", folder / "set", options)
    assert (summary.volumes, summary.counts.images, summary.counts.pictures) == (7, 19, 21)
    return folder / "set"


def test_monai_reads_its_data_list(dataset, tmp_path):
    import_module("imaging_operators.graph")  # makes holoscan, which `import monai` imports, ready
    from monai.data import load_decathlon_datalist

    exported = export(dataset, tmp_path / "monai", "monai")
    assert sum(exported.cases.values()) == SEGMENTED
    assert exported.left_out == {"It has no labels.": 3}
    said = json.loads((tmp_path / "monai" / "dataset.json").read_text())
    assert said["labels"] == {"0": "background", "1": "liver", "2": "tumour"}
    items = [
        item
        for name in ("training", "validation", "test")
        for item in load_decathlon_datalist(tmp_path / "monai" / "dataset.json", True, name)
    ]
    assert len(items) == SEGMENTED
    for item in items:
        image, label = nibabel.load(item["image"]), nibabel.load(item["label"])
        assert image.shape == label.shape == (16, 16, 3)
        assert np.allclose(image.affine, label.affine)
        assert np.asarray(label.dataobj)[7:10, 4:6].min() == 1
        assert np.argwhere(np.asarray(label.dataobj) == 2)[0, 1:].tolist() == [12, 2]


def test_nnunet_finds_its_folder_sound(dataset, tmp_path):
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    folder = tmp_path / "Dataset501_Liver"
    exported = export(dataset, folder, "nnunet")
    assert sum(exported.cases.values()) == SEGMENTED
    said = json.loads((folder / "dataset.json").read_text())
    assert said["labels"] == {"background": 0, "liver": 1, "tumour": 2}
    assert said["numTraining"] == len(list((folder / "imagesTr").iterdir()))
    verify_dataset_integrity(str(folder), 1)
    [fold] = json.loads((folder / "splits_final.json").read_text())
    names = {path.name.removesuffix(".nii.gz") for path in (folder / "labelsTr").iterdir()}
    assert names == {*fold["train"], *fold["val"]}
    assert len(fold["val"]) == exported.cases.get("validation", 0)


def test_coco_boxes_lie_round_each_segment(dataset, tmp_path):
    exported = export(dataset, tmp_path / "coco", "coco")
    assert sum(exported.cases.values()) == SEGMENTED
    database, boxes = Database(dataset), []
    for split in ("train", "validation", "test"):
        said = json.loads((tmp_path / "coco" / "annotations" / f"{split}.json").read_text())
        images = {one["id"]: one for one in said["images"]}
        assert all((tmp_path / "coco" / one["file_name"]).is_file() for one in images.values())
        assert {one["name"]: one["id"] for one in said["categories"]} == {"liver": 1, "tumour": 2}
        assert all(one["image_id"] in images for one in said["annotations"])
        shown = [
            images[one["image_id"]]["file_name"] for one in said["annotations"] if one["category_id"] == 2
        ]
        stems = [Path(name).stem for name in shown]
        numbers = {database.image_info(stem)["InstanceNumber"] for stem in stems if "_f" not in stem}
        assert numbers <= {"3"}
        assert all("_f00002_" in stem for stem in stems if "_f" in stem)  # frames from 0
        boxes += [(one["category_id"], tuple(one["bbox"]), one["area"]) for one in said["annotations"]]
    liver = [(1, (7, 4, 3, 2), 6)] * 3 * SEGMENTED
    tumours = [(2, (3 + number, 12, 1, 1), 1) for number in range(SEGMENTED)]
    assert sorted(boxes) == sorted(liver + tumours)
    database.close()


def test_bids_has_the_mr_whose_contrast_is_known(dataset, tmp_path):
    exported = export(dataset, tmp_path / "bids", "bids")
    assert sum(exported.cases.values()) == 1
    assert exported.left_out["Its contrast is not known, or it is no anatomical image."] == 1
    [volume] = (tmp_path / "bids").glob("sub-*/ses-*/anat/*_T1w.nii.gz")
    assert volume.name == f"{volume.parts[-4]}_{volume.parts[-3]}_run-01_T1w.nii.gz"
    sidecar = json.loads(volume.with_name(volume.name.replace(".nii.gz", ".json")).read_text())
    assert (sidecar["RepetitionTime"], sidecar["EchoTime"]) == (0.01, 0.003)
    with (tmp_path / "bids" / "participants.tsv").open() as file:
        [row] = csv.DictReader(file, dialect="excel-tab")
    assert row["participant_id"] == volume.parts[-4]
    assert row["sex"] == "F"
    assert "PAT-" not in "".join(
        path.read_text() for path in (tmp_path / "bids").rglob("*") if path.suffix in (".json", ".tsv")
    )
    assert nibabel.load(volume).shape == (16, 16, 3)


def test_bids_is_sound_and_its_gradients_are_those_of_dcm2niix(tmp_path):
    """Five directions and two unweighted volumes of an oblique brain; and what is not taken for anything of BIDS."""
    for number, maker in enumerate(("SIEMENS", "GE MEDICAL SYSTEMS")):
        _diffusion(tmp_path / "source" / maker, f"PAT-{number}", maker)
    for name, about in {
        "bold": {},
        "t2": {"ImageType": ["ORIGINAL", "PRIMARY", "P"]},
        "t1": {"study": "1.2.3"},
        "t1 ": {},
    }.items():
        more = {"patient_id": "PAT-0", "SeriesDescription": name, "pixels": noise(len(name), 3)} | about
        mr_series(tmp_path / "source" / f"{name}-", 3, **more)
    build(tmp_path / "source", tmp_path / "set", BuildOptions(nifti=True, shares=(1, 0, 0)))
    exported = export(tmp_path / "set", tmp_path / "bids", "bids")
    assert exported.cases == {"train": 3}
    assert sorted(exported.left_out.values()) == [1, 1, 1]
    validated = subprocess.run(
        [Path(sys.executable).with_name("bids-validator-deno"), tmp_path / "bids", "--json"],
        capture_output=True,
    )
    issues = json.loads(validated.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert {issue["code"] for issue in issues if "RECOMMENDED" not in issue["code"]} <= {
        *("NO_AUTHORS", "TOO_FEW_AUTHORS", "README_FILE_SMALL", "MISSING_SESSION")
    }
    [ours] = (tmp_path / "bids").glob("sub-*/ses-*/dwi/*_dwi.nii.gz")
    (tmp_path / "theirs").mkdir()
    subprocess.run(
        [DCM2NIIX, "-f", "theirs", "-o", tmp_path / "theirs", tmp_path / "source" / "SIEMENS"],
        check=True,
        capture_output=True,
    )
    found, expected = _in_space(ours.with_name(ours.name[:-7])), _in_space(tmp_path / "theirs" / "theirs")
    assert len(found) == 7
    assert np.allclose(found, expected, atol=1e-5)
    assert np.allclose(found[1:6, 1:], [(-x, -y, z) for x, y, z in DIRECTIONS], atol=1e-6)


def _diffusion(folder, patient_id, manufacturer):
    """Volumes told apart by nothing but b-value and direction; their axes are those of no patient."""
    right, down, normal = np.linalg.qr(np.array([[3, 1, 0], [1, 2, 1], [0, 1, 4.0]]))[0].T
    normal = np.cross(right, down)
    for volume, direction in enumerate((None, *DIRECTIONS, None)):
        mr_series(
            folder / str(volume),
            4,
            patient_id=patient_id,
            study=generate_uid(entropy_srcs=[manufacturer]),
            series=generate_uid(entropy_srcs=[manufacturer, "series"]),
            pixels=noise(volume, 4),
            SOPInstanceUID=lambda _: generate_uid(),
            SeriesDescription="ep2d_diff",
            Manufacturer=manufacturer,
            FrameOfReferenceUID="1.2.3.4",
            InstanceNumber=lambda index, volume=volume: 4 * volume + index + 1,
            AcquisitionNumber=volume + 1,
            ImageOrientationPatient=[*right, *down],
            ImagePositionPatient=lambda index: [*(normal * 2.5 * index)],
            DiffusionBValue=1000.0 if direction else 0.0,
            DiffusionGradientOrientation=list(direction) if direction else None,
        )


def _in_space(stem):
    """b-value and direction of each volume in the patient (RAS): undoes what FSL wants."""
    axes = nibabel.load(next(stem.parent.glob(f"{stem.name}.nii*"))).affine[:3, :3]
    axes = axes / np.linalg.norm(axes, axis=0)
    values, vectors = np.loadtxt(f"{stem}.bval"), np.loadtxt(f"{stem}.bvec")
    if np.linalg.det(axes) > 0:
        vectors[0] *= -1
    return np.column_stack([values, (axes @ vectors).T])


@pytest.mark.parametrize(
    ("acquisition", "description", "suffix"),
    [
        ({}, "AX T2 FLAIR", "FLAIR"),
        ({}, "t2_tse_tra", "T2w"),
        ({}, "SAG T2*", "T2starw"),
        ({"ProtocolName": "MPRAGE"}, "", "T1w"),
        ({}, "ep2d_diff_T1", ""),
        ({"ScanningSequence": "SE", "EchoTime": "90", "RepetitionTime": "4000"}, "", "T2w"),
        (
            {
                "ScanningSequence": "SE\\IR",
                "EchoTime": "90",
                "RepetitionTime": "9000",
                "InversionTime": "2500",
            },
            "",
            "FLAIR",
        ),
        ({"ScanningSequence": "SE", "EchoTime": "12", "RepetitionTime": "500"}, "", "T1w"),
        ({"ScanningSequence": "SE", "EchoTime": "12", "RepetitionTime": "2500"}, "", "PDw"),
        ({"ScanningSequence": "GR", "EchoTime": "3", "RepetitionTime": "10"}, "", ""),
        ({"ScanningSequence": "SE", "EchoTime": "x", "RepetitionTime": "10"}, "", ""),
    ],
)
def test_a_contrast_by_its_name_or_its_times(acquisition, description, suffix):
    assert contrast_of(acquisition, description) == suffix


def test_pandas_reads_the_table(dataset, tmp_path):
    import pandas

    export(dataset, tmp_path / "images.parquet", "parquet")
    table = pandas.read_parquet(tmp_path / "images.parquet")
    assert len(table) == 21
    assert set(table["split"]) == {"train", "validation", "test"}
    assert table.groupby("patient_id")["split"].nunique().max() == 1
    assert table["used_window_width"].notna().all()
    assert table["used_rule"].eq("smallest to greatest value").all()
    assert table["window_center"].isna().all()
    assert (dataset / table["picture_path"][0]).is_file()


def test_nothing_is_overwritten_and_nothing_partial_stays(dataset, tmp_path, monkeypatch):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(TargetExists):
        export(dataset, tmp_path / "mine", "coco")
    patient(tmp_path / "source", 1)
    build(tmp_path / "source", tmp_path / "set")
    with pytest.raises(NothingToExport, match=r"1 series: It is no volume\."):
        export(tmp_path / "set", tmp_path / "out", "nnunet")
    exported = export(tmp_path / "set", tmp_path / "pictures", "monai")
    assert sum(exported.cases.values()) == 2
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingPackage):
        export(dataset, tmp_path / "out", "parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "pictures", "set", "source"]


def test_a_real_segmentation_becomes_boxes_round_a_liver(samples, tmp_path):
    build(samples / "seg_ct3slice_liver", tmp_path / "set", BuildOptions(shares=(1, 0, 0)))
    assert export(tmp_path / "set", tmp_path / "coco", "coco").cases == {"train": 1}
    said = json.loads((tmp_path / "coco" / "annotations" / "train.json").read_text())
    assert len(said["images"]) == 3
    [liver] = [one["id"] for one in said["categories"] if one["name"] == "Liver"]
    found = [(one["bbox"], one["area"]) for one in said["annotations"] if one["category_id"] == liver]
    masks = [mask for mask in dcmread(samples / "seg_ct3slice_liver" / "liver.dcm").pixel_array if mask.any()]
    expected = []
    for mask in masks:  # other segments lie over it
        (top, *_, bottom), (left, *_, right) = (
            np.flatnonzero(mask.any(axis=axis)).tolist() for axis in (1, 0)
        )
        expected.append(([left, top, right - left + 1, bottom - top + 1], mask.sum()))
    assert sorted(found) == sorted(expected)
    assert len(expected) == 3
