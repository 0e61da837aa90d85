# SPDX-License-Identifier: Apache-2.0
"""Bundles that segment: every voxel comes back where it was, whatever the orientation, and as results."""

import warnings
from itertools import permutations, product

import numpy as np
import pytest
import torch
from builders import mr_series
from bundles import BACK, INFERENCE, SEGMENTS, TURNED, weights_above, write_bundle
from dicom_tools import dciodvfy_errors, dsrdump
from pydicom.uid import generate_uid
from result_files import ct, shown, write

from imaging_data import NotAVolume, find_instances
from imaging_operators import graph  # noqa: F401 - makes holoscan, which `import monai` imports, ready
from imaging_operators.bundle.app import BundleApp
from imaging_operators.bundle.errors import BadBundle, NotASingleSlice
from imaging_operators.errors import InvalidResult

SHAPE = (5, 7, 9)
AXES = np.eye(3)
ORIENTATIONS = [
    [float(part) + 0 for part in (*(sign_row * AXES[row]), *(sign_column * AXES[column]))]
    for (row, column), sign_row, sign_column in product(permutations(range(3), 2), (1, -1), (1, -1))
]
OBLIQUE = [0.8, 0.6, 0, -0.48, 0.64, 0.6]


class LeftHalf(torch.nn.Module):
    """Two outputs, the second of which wins in the half of higher x."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        half = image.shape[2] // 2
        found = torch.zeros_like(image)
        found[:, :, half:] = 1
        return torch.cat([0.5 * torch.ones_like(image), found], 1)


def app_of(folder):
    app = BundleApp(folder)
    app.setup(folder / "models")
    return app


def labelmap_of(app, volume):
    return app.inference.labelmap(getattr(volume, "channels", (volume,)))


def turned_ct(folder, orientation, stored):
    """A CT whose rows and columns run as `orientation` says."""
    right, down = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(right, down)
    return ct(
        folder,
        slices=SHAPE[0],
        rows=SHAPE[1],
        columns=SHAPE[2],
        spacing=(3.0, 1.5, 1.0),
        pixels=stored,
        ImageOrientationPatient=list(map(float, orientation)),
        ImagePositionPatient=lambda k: [float(each) for each in 10 * AXES[0] + 3.0 * k * normal],
    )


@pytest.fixture(scope="module")
def bright(tmp_path_factory):
    return app_of(write_bundle(tmp_path_factory.mktemp("bright")))


@pytest.fixture(scope="module")
def left_half(tmp_path_factory):
    """The same transforms round a TorchScript network that knows left from right."""
    folder = write_bundle(
        tmp_path_factory.mktemp("left"), {"gantry.weights": "model.ts"}, {"network_def": None}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(LeftHalf()).save(str(folder / "models" / "model.ts"))
    return app_of(folder)


@pytest.mark.parametrize(
    "orientation", [*ORIENTATIONS, OBLIQUE], ids=lambda cosines: " ".join(f"{each:g}" for each in cosines)
)
def test_voxels_come_back_where_they_were(bright, left_half, tmp_path, orientation):
    stored = np.random.default_rng(3).integers(1024, 1700, SHAPE).astype(np.uint16)
    volume = turned_ct(tmp_path, orientation, stored)
    assert np.array_equal(labelmap_of(bright, volume), volume.array > 300)
    labelled = np.argwhere(labelmap_of(left_half, volume))
    along = np.abs(volume.affine[0, :3] / volume.spacing_mm).argmax()  # the axis that runs most along x
    x = (volume.affine[:, along] * labelled[:, along, None])[:, 0]
    middle = volume.affine[0, along] * (volume.shape[along] - 1) / 2
    assert len(labelled) * 2 >= volume.array.size
    assert (x >= middle - 1e-6).all()


def test_another_spacing_is_undone(tmp_path):
    """At half the resolution and back: the edges move by less than a voxel of the coarse grid."""
    coarse = {"_target_": "Spacingd", "keys": "image", "pixdim": [2.0, 2.0, 2.0]}
    transforms = [*INFERENCE["preprocessing"]["transforms"][:3], coarse]
    app = app_of(write_bundle(tmp_path / "bundle", inference={"preprocessing.transforms": transforms}))
    stored = np.full((20, 24, 28), 1024, np.uint16)
    stored[4:12, 6:14, 10:24] = 2000
    volume = ct(tmp_path / "ct", slices=20, rows=24, columns=28, spacing=(1.0, 1.0, 1.0), pixels=stored)
    found = labelmap_of(app, volume) > 0
    assert found[6:10, 8:12, 12:22].all()
    assert not found[[0, 1, 15, 19]].any()
    assert found.shape == volume.shape


def test_the_results_are_what_was_segmented(tmp_path):
    rows = SEGMENTS + "usual_ml = [1, 2]\nusual_mean = [0, 100]\n"
    app = app_of(write_bundle(tmp_path / "bundle", segments=rows))
    stored = np.full((6, 16, 16), 1000, np.uint16)
    stored[2:4, 3:9, 5:7] = 1500
    volume = ct(tmp_path / "ct", slices=6, pixels=stored)
    written = write(tmp_path / "out", volume, app.predict(volume), info=app.info, digest=app.digest)
    assert np.array_equal(shown(written["segmentation-0"], volume), volume.array > 300)
    measured = {each["name"]: each["value"] for each in written.document["measurements"]}
    assert measured == {"Volume": 0.1, "Attenuation Coefficient (Mean)": 476.0}
    assert written.document["findings"] == [
        "Made for a test.",
        "Bright tissue: volume 0 ml is outside the usual 1 to 2 ml",
        "Bright tissue: mean 476 is outside the usual 0 to 100",
    ]
    assert "Made for a test." in dsrdump(written.folder / "text-report-0.dcm")
    for result in written.document["results"]:
        assert dciodvfy_errors(written.folder / result["file"]) == []


def test_without_a_bright_voxel_there_is_no_segmentation(bright, tmp_path):
    volume = ct(tmp_path / "ct", pixels=np.zeros((8, 16, 16), np.uint16))
    written = write(tmp_path / "out", volume, bright.predict(volume), info=bright.info)
    assert [each["kind"] for each in written.document["results"]] == ["text-report", "secondary-capture"]
    assert "not found: Bright tissue" in written.document["findings"]
    assert "Nothing was found." in dsrdump(written.folder / "text-report-0.dcm")


def test_a_segment_that_is_missing_does_not_move_the_others(tmp_path):
    second = SEGMENTS.replace("number = 1", "number = 2").replace("Bright tissue", "Brightest tissue")
    weights = {"weight": torch.zeros(3, 1, 1, 1, 1), "bias": torch.tensor([0.0, -1e6, -300.0])}
    weights["weight"][2] = 1
    outputs = {"network_data_format.outputs.pred.num_channels": 3}
    app = app_of(
        write_bundle(tmp_path / "b", outputs, {"network_def.out_channels": 3}, weights, SEGMENTS + second)
    )
    volume = ct(tmp_path / "ct")
    segmentation, *_ = app.predict(volume)
    assert [(each.number, each.label) for each in segmentation.segments] == [(1, "Brightest tissue")]
    assert np.array_equal(segmentation.labelmap, volume.array > 300)


def test_a_result_of_which_most_is_not_as_usual_says_so_and_leaves_no_mask(tmp_path):
    rows = SEGMENTS + "usual_mean = [0, 100]\n" + SEGMENTS.replace("number = 1", "number = 2")
    weights = {"weight": torch.zeros(3, 1, 1, 1, 1), "bias": torch.tensor([0.0, -300.0, -1e6])}
    weights["weight"][1] = 1
    outputs = {"network_data_format.outputs.pred.num_channels": 3, "gantry.notice": None}
    app = app_of(write_bundle(tmp_path / "b", outputs, {"network_def.out_channels": 3}, weights, rows))
    stored = np.full((6, 16, 16), 1000, np.uint16)
    stored[2:4, 3:9, 5:7] = 1500
    text, picture = app.predict(ct(tmp_path / "ct", slices=6, pixels=stored))
    assert picture.kind == "secondary-capture"
    assert text.findings == (
        "not found: Bright tissue",
        "UNLIKELY RESULT: 2 of 2 segments are missing or not as usual; no segmentation is returned",
        "Bright tissue: mean 476 is outside the usual 0 to 100",
    )


# what goes wrong in the transforms


@pytest.mark.parametrize(
    ("inference", "said"),
    [
        ({"postprocessing.transforms": BACK[1:]}, r"postprocessing leaves \(2, 8, 16, 16\)"),
        (
            {
                "preprocessing.transforms": [
                    TURNED,
                    {"_target_": "Resized", "keys": "image", "spatial_size": [8, 8, 4]},
                ],
                "postprocessing.transforms": BACK[:1],
            },
            r"postprocessing leaves \(1, 4, 8, 8\)",
        ),
        (
            {"preprocessing.transforms": [TURNED | {"keys": "img"}]},
            "preprocessing: .*img.*The key of the image is 'image'",
        ),
    ],
)
def test_transforms_that_do_not_lead_back_are_refused(tmp_path, inference, said):
    app = app_of(write_bundle(tmp_path / "bundle", inference=inference))
    with pytest.raises(BadBundle, match=said):
        labelmap_of(app, ct(tmp_path / "ct"))


def test_a_model_that_gives_nan_is_refused(tmp_path):
    app = app_of(write_bundle(tmp_path / "bundle", weights=weights_above(float("nan"))))
    with pytest.raises(InvalidResult, match="holds NaN or infinity"):
        labelmap_of(app, ct(tmp_path / "ct"))


# two channels


@pytest.fixture(scope="module")
def difference(tmp_path_factory):
    """A bundle of two MR echoes: what is brighter by 50 in the first."""
    mr = {
        "name": "echo difference",
        "network_data_format.inputs.image.modality": "MR",
        "network_data_format.inputs.image.num_channels": 2,
        "gantry.channels": "EchoTime",
    }
    folder = tmp_path_factory.mktemp("difference")
    network = {"network_def.in_channels": 2}
    return app_of(write_bundle(folder, mr, network, weights_above(50, (1.0, -1.0))))


def dual_echo(folder, seed=1, **late):
    """Both echoes in one series, the later one written first."""
    uids = {"study": generate_uid(), "series": generate_uid(), "FrameOfReferenceUID": generate_uid()}
    pixels = np.random.default_rng(seed).integers(0, 200, (2, 8, 16, 16)).astype(np.uint16)
    mr_series(
        folder / "late",
        pixels=pixels[1],
        EchoTime="80",
        SOPInstanceUID=lambda _: generate_uid(),
        **uids | late,
    )
    mr_series(folder / "early", pixels=pixels[0], EchoTime="10", **uids)
    [series] = find_instances(folder).series
    return series, pixels.astype(float)


def test_two_echoes_of_one_series_go_in_together(difference, tmp_path):
    series, (early, late) = dual_echo(tmp_path / "mr")
    volume = difference.read(series)
    written = write(tmp_path / "out", volume, difference.predict(volume), info=difference.info)
    found = early - late > 50
    assert np.array_equal(shown(written["segmentation-0"], volume), found)
    [volume_ml, mean] = [each["value"] for each in written.document["measurements"]]
    assert volume_ml == round(found.sum() * 2.5 / 1000, 1)
    assert mean == round(early[found].mean(), 1)
    assert written.document["input"]["instances"] == 16
    for result in written.document["results"]:
        assert dciodvfy_errors(written.folder / result["file"]) == []


def test_the_reports_refer_to_the_instances_of_both_echoes(difference, tmp_path):
    series, _ = dual_echo(tmp_path / "mr")
    volume = difference.read(series)
    written = write(tmp_path / "out", volume, difference.predict(volume), info=difference.info)
    evidence = written["text-report-0"].CurrentRequestedProcedureEvidenceSequence
    named = {
        item.ReferencedSOPInstanceUID
        for study in evidence
        for one in study.ReferencedSeriesSequence
        for item in one.ReferencedSOPSequence
    }
    assert {instance.sop_instance_uid for instance in series.instances} <= named


def test_echoes_on_other_grids_are_refused_before_the_model(difference, tmp_path):
    series, _ = dual_echo(tmp_path, ImagePositionPatient=lambda k: [5.0, 0.0, 2.5 * k])
    with pytest.raises(NotAVolume, match=r"lies up to 5\.00 mm off"):
        difference.read(series)


def test_a_flat_bundle_takes_a_single_slice(tmp_path):
    flat = {"network_data_format.inputs.image.spatial_shape": ["*", "*"]}
    app = app_of(write_bundle(tmp_path / "bundle", flat))
    with pytest.raises(NotASingleSlice, match="It has 8"):
        app.predict(ct(tmp_path / "ct"))
