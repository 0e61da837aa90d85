# SPDX-License-Identifier: Apache-2.0
"""The app as the gateway starts it: the real package and nnU-Net, offline, with a network trained on phantoms."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series
from dicom_tools import dciodvfy_errors, dsrdump
from highdicom.seg import segread
from result_files import Written
from running import WarmWorker, environment, run
from totalsegmentator_case import APP, CLASS_OF, ORGANS, Scored, kinds, rendered, segmented, written

GANTRY = Path(sys.executable).with_name("gantry")
EVERYTHING = ["segmentation", "measurements", "text-report", "secondary-capture"]
SEED, OTHER = 7, 8
# In every Python process of the app: what would leave the machine is noted and refused.
WATCH = """
import os, sys
def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname") or (
        event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple)
    ):
        with open(os.environ["WATCHED"], "a") as file:
            file.write(f"{event} {arguments}\\n")
        raise OSError("no network in this test")
sys.addaudithook(watch)
"""


@pytest.fixture(scope="session")
def models(test_models):
    """The small networks, trained on phantoms."""
    return test_models("totalsegmentator")


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Environment in which sockets are watched, and the file that what was tried is noted in."""
    folder = tmp_path_factory.mktemp("watch")
    (folder / "sitecustomize.py").write_text(WATCH)
    return {"PYTHONPATH": str(folder), "WATCHED": str(folder / "tried")}


@pytest.fixture(scope="module")
def worker(models, watched, tmp_path_factory):
    """A warm worker, which does most runs."""
    folder = tmp_path_factory.mktemp("worker")
    started = WarmWorker(APP / "app.py", folder, HOLOSCAN_MODEL_PATH=str(models), **watched)
    assert started.hear() == {"ready": True}, started.stderr.read_text()
    yield started
    started.close()


def work(worker, source, name, models, profile="") -> Written:
    output = worker.order(source, name, {"profile": profile} if profile else None, models=str(models))
    assert worker.hear() == {"exit": 0}, worker.log(name).read_text()
    return Written(output)


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return written(SEED, tmp_path_factory.mktemp("torso") / "series")


@pytest.fixture(scope="module")
def torso(worker, series, models):
    """The results of one torso."""
    return work(worker, series, "torso", models)


def test_organs_of_a_phantom_it_was_not_trained_on_are_found(torso):
    labelmap, names = segmented(torso, rendered(SEED).grid)
    assert {
        organ: score
        for organ, score in Scored.of(labelmap, names, rendered(SEED)).by_organ.items()
        if score < 0.7
    } == {}


def test_the_results_are_four_objects_that_validators_accept(torso):
    assert kinds(torso) == EVERYTHING
    for result in torso.document["results"]:
        assert dciodvfy_errors(torso.folder / result["file"]) == []


def test_segments_are_numbered_without_gaps_and_say_what_and_which_side(torso):
    items = list(torso["segmentation-0"].SegmentSequence)
    assert [item.SegmentNumber for item in items] == list(range(1, len(items) + 1))
    known = {item.SegmentLabel: item for item in items}
    for organ in ORGANS:
        label = CLASS_OF.get(organ, organ).replace("_", " ")
        [what] = known[label].SegmentedPropertyTypeCodeSequence
        assert known[label].SegmentedPropertyCategoryCodeSequence[0].CodeValue == "123037004"
        side = {"left": "7771000", "right": "24028007"}.get(organ.rpartition("_")[2])
        if side and organ.startswith("kidney"):
            assert what.CodeValue == "64033007"
            assert what.SegmentedPropertyTypeModifierCodeSequence[0].CodeValue == side
    colors = {tuple(item.RecommendedDisplayCIELabValue) for item in items}
    assert len(colors) == len(items)


def test_numbers_are_those_of_the_segments_and_near_the_truth(torso):
    labelmap, names = segmented(torso, rendered(SEED).grid)
    phantom = rendered(SEED)
    measured = {(each["site"], each["name"]): each["value"] for each in torso.document["measurements"]}
    voxel_ml = phantom.grid.voxel_ml
    for number, name in enumerate(names, start=1):
        voxels = labelmap == number
        site = name.replace("_", " ")
        volume_ml = next(
            value for (where, what), value in measured.items() if where == site and "olume" in what
        )
        mean_hu = next(
            value for (where, what), value in measured.items() if where == site and "olume" not in what
        )
        assert volume_ml == pytest.approx(voxels.sum() * voxel_ml, abs=0.06)
        assert mean_hu == pytest.approx(phantom.array[voxels].mean(), abs=0.06)
        assert f"{volume_ml:.1f}" in torso["text-report-0"].ContentSequence[0].TextValue
    true_ml = (phantom.labelmap == phantom.organs["liver"]).sum() * voxel_ml
    assert measured[("liver", "Volume")] == pytest.approx(true_ml, rel=0.3)


def test_the_picture_shows_the_organs_in_colour(torso):
    picture = torso["secondary-capture-0"].pixel_array.astype(int)
    assert (np.ptp(picture, axis=-1) > 60).sum() > 5000


