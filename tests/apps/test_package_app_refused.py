# SPDX-License-Identifier: Apache-2.0
"""scripts/package-app refuses what must not go into an image, and says what is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from packageapp import building, pins
from packageapp.__main__ import main
from packageapp.image import entry, sbom
from packaged import ROOT

SHIM = ROOT / "scripts" / "packageapp" / "bin" / "docker"
APP = ROOT / "tests" / "operators" / "apps" / "torch_free"
ORGANS = ROOT / "apps" / "organ_segmentation"
MODEL = "model.safetensors"


@pytest.fixture
def organs(tmp_path) -> Path:
    """A copy of the bundle."""
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(ORGANS, tmp_path / "apps" / "organs", ignore=ignored))


def _package(folder: Path, *arguments: str) -> int:
    return main(["organs", "--context", "--in", str(folder), *arguments])


def test_a_model_with_another_hash_is_refused_and_what_was_there_stays(organs, tmp_path, capsys):
    assert _package(tmp_path) == 0
    model = organs / "models" / MODEL
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    assert _package(tmp_path) == 1
    said = capsys.readouterr().out
    assert f"{MODEL} has SHA-256" in said
    assert "scripts/fetch-models organs" in said
    kept = tmp_path / "build" / "maps" / "organs" / "apps" / "organs" / "models" / MODEL
    assert kept.read_bytes() == (ORGANS / "models" / MODEL).read_bytes()
    assert [path.name for path in (tmp_path / "build" / "maps").iterdir()] == ["organs"]


def test_without_its_model_it_says_so_and_what_nobody_vouches_for_stays_out(organs, tmp_path, capsys):
    (organs / "models" / MODEL).unlink()
    (organs / "models" / "notes.txt").write_text("mine")
    (organs / ".secret").write_text("mine")
    (organs / "configs" / "metadata.json").write_text(
        (ORGANS / "configs" / "metadata.json")
        .read_text()
        .replace('"notice"', f'"weights": "{MODEL}", "notice"')
    )
    assert _package(tmp_path) == 0
    assert f"Without its models: {MODEL}." in capsys.readouterr().out
    context = tmp_path / "build" / "maps" / "organs" / "apps" / "organs"
    assert {path.name for path in context.iterdir()} == {path.name for path in ORGANS.iterdir()} - {"models"}


def test_what_is_no_app_is_refused_by_name(tmp_path, capsys):
    (tmp_path / "apps" / "there").mkdir(parents=True)
    (tmp_path / "apps" / "there" / "README.md").touch()
    assert _package(tmp_path) == 1
    assert "organs has no app.py" in capsys.readouterr().out


def test_a_machine_that_builds_nothing_is_told_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("GANTRY_ENGINE", raising=False)
    assert main([str(APP), "--in", str(tmp_path)]) == 1
    assert "There is no podman, no buildah, and no docker that answers." in capsys.readouterr().out
    monkeypatch.setenv("GANTRY_ENGINE", "/no/such/engine")
    assert main([str(APP), "--in", str(tmp_path)]) == 1
    assert "GANTRY_ENGINE is /no/such/engine" in capsys.readouterr().out


def test_a_builder_that_fails_fails_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANTRY_ENGINE", shutil.which("false"))
    assert main([str(APP), "--in", str(tmp_path), "--base-image", "any"]) == 1
    assert "The image was not built." in capsys.readouterr().out


@pytest.mark.parametrize(("status", "found"), [(0, "docker"), (1, None)])
def test_docker_is_taken_only_when_it_answers(tmp_path, monkeypatch, status, found):
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\nexit {status}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("GANTRY_ENGINE", raising=False)
    if found:
        assert building.find_builder() == str(docker)
    else:
        with pytest.raises(building.NoBuilder):
            building.find_builder()


BUILD = (
    "buildx build --builder b --cache-from type=local,src=c --pull --load --platform linux/amd64 --tag t ctx"
)


@pytest.mark.parametrize(
    ("kind", "offline", "said"),
    [
        ("podman", "1", "build --network none --pull=never --format docker --tag t ctx"),
        ("buildah", "1", "build --network none --pull=never --format docker --tag t ctx"),
        ("Docker", "1", "build --network none --tag t ctx"),
        ("podman", "", "build --format docker --tag t ctx"),
        ("Docker", "", "build --tag t ctx"),
    ],
)
def test_what_the_packager_asks_of_buildx_is_asked_of_the_builder_that_is_there(
    tmp_path, kind, offline, said
):
    assert _shim(tmp_path, kind, BUILD, offline) == (0, said)


@pytest.mark.parametrize(
    "asked", ["buildx bake", "run image", "buildx build --push .", "buildx build --output=x ."]
)
def test_what_the_packagers_docker_does_not_know_is_refused(tmp_path, asked):
    assert _shim(tmp_path, "podman", asked) == (64, "")


def test_nothing_is_pulled_offline(tmp_path):
    assert _shim(tmp_path, "podman", "image pull base", "1") == (1, "")
    assert _shim(tmp_path, "podman", "image pull base") == (0, "pull base")


def _shim(folder: Path, kind: str, asked: str, offline: str = "") -> tuple[int, str]:
    """Exit status of `docker ASKED`, and what the builder was asked."""
    builder = folder / "builder"
    builder.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{kind} version 4" || echo "$@"\n')
    builder.chmod(0o755)
    environment = os.environ | {"GANTRY_BUILDER": str(builder), "GANTRY_BUILD_OFFLINE": offline}
    done = subprocess.run(
        [SHIM, *asked.split()], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.strip()


def test_the_entry_gives_the_app_its_packages_and_its_models(tmp_path):
    app = tmp_path / "app"
    found = entry.environment(app, {"HOLOSCAN_MODEL_PATH": str(tmp_path / "none"), "PYTHONPATH": "/more"})
    assert found["HOLOSCAN_MODEL_PATH"] == str(app / "models")
    assert found["PYTHONPATH"] == f"{entry.HERE / 'packages'}:/more"
    assert found["PYTHONUSERBASE"] == "/home/holoscan/.local"  # a hardened run has another HOME
    for name in ("HOLOSCAN_MODEL_PATH", "MONAI_MODELPATH"):
        given = {name: str(tmp_path), "PYTHONUSERBASE": "/mine"}
        found = entry.environment(app, given)
        assert found.items() >= given.items()
        assert str(app / "models") not in found.values()


def test_the_bill_lists_debians_packages_that_are_installed():
    status = (
        "Package: bash\nStatus: install ok installed\nVersion: 5.2-1+b1\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    components = sbom.bill({"name": "a", "version": "1"}, status)["components"]
    debian = [one for one in components if one["purl"].startswith("pkg:deb/")]
    assert debian == [
        {
            "type": "library",
            "bom-ref": "pkg:deb/bash@5.2-1%2Bb1",
            "name": "bash",
            "version": "5.2-1+b1",
            "purl": "pkg:deb/bash@5.2-1%2Bb1",
        }
    ]


def test_a_package_without_a_version_is_refused(tmp_path):
    (tmp_path / "requirements.txt").write_text("no-such-package-anywhere>=1\n")
    with pytest.raises(pins.NotPinned, match="no-such-package-anywhere"):
        pins.requirements(tmp_path)
    (tmp_path / "requirements.txt").write_text("no-such-package-anywhere==1.5  # ours\n")
    assert "no-such-package-anywhere==1.5\n" in pins.requirements(tmp_path)
