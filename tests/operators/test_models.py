# SPDX-License-Identifier: Apache-2.0
"""An app's model files are verified before anything loads them."""

import hashlib
import os
from pathlib import Path

import pytest

from imaging_data.model_lock import BadModelLock, LockedModel, describe_file, lock_text
from imaging_operators import AppInfo, InferenceApp
from imaging_operators.errors import MissingModel, WrongModel
from imaging_operators.loaded import LoadedApp
from imaging_operators.models import verify_models

NAME = "task/net.pth"


@pytest.fixture
def app(tmp_path) -> Path:
    """An app's folder with one model, and a model.lock that names it."""
    app = tmp_path / "tool"
    (app / "models" / "task").mkdir(parents=True)
    (app / "models" / NAME).write_bytes(b"weights")
    write(app / "model.lock", describe_file(app / "models", NAME))
    return app


def write(lock: Path, *models: LockedModel) -> None:
    lock.write_text(lock_text(models, "Ours."))


def verify(app: Path, *names: str) -> dict[str, str]:
    return verify_models(app, app / "models", names or (NAME,))


def test_the_right_file_gives_its_hash(app):
    assert verify(app) == {NAME: describe_file(app / "models", NAME).sha256}


@pytest.mark.parametrize(
    ("content", "said"), [(b"other!!", "has SHA-256"), (b"longer than before", "bytes, not the 7")]
)
def test_another_file_is_refused_with_the_command(app, content, said):
    verify(app)
    (app / "models" / NAME).write_bytes(content)
    os.utime(app / "models" / NAME, ns=(1, 1))
    with pytest.raises(WrongModel, match=said) as refused:
        verify(app)
    assert "scripts/fetch-models tool" in refused.value.hint


def test_missing_ones_are_named_together(app):
    with pytest.raises(MissingModel, match=r"a\.pt, b\.pt: not in .*models") as refused:
        verify(app, "a.pt", NAME, "b.pt")
    assert "scripts/fetch-models tool" in refused.value.hint
    with pytest.raises(MissingModel, match="any models folder"):
        verify_models(app, None, [NAME])
    assert verify_models(app, None, []) == {}


def test_a_file_that_no_lock_names_is_not_loaded(app):
    (app / "models" / "more.pt").write_bytes(b"more")
    with pytest.raises(WrongModel, match=r"No model\.lock names more\.pt"):
        verify(app, NAME, "more.pt")


def test_a_hash_that_is_not_known_yet_is_not_trusted(app):
    write(app / "model.lock", LockedModel(NAME, ""))
    with pytest.raises(WrongModel, match="no hash of"):
        verify(app)


def test_an_app_without_entries_has_files_that_nobody_vouches_for(app):
    write(app / "model.lock")
    assert set(verify(app)) == {NAME}


def test_the_lock_of_the_folder_wins_for_what_was_made_there(app, tmp_path):
    trained = tmp_path / "trained"
    (trained / "task").mkdir(parents=True)
    (trained / NAME).write_bytes(b"small")
    with pytest.raises(WrongModel):
        verify_models(app, trained, [NAME])
    write(trained / "model.lock", describe_file(trained, NAME))
    assert set(verify_models(app, trained, [NAME])) == {NAME}


def test_what_was_made_of_an_earlier_source_is_refused(app):
    made = describe_file(app / "models", NAME)
    write(app / "model.lock", LockedModel("task.zip", "a" * 64, unpack="zip"))
    about = {"source": "task.zip", "source_sha256": "a" * 64}
    write(app / "models" / "model.lock", LockedModel(NAME, made.sha256, made.size, **about))
    assert verify(app) == {NAME: made.sha256}
    write(app / "model.lock", LockedModel("task.zip", "b" * 64, unpack="zip"))
    with pytest.raises(WrongModel, match=r"made from another task\.zip"):
        verify(app)


def test_a_lock_that_is_not_as_agreed_says_where(app):
    (app / "model.lock").write_text('[[model]]\nname = "net.pt"\n')
    with pytest.raises(BadModelLock, match=r"tool/model\.lock: 'net\.pt': sha256 is missing"):
        verify(app)
    (app / "model.lock").write_text("[[model]\n")
    with pytest.raises(BadModelLock, match=r"model\.lock"):
        verify(app)


def test_setup_is_not_called_with_a_wrong_model(app, monkeypatch):
    class Tool(InferenceApp):
        info = AppInfo("tool", "1", "Gantry", models=(NAME,))
        folder = app
        setups = 0

        def setup(self, models: Path) -> None:
            Tool.setups += 1

    (app / "models" / NAME).write_bytes(b"changed")
    with pytest.raises(WrongModel):
        LoadedApp(Tool()).load(app / "models")
    assert Tool.setups == 0
    (app / "models" / NAME).write_bytes(b"weights")
    loaded = LoadedApp(Tool())
    loaded.load(app / "models")
    assert (Tool.setups, list(loaded.models_of({}))) == (1, [NAME])


def test_a_job_is_told_the_hashes_of_what_its_profile_loads(app):
    class Tool(InferenceApp):
        info = AppInfo("tool", "1", "Gantry", profiles={"plain": {}, "fine": {"fine": True}})
        folder = app

        def models_of(self, fine: bool = False) -> tuple[str, ...]:
            return (NAME,) if fine else ()

    (app / "models" / NAME).write_bytes(b"weights")
    loaded = LoadedApp(Tool())
    loaded.load(app / "models")
    assert loaded.models_of({}) == {}
    assert loaded.models_of({"fine": True}) == {NAME: hashlib.sha256(b"weights").hexdigest()}
    (app / "models" / NAME).write_bytes(b"exchanged")
    with pytest.raises(WrongModel):
        loaded.models_of({"fine": True})
