# SPDX-License-Identifier: Apache-2.0
"""`gantry apps check` on what `scripts/package-app NAME --context` writes: no engine is needed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packageapp.context import write_context
from packaged import ROOT

from informatics_gateway.apps import AppFolder
from informatics_gateway.cli.declared import check_declared

APP = ROOT / "tests" / "operators" / "apps" / "torch_free"
GANTRY = Path(sys.executable).with_name("gantry")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """The context of an app with one model file."""
    app = Path(shutil.copytree(APP, tmp_path_factory.mktemp("app") / "torch_free"))
    code = (app / "app.py").read_text().replace('"models": []', '"models": ["model.ts"]')
    (app / "app.py").write_text(code)
    (app / "models").mkdir()
    (app / "models" / "model.ts").write_bytes(b"weights")
    return write_context(app, app.parent / "maps" / "torch_free").folder


@pytest.fixture
def context(written, tmp_path) -> Path:
    """A copy of it, which may be spoiled."""
    return Path(shutil.copytree(written, tmp_path / "torch_free"))


def broken(context: Path) -> dict[str, str]:
    """What is wrong with it without a run."""
    app = AppFolder(context)
    manifest = app.manifest()
    found = check_declared(app, manifest, app.program(manifest))
    return {check.name: check.broken for check in found if check.broken}


def test_one_that_is_whole_passes_with_everything(context):
    done = subprocess.run(
        [GANTRY, "apps", "check", context], capture_output=True, text=True, check=False, cwd=context.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is packaged whole" in done.stdout
    assert "torch_free keeps the contract." in done.stdout


def change(path: Path, old: str, new: str) -> None:
    """Exchange a text in a file, which must have it."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


SPOILED = {
    "a package that is missing": ("rm packages/imaging_data", "packages/imaging_data is missing"),
    "a file that is missing": ("rm sbom.py", "sbom.py is missing"),
    "an older manifest": ("manifest.json 1.0 0.9", "manifest.json is not what the app says of itself now"),
    "an unpinned package": (
        "requirements.txt pydicom== pydicom>=",
        "requirements.txt does not pin 'pydicom>=",
    ),
    "no holoscan": ("requirements.txt holoscan- other-", "requirements.txt does not pin holoscan"),
    "another version": ("app.yaml 1.0 1.1", "app.yaml says another version than the app"),
    "another name": ("app.yaml torch-free nobody", "app.yaml says another title than the app"),
}


@pytest.mark.parametrize(("how", "says"), SPOILED.values(), ids=SPOILED)
def test_what_is_spoiled_is_named(context, how, says):
    what, *words = how.split()
    if what == "rm" and (context / words[0]).is_dir():
        shutil.rmtree(context / words[0])
    elif what == "rm":
        (context / words[0]).unlink()
    else:
        change(context / what, *words)
    assert says in broken(context)["is packaged whole"]


def test_another_model_than_the_lock_names_is_found(context):
    models = context / "apps" / "torch_free" / "models"
    (models / "model.lock").write_text(f'[[model]]\nname = "model.ts"\nsha256 = "{"a" * 64}"\n')
    assert "model.ts has SHA-256 " in broken(context)["has its models"]
