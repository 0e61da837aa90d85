# SPDX-License-Identifier: Apache-2.0
"""An app's profiles: declared, asked for by the job, in its results and in their UIDs."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series
from result_files import all_kinds, ct, write
from running import WarmWorker, manifest, run

from imaging_operators import AppInfo, InferenceApp, SeriesRule, TextReport
from imaging_operators.context import JobContext
from imaging_operators.errors import BadJob

NAMES = {"name": "a", "version": "1", "creator": "b"}
FAST = {"fast": {"steps": [1, 2], "mirror": False}, "fine": {}}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    pixels = np.full((3, 8, 8), 1024, np.int16)
    pixels[1, :2, :2] = 1124
    ct_series(folder, slices=3, pixels=pixels)
    return folder


@pytest.fixture(scope="module")
def jobs(source, tmp_path_factory):
    """One worker's answers to a job of each profile, the default one again at the end."""
    worker = WarmWorker("profiled", tmp_path_factory.mktemp("worker"))
    assert worker.hear() == {"ready": True}
    asked = {"default": {}, "every": {"profile": "every"}, "bright": {"profile": "bright"}, "again": {}}
    done = {name: worker.work(source, name, job) for name, job in asked.items()}
    yield done
    worker.close()


def said(written) -> str:
    return re.search(r"(bright|all) -?\d+: \d+", written["text-report-0"].to_json())[0]


def test_the_first_profile_is_the_default_and_a_job_may_ask_for_another(jobs):
    assert said(jobs["default"]) == "bright 50: 4"
    assert said(jobs["every"]) == "all -2000: 192"
    assert {name: written.document["app"]["profile"] for name, written in jobs.items()} == {
        "default": "bright",
        "every": "every",
        "bright": "bright",
        "again": "bright",
    }


def test_what_predict_does_to_its_parameters_does_not_reach_the_next_job(jobs):
    assert jobs["default"].bytes() == jobs["bright"].bytes() == jobs["again"].bytes()


def test_the_profile_is_part_of_the_results_uids(jobs):
    assert jobs["default"]["text-report-0"].SOPInstanceUID != jobs["every"]["text-report-0"].SOPInstanceUID


def test_so_are_its_parameters(tmp_path):
    volume, report = ct(tmp_path / "in"), TextReport("Title", "text")

    def uid(folder: str, level: int, name: str = "p") -> str:
        info = AppInfo(**NAMES, profiles={name: {"level": level}})
        return write(tmp_path / folder, volume, report, info)["text-report-0"].SOPInstanceUID

    one = uid("a", 1)
    assert one == uid("b", 1)
    assert len({one, uid("c", 2), uid("d", 1, "q")}) == 3


def test_a_profile_that_is_not_there_is_named_with_those_that_are(source, tmp_path):
    done = run("profiled", source, tmp_path, {"profile": "dark"})
    assert done.returncode == 1
    error = json.loads((tmp_path / "error.json").read_text())
    assert error["error"] == "BadJob"
    assert "The app has no profile 'dark'. There is: bright, every." in error["message"]
    assert error["hint"] == "Correct `profile` of the route."


def test_an_app_without_profiles_takes_none():
    info = AppInfo(**NAMES)
    assert (info.profile().name, info.profile().parameters) == ("", {})
    with pytest.raises(BadJob, match="There is: none"):
        info.profile("fast")


def test_the_manifest_lists_them():
    shown = json.loads(manifest("profiled").stdout)["profiles"]
    assert list(shown) == ["bright", "every"]
    assert shown["every"] == {"levels": [-2000], "word": "all"}


@pytest.mark.parametrize("name", ["", "Fast", "a b", "x" * 65, "é", "a/b"])
def test_a_name_of_another_kind_is_refused(name):
    with pytest.raises(ValueError, match=re.escape(f"{name!r} must have 1 to 64")):
        AppInfo(**NAMES, profiles={name: {}})


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"x": (1, 2)}, "not the same after JSON"),
        ({"x": float("nan")}, "cannot be JSON"),
        ({"x": object()}, "cannot be JSON"),
        ({"x": {1: 2}}, "not the same after JSON"),
        ({"a b": 1}, "'a b' can be no parameter"),
    ],
)
def test_parameters_that_json_does_not_keep_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        AppInfo(**NAMES, profiles={"p": parameters})


def test_parameters_that_predict_does_not_take_are_refused_in_the_manifest():
    class App(InferenceApp):
        info = AppInfo(**NAMES, profiles=FAST)
        series = SeriesRule(Modality="CT")

        def predict(self, volume, steps=(), mirror=True):
            return TextReport("a", "b")

    class Other(App):
        def predict(self, volume, steps=()):
            return TextReport("a", "b")

    assert App().manifest()["profiles"] == FAST
    with pytest.raises(ValueError, match=r"profile 'fast'.*'mirror'"):
        Other().manifest()


def test_the_jobs_profile_must_be_a_text():
    assert JobContext.from_json({"profile": "fast"}).profile == "fast"
    for key in ("profile", "instead_of"):
        with pytest.raises(BadJob, match=rf"GANTRY_JOB\.{key} 5 is no text"):
            JobContext.from_json({key: 5})


def test_every_result_made_in_a_cheaper_profile_says_so(tmp_path):
    volume, info = ct(tmp_path / "in"), AppInfo(**NAMES, profiles=FAST, cheaper={"fine": "fast"})
    job = {"profile": "fast"}
    as_asked = write(tmp_path / "asked", volume, all_kinds(volume), info, **job)
    cheaper = write(tmp_path / "cheaper", volume, all_kinds(volume), info, **job, instead_of="fine")
    sentence = "made in the cheaper profile fast: fine ran out of GPU memory"
    assert (as_asked.document["notes"], cheaper.document["notes"]) == ([], [sentence])
    kinds = ("segmentation-0", "measurements-0", "text-report-0", "secondary-capture-0")
    for asked, made in ((as_asked[kind], cheaper[kind]) for kind in kinds):
        assert made.SeriesDescription.endswith(" cheaper profile")
        assert "cheaper" not in asked.SeriesDescription
        by_app = made.ContributingEquipmentSequence[1].ContributionDescription
        assert "profile fast (cheaper; fine ran out of GPU memory)" in by_app
        assert made.SOPInstanceUID != asked.SOPInstanceUID
    [text] = cheaper["text-report-0"].ContentSequence
    assert sentence in text.TextValue
