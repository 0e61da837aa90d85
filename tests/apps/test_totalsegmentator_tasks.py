# SPDX-License-Identifier: Apache-2.0
"""The tasks that may run, what they load, how their classes are coded: compared with the package's own tables."""

import re
import tomllib

import numpy as np
import pytest
from code_tables import PRIVATE_SCHEME, wrong_with
from totalseg.coding import coded
from totalseg.colors import NEAREST, lab, told_apart
from totalseg.errors import NoLicence, UnknownTask
from totalseg.package import LICENCE_FILE, home, licence_number, package
from totalseg.tasks import LICENSED, OPEN, PROFILES, TASKS, Job, Task, checkpoints
from totalsegmentator_case import APP

RELEASES = "https://github.com/wasserth/TotalSegmentator/releases/download"
NOT_COMMERCIAL = {"brain_aneurysm"}  # CC BY-NC, and not gated by the package


@pytest.fixture(scope="module")
def tables():
    """The package's own tables."""
    package()
    from totalsegmentator import map_tasks_config, map_to_binary, registry

    return {
        "datasets": map_tasks_config.TASK_ID_WEIGHTS_CONFIGS,
        "classes": map_to_binary.class_map,
        "modality": registry.task_modality,
        "licensed": set(map_to_binary.commercial_models),
    }


def _config(task: str, fast: bool) -> dict:
    number = package().get_task_config(task, fast=fast, quiet=True)
    numbers = number["task_id"] if isinstance(number["task_id"], list) else [number["task_id"]]
    return number | {"numbers": numbers}


def test_no_open_task_needs_a_licence(tables):
    assert set(OPEN) & (tables["licensed"] | NOT_COMMERCIAL) == set()
    assert set(LICENSED) <= tables["licensed"]


@pytest.mark.parametrize("task", OPEN)
@pytest.mark.parametrize("fast", [False, True])
def test_each_task_has_the_networks_of_the_package(tables, task, fast):
    known: Task = OPEN[task]
    networks = known.fast if fast else known.networks
    if not networks:
        return
    config = _config(task, fast)
    assert tables["modality"](task) == known.modality
    mine = networks[: len(config["numbers"])]
    assert [each.dataset for each in mine] == [tables["datasets"][n]["foldername"] for n in config["numbers"]]
    assert {(each.trainer, each.configuration) for each in mine} == {(config["trainer"], config["model"])}
    assert [list(each.folds) for each in mine] == [config["folds"]] * len(mine)
    near = [each.dataset for each in networks[len(mine) :]]
    assert near == _place(tables, config)


def _place(tables, config: dict) -> list[str]:
    """The data set of the network that finds the place to crop to, as python_api.totalsegmentator chooses it."""
    if config["crop"] is None:
        return []
    number = 300 if "body_trunc" in config["crop"] else 297 if config["robust_crop"] else 298
    return [tables["datasets"][number]["foldername"]]


def test_the_lock_names_the_weights_of_every_open_task_and_no_other(tables):
    locked = {each["name"]: each for each in tomllib.loads((APP / "model.lock").read_text())["model"]}
    wanted = {name.partition("/")[0] for task in OPEN for name in _all(task)}
    assert set(locked) == {f"{name}.zip" for name in wanted}
    versions = {each["foldername"]: each.get("version") for each in tables["datasets"].values()}
    for name in wanted:
        entry = locked[f"{name}.zip"]
        assert entry["url"] == f"{RELEASES}/{versions[name]}/{name}.zip"
        assert (entry["unpack"], entry["licence"]) == ("zip", "Apache-2.0")
        assert re.fullmatch(r"[0-9a-f]{64}|", entry["sha256"])


def _all(task: str) -> list[str]:
    return [name for fast in {False, bool(OPEN[task].fast)} for name in checkpoints(task, fast)]


def test_the_default_profile_is_the_fast_one_and_every_profile_can_be_asked_for():
    assert next(iter(PROFILES)) == "total-fast"
    for parameters in PROFILES.values():
        job = Job(parameters["task"], parameters.get("fast", False), tuple(parameters.get("classes", ())))
        assert job.task in TASKS
        assert set(job.classes) <= set(package().class_map[job.task].values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("brain_aneurysm",), "'brain_aneurysm' is not one of total, "),
        (("lung_nodules", True), "'lung_nodules' has no fast variant"),
        (("total", True, (), frozenset({"warp"})), "There is no switch warp"),
    ],
)
def test_what_is_not_known_is_refused_by_name(arguments, said):
    with pytest.raises(UnknownTask, match=said):
        Job(*arguments)


def test_a_licensed_task_needs_the_number_in_a_file_and_nobody_sees_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TOTALSEG_HOME_DIR", "")
    monkeypatch.delenv(LICENCE_FILE, raising=False)
    with pytest.raises(NoLicence, match=LICENCE_FILE):
        licence_number()
    monkeypatch.setenv(LICENCE_FILE, str(tmp_path / "none"))
    with pytest.raises(NoLicence, match="cannot be read"):
        licence_number()
    (tmp_path / "number").write_text("too short\n")
    monkeypatch.setenv(LICENCE_FILE, str(tmp_path / "number"))
    with pytest.raises(NoLicence, match="18 characters") as refused:
        licence_number()
    assert "too short" not in str(refused.value)
    (tmp_path / "number").write_text("aca_0123456789ABCD\n")
    from totalsegmentator.config import get_config, get_license_number, has_valid_license_offline

    with home(licence_number()):
        assert has_valid_license_offline()[0] == "yes"
        assert get_license_number() == "aca_0123456789ABCD"
        assert get_config()["send_usage_stats"] is False
    assert get_config() is None, "the home goes with the run"
    said = capsys.readouterr()
    assert "0123456789" not in said.out + said.err


@pytest.mark.parametrize("task", OPEN)
def test_every_class_has_a_true_code_its_laterality_and_a_colour(task):
    for name, each in coded(task).items():
        for code in filter(None, (each.property_type, each.category, each.laterality)):
            assert wrong_with(code) == "", name
            assert len(code.value) <= 16
        if each.property_type.scheme_designator != PRIVATE_SCHEME and re.search(r"_(left|right)(_|$)", name):
            side = "Left" if "_left" in name else "Right"
            told = f"{each.laterality} {each.property_type.meaning}".lower()
            assert side.lower() in told or name in {"kidney_cyst_left", "kidney_cyst_right"}, name
        assert all(0 <= part <= 255 for part in each.color)


@pytest.mark.parametrize("task", OPEN)
def test_colours_can_be_told_apart(task):
    colors = [each.color for each in coded(task).values()]
    apart = np.linalg.norm(lab(colors)[:, None] - lab(colors)[None], axis=-1)
    assert apart[~np.eye(len(colors), dtype=bool)].min(initial=np.inf) >= NEAREST


def test_a_colour_that_is_moved_stays_of_its_kind():
    """A vein stays blue, an artery red, a bone pale: no colour is farther than that from the package's."""
    given = [(40, 140, 40), None, (50, 170, 60), (200, 20, 20), (202, 22, 20)]
    moved = told_apart(given)
    assert [moved[index] for index in (0, 3)] == [given[0], given[3]], "the first of two stays"
    distances = np.linalg.norm(lab([moved[2], moved[4]]) - lab([given[2], given[4]]), axis=1)
    assert (distances > 0).all()
    assert (distances < 1.5 * NEAREST).all()


def test_liver_and_spleen_are_not_the_same_green():
    known = coded("total")
    apart = np.linalg.norm(np.diff(lab([known["liver"].color, known["spleen"].color]), axis=0))
    assert apart >= NEAREST
