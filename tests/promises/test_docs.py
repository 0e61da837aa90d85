# SPDX-License-Identifier: Apache-2.0
"""Documentation cannot drift: what it links to, runs, configures and promises is there."""

import ast
import re
import tomllib
from types import SimpleNamespace

import numpy as np
import pytest
from documented import PAGES, ROOT, blocks, commands, key
from pydantic import BaseModel
from test_commands import WRITTEN

from informatics_gateway import config

EXAMPLE = ROOT / "informatics-gateway" / "gantry.example.toml"
ALL_PAGES = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
# Every command of the documentation that test_commands.py does not run, and what runs it.
RUN_BY = {
    "scripts/setup": ".ci/run",
    "scripts/test": ".ci/run",
    "scripts/demo": "tests/line/test_demo.py::test_the_demo_shows_what_came_back",
    "scripts/make-phantom": "tests/data/test_phantom_files.py",
    "scripts/new-app": "tests/line/test_path.py",
    "scripts/package-app": "tests/apps/test_package_app_image.py::test_the_two_lines_of_the_page_make_a_map",
    "monai-deploy": "tests/apps/test_package_app_image.py::test_the_two_lines_of_the_page_make_a_map",
    "scripts/fetch-models": "tests/apps/test_fetch_models.py::test_the_command_itself",
    "scripts/check-apps": "tests/promises/test_scripts.py::test_check_apps",
    "scripts/bench": "tests/line/test_bench.py",
    "scripts/gpu-check": "tests/gateway/test_gpu_check.py",
    "scripts/train-organ-model": "tests/apps/test_organ_segmentation.py::test_the_command_measures",
    "docker compose up": "tests/promises/test_compose.py::test_studies_and_jobs_survive_down_and_up",
    "docker compose down": "tests/promises/test_compose.py::test_studies_and_jobs_survive_down_and_up",
    "ray": "tests/gateway/test_scale_page.py::test_the_commands_of_the_page_make_a_cluster_that_asks_for_its_token",
    "gantry serve": "tests/line/test_line.py",
    "gantry apps check": "tests/gateway/test_apps_check.py",
    "gantry deidentify path/to/dicom": "tests/gateway/test_deidentify_cli.py::test_the_commands_of_the_page",
    "gantry deidentify verify": "tests/gateway/test_deidentify_cli.py::test_the_commands_of_the_page",
    "gantry deidentify reidentify": "tests/gateway/test_deidentify_cli.py::test_the_commands_of_the_page",
    "gantry convert": "tests/gateway/test_convert_cli.py::test_the_commands_of_the_page",
    "gantry dataset build": "tests/line/test_research_dataset.py",
    "gantry dataset export": "tests/line/test_research_dataset.py",
    "gantry dataset serve": "tests/gateway/test_dataset_api.py::test_the_command_of_the_page_serves",
    "gantry send": "tests/line/test_research_walks.py::test_the_commands_of_the_page_send_zips",
}


def test_readme_and_architecture_are_short():
    for name in ("README.md", "ARCHITECTURE.md"):
        assert len((ROOT / name).read_text().splitlines()) < 150, name


@ALL_PAGES
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    relative = [target for target in targets if not target.startswith(("http:", "https:"))]
    assert [target for target in relative if not (page.parent / target).exists()] == []


@ALL_PAGES
def test_paths_in_tables_and_text_exist(page):
    names = set(
        re.findall(
            r"`((?:apps|docs|scripts|tests|operators|informatics-gateway)/[\w./-]*)`", page.read_text()
        )
    )
    assert [name for name in names if not (ROOT / name).exists()] == []


@ALL_PAGES
def test_every_command_is_one_that_a_test_runs(page):
    run = {*RUN_BY, *(key(words) for _, words in WRITTEN.values())}
    assert [" ".join(words) for words in commands(page) if key(words) not in run] == []


@pytest.mark.parametrize("command", RUN_BY)
def test_the_list_of_commands_is_true(command):
    assert command in {key(words) for page in PAGES for words in commands(page)}, "no page has it any more"
    assert _exists(RUN_BY[command]), RUN_BY[command]


