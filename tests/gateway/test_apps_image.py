# SPDX-License-Identifier: Apache-2.0
"""`gantry apps` with an image in place of a folder."""

import hashlib
import json
import shutil

import pytest
from checked import make_cases, make_results
from test_apps_cli import APPS, gantry

from informatics_gateway.apps import MANIFEST_LABEL, AppFolder, AppImage
from informatics_gateway.cli.declared import MODELS_LABEL, check_declared
from informatics_gateway.runners.describe import describe
from informatics_gateway.runners.engine import find_engine

pytestmark = pytest.mark.engine


MODEL = b"weights"
GOOD_MODELS = {"model.ts": hashlib.sha256(MODEL).hexdigest()}
VARIABLES = {
    "HOLOSCAN_INPUT_PATH": "/var/holoscan/input",
    "HOLOSCAN_OUTPUT_PATH": "/var/holoscan/output",
    "HOLOSCAN_MODEL_PATH": "/opt/holoscan/models",
}


def build(
    engine,
    folder,
    sin: str = "",
    *,
    models: dict[str, str] | None = None,
    variables: dict[str, str] = VARIABLES,
    user: str = "1000",
) -> str:
    """The app `copies` in an image with a model, which does this wrong; its name."""
    folder.mkdir()
    shutil.copy(APPS / "copies" / "app.py", folder / "__main__.py")
    (folder / "sin").write_text(sin)
    (folder / "models").mkdir()
    (folder / "models" / "model.ts").write_bytes(MODEL)
    make_results(folder, [folder.parent / "a", folder.parent / "b"])
    manifest = json.loads(describe(AppFolder(APPS / "copies").script)) | {"models": ["model.ts"]}
    name = f"gantry-test-copies-{sin.replace(' ', '-') or 'good'}"
    said = [f"ENV {key}={value}" for key, value in variables.items()]
    lines = ["RUN ln -s app/models /opt/holoscan/models", *said, *([f"USER {user}"] if user else [])]
    labels = {MANIFEST_LABEL: manifest, MODELS_LABEL: GOOD_MODELS if models is None else models}
    engine.build(name, folder, labels, lines)
    return f"localhost/{name}:latest"


@pytest.fixture
def cases(tmp_path) -> list[str]:
    return [word for case in make_cases(tmp_path) for word in ("--case", str(case))]


@pytest.fixture
def image(engine, cases, tmp_path) -> str:
    return build(engine, tmp_path / "image")


def test_list_shows_the_images_of_apps_by_digest(image, tmp_path):
    (tmp_path / "apps").mkdir()
    listed = gantry("list", "--apps", tmp_path / "apps", "--images", "--json")
    found = {each["path"].partition("@")[0]: each for each in json.loads(listed.stdout)}
    app = found[image.removesuffix(":latest")]
    assert (app["name"], app["version"], app["models"]) == ("Copies of slices", "2.1", "ready")
    assert app["path"].partition("@sha256:")[2]


def test_run_gives_an_images_results(image, cases, tmp_path):
    done = gantry("run", image, tmp_path / "a", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["app"]["name"] == "Copies of slices"
    assert (tmp_path / "out" / "copy-0.dcm").is_file()


def test_check_passes_an_image_that_keeps_the_contract(image, cases):
    done = gantry("check", image, *cases)
    assert "keeps the contract" in done.stdout


SINS = [
    ("remembers how many", "keeps nothing between jobs", "run 2 (B, cold) and run 2 (B, warm) differ"),
    ("calls home", "needs no network", "[Errno 101] Network is unreachable"),
    ("writes elsewhere", "writes to its output only", "[Errno 30] Read-only file system"),
    ("no manifest", "runs cold", "The app ended without writing results.json"),
    ("exits 0 on failure", "says when it fails", "with an empty input its exit status is 0"),
]


@pytest.mark.parametrize(("sin", "name", "cause"), SINS, ids=[sin for sin, _, _ in SINS])
def test_check_fails_an_image_that_sins(engine, cases, tmp_path, sin, name, cause):
    done = gantry("check", build(engine, tmp_path / "image", sin), *cases, "--json", expect=1)
    failed = {each["check"]: each["cause"] for each in json.loads(done.stdout) if each["passed"] is False}
    assert list(failed) == [name]
    assert cause in failed[name]


WRONG = [
    ({"user": ""}, "runs as a user", "its user is root"),
    ({"variables": {}}, "says where its folders are", "the image does not set HOLOSCAN_INPUT_PATH"),
    (
        {"variables": VARIABLES | {"HOLOSCAN_MODEL_PATH": "/models"}},
        "says where its folders are",
        "the image sets HOLOSCAN_MODEL_PATH to /models",
    ),
    ({"models": {"model.ts": "0" * 64}}, "has its models", "has another SHA-256 than its label says"),
    ({"models": GOOD_MODELS | {"b.ts": "0" * 64}}, "has its models", "b.ts is not in /opt/holoscan/models"),
    ({"models": {}}, "has its models", "its label org.gantry.models lacks model.ts"),
    ({"models": ["model.ts"]}, "has its models", "its label org.gantry.models is no table"),
]


@pytest.mark.parametrize(("how", "name", "cause"), WRONG)
def test_what_is_wrong_with_an_image_is_seen_without_a_run(engine, cases, tmp_path, how, name, cause):
    image = AppImage(find_engine().digest(build(engine, tmp_path / "image", **how)))
    manifest = image.manifest()
    found = check_declared(image, manifest, image.program(manifest))
    assert {check.name: cause in check.broken for check in found if check.broken} == {name: True}
    assert not [each for each in engine("ps", "--all", "--format", "{{.Names}}").split() if "look" in each]


def test_an_image_that_is_not_there_is_named(engine, cases, tmp_path):
    done = gantry("run", "localhost/no-such:1", tmp_path / "a", tmp_path / "out", expect=1)
    assert "There is no image localhost/no-such:1." in done.stderr


def test_an_image_without_the_label_says_so(engine, cases, tmp_path):
    (tmp_path / "bare").mkdir()
    engine.build("gantry-test-bare", tmp_path / "bare")
    done = gantry("run", "localhost/gantry-test-bare:latest", tmp_path / "a", tmp_path / "out", expect=1)
    assert MANIFEST_LABEL in done.stderr
