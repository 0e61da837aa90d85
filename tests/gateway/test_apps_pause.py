# SPDX-License-Identifier: Apache-2.0
"""`gantry apps pause` and `resume` ask the running gateway over its socket; `list` says what is paused."""

import json
from pathlib import Path

import pytest
from app_jobs import APP
from typer.testing import CliRunner

from informatics_gateway.cli.apps import app
from informatics_gateway.config import load
from informatics_gateway.control import Control
from informatics_gateway.errors import GatewayRefused, NotRunning
from informatics_gateway.pipeline.queueing import Queueing
from informatics_gateway.store import Store


@pytest.fixture
def config(tmp_path) -> Path:
    """A configuration with the app `tool`."""
    file = tmp_path / "gantry.toml"
    file.write_text(f'[storage]\npath = "storage"\n[[app]]\nname = "tool"\npath = "{APP}"\n')
    return file


def gantry(*arguments: object) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def paused(config: Path) -> list[str]:
    listed = json.loads(gantry("list", "--apps", APP.parent, "--config", config, "--json"))
    return next(each["paused"] for each in listed if each["path"] == str(APP))


def test_an_app_is_paused_listed_and_resumed(config, capsys):
    settings = load(config)
    with Store(settings.storage.path) as store:
        people = Queueing(store, settings, lambda: None, lambda number: None)
        control = Control(settings.storage.path, {"pause": people.pause, "unpause": people.unpause})
        try:
            gantry("pause", "tool", "--config", config)
            assert store.paused() == {"tool"}
            assert paused(config) == ["tool"]
            with pytest.raises(GatewayRefused, match="There is no 'tools' but: tool"):
                gantry("pause", "tools", "--config", config)
            gantry("resume", "tool", "--config", config)
            assert store.paused() == set()
        finally:
            control.close()
    assert paused(config) == []


def test_without_a_gateway_it_says_so(config):
    load(config).storage.path.mkdir()
    with pytest.raises(NotRunning):
        gantry("pause", "tool", "--config", config)