@ALL_PAGES
def test_scripts_and_their_options_exist(page):
    for words in commands(page):
        if words[0].startswith("scripts/"):
            options = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert (ROOT / words[0]).stat().st_mode & 0o111, words
            sources = [ROOT / words[0], *(ROOT / "scripts").glob("*/*.py")]
            text = "".join(path.read_text() for path in sources)
            assert all(option in text or f"{_parameter(option)}: Annotated" in text for option in options), (
                words
            )


def _parameter(option: str) -> str:
    """The parameter of a Typer command that is this option."""
    return option.removeprefix("--").replace("-", "_")


def _exists(test: str) -> bool:
    """Whether a file, or the test function in it (`file::function`), is there."""
    name, _, function = test.partition("::")
    path = ROOT / name
    if not function:
        return path.exists()
    nodes = ast.walk(ast.parse(path.read_text())) if path.is_file() else ()
    return any(isinstance(node, ast.FunctionDef) and node.name == function for node in nodes)


def test_every_invariant_names_a_test_that_is_there():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rules = re.split(
        r"^(?=\d+\. )", text.partition("## Rules that hold everywhere")[2].partition("\n## ")[0], flags=re.M
    )[1:]
    assert len(rules) == 12
    assert [rule.partition(".")[0] for rule in rules if "tests/" not in rule] == []
    named = re.findall(r"`(tests/[\w./]+(?:::\w+)?)`", text)
    assert [name for name in named if not _exists(name)] == []


def _sections(model: type[BaseModel], key: str = "") -> dict[str, type[BaseModel]]:
    """The tables of gantry.toml by their name, each with what is known of its keys."""
    tables = {key: model} if key else {}
    for name, field in model.model_fields.items():
        for each in _models(field.annotation):
            tables |= _sections(each, ".".join(filter(None, (key, field.alias or name, _kind(each)))))
    return tables


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models(part)]


def _kind(model: type[BaseModel]) -> str:
    kind = model.model_fields.get("kind")
    return kind.annotation.__args__[0] if kind else ""


SECTIONS = _sections(config.Config)


def _raw(section: str) -> list[dict]:
    name, _, kind = section.partition(".")
    tables = tomllib.loads(EXAMPLE.read_text()).get(name, [])
    tables = tables if isinstance(tables, list) else [tables]
    return [table for table in tables if not kind or table["kind"] == kind]


def test_the_example_configuration_loads():
    loaded = config.load(EXAMPLE)
    assert loaded.routes[0].called_ae_title == "LUNGS"
    assert (loaded.apps[0].path / "app.py").is_file()


@pytest.mark.parametrize("section", SECTIONS)
def test_the_example_configuration_shows_every_key(section):
    assert _raw(section), f"[{section}] is not shown"
    shown = {key for table in _raw(section) for key in table}
    commented = set(re.findall(r"^# (\w+) = ", EXAMPLE.read_text(), re.MULTILINE))
    keys = {field.alias or name for name, field in SECTIONS[section].model_fields.items()}
    assert keys <= shown | commented


@pytest.mark.parametrize("section", ["storage", "dicom", "assemble", "deliver", "web"])
def test_the_example_configuration_shows_the_defaults(section):
    [shown] = _raw(section)
    defaults = {name: field.default for name, field in SECTIONS[section].model_fields.items()}
    assert {name: str(value) for name, value in shown.items()} == {k: str(v) for k, v in defaults.items()}


def test_the_app_in_the_readme_works():
    [code] = blocks(ROOT / "apps" / "README.md", "python")
    names = {"__name__": "readme"}
    exec(compile(code, "apps/README.md", "exec"), names)
    names["infer"] = lambda net, array: np.ones(array.shape, np.uint8)
    app = names["SpleenSeg"]()
    app.net = None
    result = app.predict(SimpleNamespace(array=np.zeros((2, 3, 4), np.float32)))
    assert result.segments[0].label == "Spleen"
