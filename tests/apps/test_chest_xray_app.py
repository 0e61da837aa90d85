# SPDX-License-Identifier: Apache-2.0
"""The app as the gateway starts it: from a DICOM file to coded report, table, picture and page."""

import hashlib
import importlib.util
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from code_tables import codes_in, wrong_with
from dicom_tools import dciodvfy_errors, dsrdump, sr_validator_errors
from pydicom import dcmread
from pypdf import PdfReader
from result_files import Written
from running import WarmWorker, run

from imaging_data import NoMatchingSeries, SeveralImages, UnusableSeries, find_instances
from imaging_data.phantom.radiograph import FINDINGS, chest_radiograph
from imaging_data.phantom.radiograph_file import write_radiograph
from imaging_operators.errors import MissingModel, WrongModel

APP = Path(__file__).parents[2] / "apps" / "chest_xray"
RESEARCH_ONLY = "NOT FOR CLINICAL USE - RESEARCH ONLY"
EVERYTHING = ["classification", "text-report", "secondary-capture", "pdf"]
NAMES = {"Effusion": "Pleural effusion"}  # as they are coded
SIDE = 512


@pytest.fixture(scope="session")
def models(test_models):
    """The small classifier, trained on phantoms."""
    return test_models("chest_xray")


@pytest.fixture(scope="module")
def worker(models, tmp_path_factory):
    started = WarmWorker(APP / "app.py", tmp_path_factory.mktemp("worker"), HOLOSCAN_MODEL_PATH=str(models))
    assert started.hear() == {"ready": True}
    yield started
    started.close()


@pytest.fixture(scope="module")
def effusion(tmp_path_factory):
    """The folder of a phantom with an effusion."""
    path = tmp_path_factory.mktemp("effusion") / "image.dcm"
    write_radiograph(chest_radiograph(1, ["Effusion"], SIDE), path, patient_id="EFF")
    return path.parent


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    path = tmp_path_factory.mktemp("healthy") / "image.dcm"
    write_radiograph(chest_radiograph(2, [], SIDE), path, monochrome1=True)
    return path.parent


def work(worker, source, name, models):
    """A job of the warm worker that goes well."""
    output = worker.order(source, name, models=str(models))
    assert worker.hear() == {"exit": 0}, worker.log(name).read_text()
    return Written(output)


@pytest.fixture(scope="module")
def written(worker, effusion, models):
    return work(worker, effusion, "effusion", models)


@pytest.fixture(scope="module")
def nothing(worker, healthy, models):
    return work(worker, healthy, "healthy", models)


def kinds(written):
    return [result["kind"] for result in written.document["results"]]


def scores(written):
    return {each["name"]: each["value"] for each in written.document["measurements"]}


# what comes out


def test_a_radiograph_gives_four_objects_that_validators_accept(written):
    assert kinds(written) == EVERYTHING
    for result in written.document["results"]:
        assert dciodvfy_errors(written.folder / result["file"]) == []


@pytest.mark.parametrize("name", ["classification-0", "text-report-0"])
def test_the_reports_keep_their_templates(written, name):
    assert sr_validator_errors(written.folder / f"{name}.dcm") == []


def test_the_numbers_of_results_json_are_those_of_the_reports(written):
    found = scores(written)
    assert set(found) == {NAMES.get(name, name) for name in FINDINGS}
    assert found["Pleural effusion"] > 0.5 > max(found["Mass"], found["Cardiomegaly"], found["Pneumothorax"])
    coded, table = (dsrdump(written.folder / f"{kind}-0.dcm") for kind in ("classification", "text-report"))
    for value in found.values():
        assert f'"{value}"' in coded or f'"{value:g}"' in coded
        assert f"{value:.2f}" in table
    assert written.document["findings"] == [
        f"Pleural effusion: score {found['Pleural effusion']:.3g}, above the operating point 0.5"
    ]