def test_nothing_left_the_machine(torso, watched):
    assert not Path(watched["WATCHED"]).exists()


def test_the_watch_sees_what_the_package_sends_when_it_may(watched, tmp_path):
    call = (
        "from totalsegmentator.config import send_usage_stats as send\n"
        "keys = 'task fast preview multilabel roi_subset statistics radiomics'\n"
        "send({'send_usage_stats': True, 'totalseg_id': 'x', 'prediction_counter': 1}, dict.fromkeys(keys.split()))"
    )
    seen = tmp_path / "tried"
    variables = environment(**watched | {"WATCHED": str(seen), "TOTALSEG_HOME_DIR": str(tmp_path)})
    subprocess.run([sys.executable, "-c", call], env=variables, check=True, timeout=100)
    assert "stats.totalsegmentator.com" in seen.read_text()


@pytest.fixture(scope="module")
def between(torso, worker, models, tmp_path_factory):
    """Another patient, after the first one, with the profile for the abdomen."""
    source = written(OTHER, tmp_path_factory.mktemp("other") / "series")
    return work(worker, source, "between", models, "abdomen-fast")


def test_another_patient_in_between_changes_no_byte(torso, between, worker, series, models):
    assert work(worker, series, "again", models).bytes() == torso.bytes()


def test_classes_that_were_not_asked_for_are_left_out(between):
    labels = {item.SegmentLabel for item in between["segmentation-0"].SegmentSequence}
    assert "liver" in labels
    assert not any("lung" in label for label in labels)
    assert "not found: pancreas" in between.document["findings"]


def test_a_cold_run_by_hand_gives_what_the_warm_worker_gave(torso, series, models, tmp_path):
    done = run(APP / "app.py", series, tmp_path / "cold", HOLOSCAN_MODEL_PATH=str(models))
    assert done.returncode == 0, done.stderr
    assert Written(tmp_path / "cold").bytes() == torso.bytes()


def test_gantry_apps_run_takes_the_models_folder_and_a_profile(series, models, tmp_path):
    arguments = [series, tmp_path / "out", "--models", models, "--profile", "body-fast"]
    done = subprocess.run(
        [GANTRY, "apps", "run", "totalsegmentator", *arguments],
        capture_output=True, text=True, check=False, cwd=APP.parents[1], timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [found] = (tmp_path / "out").rglob("segmentation-0.dcm")
    labels = {item.SegmentLabel for item in segread(found).SegmentSequence}
    assert labels == {"body trunc"}


def test_however_the_patient_lies_the_organs_are_where_they_are(worker, models, tmp_path):
    """Prone and feet first: rows, columns and the order of the instances run the other way."""
    source = written(SEED, tmp_path / "series", patient_position="FFP")
    scores = Scored.of(
        *segmented(work(worker, source, "prone", models), rendered(SEED).grid), rendered(SEED)
    ).by_organ
    assert {organ: score for organ, score in scores.items() if score < 0.7} == {}


def test_air_has_no_segmentation_and_the_report_says_so(worker, models, tmp_path):
    ct_series(tmp_path / "air", slices=24, rows=64, columns=64, pixels=np.full((24, 64, 64), 24, np.int16))
    result = work(worker, tmp_path / "air", "air", models, "body-fast")
    assert kinds(result) == ["text-report", "secondary-capture"]
    assert result.document["findings"] == ["not found: none of the task's classes is in this series"]
    assert "not found" in dsrdump(result.folder / "text-report-0.dcm")


# what is refused, each in a cold process that ends before it loads a network


def refused(series: Path, output: Path, models: Path | None, profile: str = "") -> tuple[int, dict]:
    variables = {"HOLOSCAN_MODEL_PATH": str(models)} if models else {}
    done = run(APP / "app.py", series, output, {"profile": profile} if profile else None, **variables)
    return done.returncode, json.loads((output / "error.json").read_bytes())


def test_missing_weights_are_named_with_the_command_that_fetches_them(series, tmp_path):
    (tmp_path / "empty").mkdir()
    status, error = refused(series, tmp_path / "out", tmp_path / "empty")
    assert (status, error["error"]) == (1, "MissingModel")
    assert "Dataset297" in error["message"]
    assert "scripts/fetch-models totalsegmentator" in error["hint"]


def test_a_checkpoint_with_another_hash_is_refused_before_it_is_unpickled(series, models, tmp_path):
    changed = tmp_path / "models"
    shutil.copytree(models, changed)
    checkpoint = next(changed.glob("Dataset297*/*/fold_0/checkpoint_final.pth"))
    ran = tmp_path / "ran"
    payload = b"cos\nsystem\n(S'touch %s'\ntR." % str(ran).encode()
    checkpoint.write_bytes(payload)
    status, error = refused(series, tmp_path / "out", changed)
    assert (status, error["error"]) == (1, "WrongModel")
    assert not ran.exists()
    pickle.loads(payload)  # it would have run
    assert ran.exists()
