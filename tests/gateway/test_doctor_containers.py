# SPDX-License-Identifier: Apache-2.0
"""The doctor on apps in images: the engine and the image are there, or it says which is not."""

import pytest
from doctored import Patient
from orthanc import free_port

ZEROS = "sha256:" + "0" * 64

pytestmark = pytest.mark.engine


@pytest.fixture
def patient(tmp_path, engine):
    return Patient(tmp_path)


def app(image: str, **keys: object) -> list[dict[str, object]]:
    return [{"name": "tool", "image": image} | keys]


def test_engine_and_image_are_there(patient, stub_image):
    assert "podman" in patient.one("container engine", "ok", app=app(stub_image)).sentence
    check = patient.one("app tool", "ok", app=app(stub_image))
    assert check.sentence.startswith("contract-only 1, runner container")


def test_an_image_that_is_not_there_is_named(patient):
    check = patient.one("app tool", app=app(f"localhost/never-built@{ZEROS}"))
    assert f"There is no image localhost/never-built@{ZEROS}." in check.sentence


def test_an_image_that_can_be_fetched_is_not_fetched(patient):
    check = patient.one("app tool", "warn", app=app(f"127.0.0.1:{free_port()}/app@{ZEROS}"))
    assert "It is fetched for the first job" in check.hint


def test_an_engine_that_is_away_is_named(patient, stub_image, monkeypatch):
    monkeypatch.setenv("GANTRY_ENGINE", "/no/such/podman")
    assert "/no/such/podman" in patient.one("container engine", app=app(stub_image)).sentence


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"image": f"a@{ZEROS}", "path": "tool"}, "give one of path and image"),
        ({}, "give one of path and image"),
        ({"image": f"a@{ZEROS}", "runner": "process"}, "an image is run by runner"),
        ({"path": "tool", "runner": "container"}, 'runner "container" needs an image'),
        ({"image": "a:latest"}, "app.0.image"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(tmp_path, keys, sentence):
    [check] = Patient(tmp_path).checks(app=[{"name": "tool"} | keys])
    assert (check.name, check.status) == ("configuration", "fail")
    assert sentence in check.sentence