def test_scores_are_called_scores_and_the_model_is_named(written):
    for kind in ("classification", "text-report"):
        said = dsrdump(written.folder / f"{kind}-0.dcm").lower()
        assert "score" in said
        assert "gantry's test classifier" in said
        assert "procedural phantoms only" in said
        assert "probabilit" not in said.replace("no probabilities", "")
    assert "operating point 0.5" in dsrdump(written.folder / "text-report-0.dcm")


def test_what_the_model_does_not_judge_is_said_and_not_scored(written):
    table = dsrdump(written.folder / "text-report-0.dcm")
    assert "Not judged by this model: Atelectasis, Consolidation" in table
    assert "Pneumonia" not in scores(written)


def test_every_code_is_a_public_one_or_of_our_declared_scheme(written):
    for dataset in written.objects.values():
        assert [wrong for code in codes_in(dataset) if (wrong := wrong_with(code))] == []
    schemes = {
        item.CodingSchemeDesignator for item in written["classification-0"].CodingSchemeIdentificationSequence
    }
    assert "99GANTRY" in schemes


def test_the_reports_name_the_radiograph_as_their_evidence(written, effusion):
    [path] = effusion.iterdir()
    for name in ("classification-0", "text-report-0"):
        [study] = written[name].CurrentRequestedProcedureEvidenceSequence
        [series] = study.ReferencedSeriesSequence
        [item] = series.ReferencedSOPSequence
        assert item.ReferencedSOPInstanceUID == dcmread(path).SOPInstanceUID


