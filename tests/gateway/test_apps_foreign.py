# SPDX-License-Identifier: Apache-2.0
"""MAPs that nobody here made, of both generations: what they say, that they are checked, and that they run."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import made_results
import pytest
from app_jobs import REQUEST
from checked import make_cases, make_results
from engine import Podman
from pydicom import Dataset, dcmread
from test_apps_cli import APPS

from informatics_gateway.apps import AppImage
from informatics_gateway.cli.contract import check_app
from informatics_gateway.config import Config
from informatics_gateway.doctor.tools import tools
from informatics_gateway.errors import AppFailed
from informatics_gateway.execute import Executor
from informatics_gateway.model import JobStatus
from informatics_gateway.validate import validate

pytestmark = pytest.mark.engine

HOLOSCAN = (
    {
        "apiVersion": "1.0.0",
        "command": '["python3", "/opt/holoscan/app"]',
        "input": {"path": "input/", "formats": None},
        "output": {"path": "output/", "formats": None},
        "workingDirectory": "/var/holoscan",
        "timeout": 0,
        "version": 2.5,
    },
    {"modelRoot": "/opt/holoscan/models", "resources": {"cpu": 1, "gpu": 0, "memory": "1Gi"}},
)
MONAI = (
    {
        "api-version": "0.1.0",
        "command": "python3 -u /opt/monai/app",
        "input": {"path": "input", "formats": []},
        "output": {"path": "output", "format": {}},
        "working-directory": "/var/monai/",
        "timeout": 90,
        "version": "0.3.1",
    },
    {"model-root": "/opt/monai/models", "models": [], "resource": {"cpu": 1, "gpu": 0, "memory": "2Gi"}},
)
VARIABLES = {"holoscan": "HOLOSCAN_{}_PATH", "monai": "MONAI_{}PATH"}


def anonymous(dataset: Dataset) -> None:
    """What the MONAI Deploy SDK's own writer leaves: nothing that speaks of Gantry."""
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = "1.2.3.4.1111111111", "1.2.3.5.1111111111"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.ContentDate = dataset.SeriesDate = "20260101"
    dataset.SeriesDescription = "AI"
    del dataset.ContributingEquipmentSequence


@pytest.fixture
def cases(tmp_path: Path) -> list[Path]:
    return make_cases(tmp_path)


@pytest.fixture
def build(engine: Podman, cases: list[Path], tmp_path: Path) -> Callable[..., AppImage]:
    """A function that makes a MAP of a generation."""

    def build_(generation: str, user: str = "holoscan", **app: object) -> AppImage:
        folder = Path(shutil.copytree(APPS.parent / "foreign_map", tmp_path / "foreign"))
        make_results(folder, cases, anonymous)
        (folder / "generation").write_text(generation)
        said, package = HOLOSCAN if generation == "holoscan" else MONAI
        (folder / "app.json").write_text(json.dumps(said | app))
        (folder / "pkg.json").write_text(json.dumps(package))
        names = zip(
            ("INPUT", "OUTPUT", "MODEL"), ("/var/{}/input", "/var/{}/output", "/opt/{}/models"), strict=True
        )
        variables = [
            f"{VARIABLES[generation].format(name)}={place.format(generation)}" for name, place in names
        ]
        lines = (
            f"COPY app /opt/{generation}/app",
            f"COPY app/app.json app/pkg.json /etc/{generation}/",
            f"ENV {' '.join(variables)}",
            f"USER {user}" if user else "",
        )
        return AppImage(engine.build(f"gantry-test-foreign-{generation}", folder, more=lines))

    return build_


def broken(image: AppImage, cases: list[Path], tmp_path: Path) -> tuple[dict[str, str], set[str]]:
    """The checks that it does not pass and why, and those that were not looked at."""
    (tmp_path / "work").mkdir()
    found = list(check_app(image, None, cases, tmp_path / "work"))
    return {each.name: each.broken for each in found if each.broken}, {
        each.name for each in found if each.unchecked
    }


