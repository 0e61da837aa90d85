# SPDX-License-Identifier: Apache-2.0
"""What an app says of itself, and how its command line is understood."""

import json
import shutil
import subprocess
import sys

import pytest
from running import APPS, app_file, environment, manifest

import imaging_operators
from imaging_operators import AppInfo, InferenceApp, Needs, SeriesRule
from imaging_operators.digest import app_digest

HEAVY = {"torch", "monai", "holoscan", "highdicom", "cupy"}


@pytest.mark.parametrize("app", ["bright_voxels", "torch_free"])
def test_the_manifest_is_as_agreed(app):
    done = manifest(app)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    keys = {"name", "version", "creator", "digest", "series", "needs", "models", "profiles"}
    assert set(said) - {"cheaper"} == keys
    assert set(said["needs"]) - {"gpu"} == {"cpu", "memory_mb", "gpu_memory_mb", "timeout_s"}
    assert SeriesRule.from_config(said["series"]) == SeriesRule(Modality="CT")


def test_the_manifest_needs_no_monai_deploy():
    program = (
        "import runpy, sys\n"
        "sys.argv[1:] = ['manifest']\n"
        f"runpy.run_path({str(app_file('bright_voxels'))!r}, run_name='__main__')\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment())
    imported = set(done.stderr.split())
    assert {"imaging_operators", "pydicom"} <= imported
    assert not imported & HEAVY


def test_a_word_for_the_gpu_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"Needs\.gpu 'maybe' must be"):
        Needs(gpu="maybe")


@pytest.mark.parametrize("cheaper", [{"fine": "none"}, {"none": "fast"}, {"fine": "fast", "fast": "fine"}])
def test_a_cheaper_profile_must_be_one_and_the_cheapest(cheaper):
    with pytest.raises(ValueError, match=r"AppInfo\.cheaper"):
        AppInfo("a", "1", "b", profiles={"fine": {}, "fast": {}}, cheaper=cheaper)


def test_another_command_is_refused_with_usage():
    done = subprocess.run(
        [sys.executable, app_file("bright_voxels"), "manifests"],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 1
    assert done.stderr == "usage: python app.py [manifest | worker]\n"


def test_needs_and_models_are_in_the_manifest():
    class App(InferenceApp):
        info = AppInfo("a", "1", "b", Needs(cpu=4, memory_mb=1, gpu_memory_mb=2, timeout_s=3.5), ("net.pt",))
        series = SeriesRule(Modality="MR", SliceThickness=(1, 5))

    said = App().manifest()
    assert said["needs"] == {"cpu": 4, "memory_mb": 1, "gpu_memory_mb": 2, "timeout_s": 3.5, "gpu": ""}
    assert said["models"] == ["net.pt"]
    assert json.loads(json.dumps(said)) == said


@pytest.mark.parametrize("key", ["name", "version", "creator"])
@pytest.mark.parametrize("text", ["", "x" * 65, "a\\b"])
def test_texts_that_dicom_cannot_hold_are_refused(key, text):
    with pytest.raises(ValueError, match=f"AppInfo.{key}"):
        AppInfo(**({"name": "n", "version": "v", "creator": "c"} | {key: text}))


@pytest.mark.parametrize("name", imaging_operators.__all__)
def test_every_public_name_is_there(name):
    assert getattr(imaging_operators, name) is not None


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Segmentations'"):
        imaging_operators.Segmentations  # noqa: B018


def digest_of(folder) -> str:
    app_digest.cache_clear()
    return app_digest(folder)


def test_the_digest_is_of_code_requirements_and_models(tmp_path):
    shutil.copytree(APPS / "bright_voxels", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    first = digest_of(tmp_path / "app")
    seen = {first}
    for name in ("requirements.txt", "model.lock", "more.py", "package/module.py"):
        path = tmp_path / "app" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        seen.add(digest_of(tmp_path / "app"))
        path.write_text("y")
        seen.add(digest_of(tmp_path / "app"))
    assert len(seen) == 9
    for name in ("README.md", "expected.json", ".venv/lib.py", "__pycache__/app.py"):
        before = digest_of(tmp_path / "app")
        path = tmp_path / "app" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        assert digest_of(tmp_path / "app") == before


def test_the_digest_does_not_depend_on_the_place(tmp_path):
    for name in ("one", "two"):
        shutil.copytree(APPS / "bright_voxels", tmp_path / name)
    assert digest_of(tmp_path / "one") == digest_of(tmp_path / "two")


def test_the_version_is_the_project_s():
    import tomllib

    project = tomllib.loads((APPS.parents[2] / "pyproject.toml").read_text())["project"]
    assert imaging_operators.__version__ == project["version"]