def test_the_picture_shows_the_effusion_in_colour_where_it_is(written):
    picture = written["secondary-capture-0"]
    pixels = picture.pixel_array.astype(int)
    assert picture.PhotometricInterpretation == "RGB"
    colored = np.ptp(pixels[60:500], axis=-1) > 40
    left_panel, right_panel = colored[:, : pixels.shape[1] // 2], colored[:, pixels.shape[1] // 2 :]
    assert left_panel.sum() == 0
    place = chest_radiograph(1, ["Effusion"], SIDE).places["Effusion"]
    assert (np.argwhere(right_panel)[:, 1].mean() > 250) == (np.argwhere(place > 0.5)[:, 1].mean() > SIDE / 2)


def test_without_a_score_above_there_is_no_colour_and_it_is_said(nothing):
    assert kinds(nothing) == EVERYTHING
    pixels = nothing["secondary-capture-0"].pixel_array.astype(int)
    assert (np.ptp(pixels[60:500], axis=-1) <= 40).all()
    assert nothing.document["findings"] == []
    assert max(scores(nothing).values()) < 0.5


def test_the_page_is_one_page_with_the_line_and_the_scores(written):
    document = written["pdf-0"]
    reader = PdfReader(io.BytesIO(document.EncapsulatedDocument))
    assert len(reader.pages) == 1
    text = reader.pages[0].extract_text()
    assert RESEARCH_ONLY in text
    for value in scores(written).values():
        assert f"{value:.2f}" in text
    assert "PHANTOM" not in text
    assert "Trained on: procedural phantoms only" in text


def test_the_model_s_hash_stands_in_results_json(written, models):
    [(name, sha256)] = written.document["models"].items()
    assert hashlib.sha256((models / name).read_bytes()).hexdigest() == sha256


def test_every_result_says_which_model_ran_on_which_engine(written):
    [(model, sha256)] = written.document["models"].items()
    for result in written.objects.values():
        said = result.ContributingEquipmentSequence[1].ContributionDescription
        assert said.startswith(
            ("Computed the result: engine OpenVINO 20", "Computed the result: engine ONNX Runtime 1")
        )
        assert said.endswith(f" on cpu, model {model} SHA-256 {sha256}")


def test_a_cold_run_and_a_warm_one_after_another_patient_give_the_same_bytes(
    worker, effusion, written, nothing, models, tmp_path
):
    done = run(APP / "app.py", effusion, tmp_path / "cold", HOLOSCAN_MODEL_PATH=str(models))
    assert done.returncode == 0, done.stderr
    assert Written(tmp_path / "cold").bytes() == written.bytes()
    assert work(worker, effusion, "again", models).bytes() == written.bytes()


# real radiographs


@pytest.mark.parametrize(
    ("name", "remarks"),
    [
        (
            "cxr_nih_labelled",
            [
                "view not stated: it was taken for a frontal view",
                "body part not stated: it was taken for a chest",
            ],
        ),
        ("cr_chest_mono1_10bit/cxr.dcm", []),
        ("cr_chest_mono1_10bit/CR-MONO1-10-chest", []),
    ],
)
def test_a_real_radiograph_gives_valid_results_and_says_what_is_not_stated(
    worker, models, samples, tmp_path, name, remarks
):
    path = samples / name
    source = path if path.is_dir() else tmp_path
    if path.is_file():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    written = work(worker, source, name.replace("/", "-"), models)
    assert kinds(written) == EVERYTHING
    assert [one for one in written.document["findings"] if "not stated" in one] == remarks
    for remark in remarks:
        assert remark.upper() in dsrdump(written.folder / "text-report-0.dcm")
        assert remark.capitalize() in dsrdump(written.folder / "classification-0.dcm")
    for result in written.document["results"]:
        assert dciodvfy_errors(written.folder / result["file"]) == []


# refusals


@pytest.fixture(scope="module")
def app():
    """The app in this process; its module is called as every app's is."""
    spec = importlib.util.spec_from_file_location("chest_xray_app", APP / "app.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ChestXray()


def refused(app, folder):
    """What the app says of the one series in `folder`."""
    with pytest.raises(UnusableSeries) as error:
        app.read(app.series.select(find_instances(folder).series))
    return error.value


def test_a_lateral_ends_the_run_with_2_and_says_why(models, tmp_path):
    write_radiograph(chest_radiograph(1, side=64), tmp_path / "in" / "image.dcm", ViewPosition="LL")
    done = run(APP / "app.py", tmp_path / "in", tmp_path / "out", HOLOSCAN_MODEL_PATH=str(models))
    assert done.returncode == 2, done.stderr
    error = json.loads((tmp_path / "out" / "error.json").read_text())
    assert error["error"] == "NotAFrontalChest"
    assert "ViewPosition is LL" in error["message"]
    assert "PA or AP" in error["hint"]


def test_a_hand_is_refused_by_name(app, tmp_path):
    write_radiograph(chest_radiograph(1, side=64), tmp_path / "image.dcm", BodyPartExamined="HAND")
    error = refused(app, tmp_path)
    assert type(error).__name__ == "NotAFrontalChest"
    assert "BodyPartExamined is HAND" in str(error)


def test_a_ct_is_refused_by_name(app, chest_series):
    error = refused(app, chest_series)
    assert isinstance(error, NoMatchingSeries)
    assert "Modality is 'CT'" in str(error)


def test_two_views_in_one_series_are_refused_by_name(app, tmp_path):
    for number, view in enumerate(("PA", "AP")):
        write_radiograph(
            chest_radiograph(number, side=64),
            tmp_path / f"{view}.dcm",
            view=view,
            StudyInstanceUID="1.2.3",
            SeriesInstanceUID="1.2.3.4",
        )
    assert isinstance(refused(app, tmp_path), SeveralImages)


def test_a_missing_and_a_changed_model_are_refused_by_name(app, models, tmp_path):
    with pytest.raises(MissingModel, match=r"densenet121-res224-all\.onnx") as missing:
        app.check_models(tmp_path)
    for path in models.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes().replace(b"scores", b"scoreS"))
    with pytest.raises(WrongModel, match="SHA-256") as wrong:
        app.check_models(tmp_path)
    for error in (missing, wrong):
        assert "fetch-models chest_xray" in error.value.hint