def test_of_the_second_generation(build, cases, tmp_path):
    image = build("holoscan")
    manifest = image.manifest()
    assert (manifest.version, manifest.needs.memory_mb, manifest.needs.gpu_use) == ("2.5", 1024, "none")
    assert broken(image, cases, tmp_path) == (
        {},
        {"has its models", "names its series", "runs warm", "keeps nothing between jobs"},
    )


def test_of_the_first_generation_whose_user_is_root(build, cases, tmp_path):
    image = build("monai", user="")
    manifest = image.manifest()
    assert (manifest.version, manifest.needs.memory_mb, manifest.needs.timeout_s) == ("0.3.1", 2048, 90)
    found, unchecked = broken(image, cases, tmp_path)
    assert found == {}
    assert "runs as a user" in unchecked


def test_one_that_has_no_command_is_refused_by_name(build):
    with pytest.raises(AppFailed, match=r"/etc/holoscan/app.json in the image: command"):
        build("holoscan", command="").manifest()


@pytest.fixture
def configure(build, tmp_path):
    """A function that makes a configuration whose app is such a MAP."""

    def make(generation: str = "monai", **options: object) -> Config:
        app = {"name": "test-app", "image": build(generation).reference} | options
        route = {"called_ae_title": "LUNGS", "app": "test-app", "destinations": ["files"]}
        files = {"name": "files", "kind": "folder", "path": tmp_path / "out", "clinical": False}
        rule = {} if options.pop("rule", True) is None else {"series": {"Modality": "CT"}}
        app.pop("rule", None)
        tables = {"app": [app], "route": [route | rule], "destination": [files]}
        return Config.model_validate({"storage": {"path": tmp_path / "storage"}} | tables)

    return make


@pytest.fixture
def executor(configure):
    """A function that makes an executor whose app is such a MAP."""
    made = []

    def make(**options: object) -> Executor:
        made.append(Executor(configure(**options)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_the_gateway_runs_one_and_its_results_are_valid_and_the_same_each_time(executor, cases, tmp_path):
    job = replace(
        made_results.made(tmp_path / "job", sorted(cases[0].glob("*.dcm"))).job, status=JobStatus.QUEUED
    )
    gateway = executor()
    first, second = (gateway.execute(replace(job, attempt=number), REQUEST, Event()) for number in (1, 2))
    [result] = validate(job, first, "shadow")
    assert result.path.read_bytes() == second.results[0].path.read_bytes()
    dataset = dcmread(result.path)
    assert dataset.SeriesDescription == "NOT FOR CLINICAL USE - RESEARCH ONLY AI"
    assert (dataset.ContentDate, result.kind) == ("20261120", "segmentation")
    assert dataset.ReferencedSeriesSequence[0].SeriesInstanceUID == job.input_set.key.series_instance_uid
    assert first.notes == (
        "results.json is the gateway's own: which instances the MAP read, it does not say",
        "1 files that are no DICOM results were left out",
    )


@pytest.mark.parametrize(("options", "says"), [({"runner": "warm"}, "container"), ({"rule": None}, "series")])
def test_the_gateway_refuses_one_that_it_cannot_run(executor, cases, tmp_path, options, says):
    job = made_results.made(tmp_path / "job", sorted(cases[0].glob("*.dcm"))).job
    with pytest.raises(AppFailed, match="is a MAP of others") as refused:
        executor(**options).execute(job, REQUEST, Event())
    assert says in refused.value.hint


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"runner": "warm"}, 'runner = "container"'),
        ({"runner": "ray"}, 'on_node = "container"'),
        ({"rule": None}, "series"),
    ],
)
def test_the_doctor_says_so_before_a_job_does(configure, options, says):
    [check] = [check for check in tools(configure("monai", **options)) if check.status == "fail"]
    assert "is a MAP of others" in check.sentence
    assert says in check.hint
