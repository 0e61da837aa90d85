# SPDX-License-Identifier: Apache-2.0
"""gantry.toml: read once, frozen, and refused at start by file, key and value."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from imaging_data import SeriesRule
from informatics_gateway.config import Config, load
from informatics_gateway.errors import BadConfiguration

FOLDER = '[[destination]]\nname = "files"\nkind = "folder"\npath = "results"\nclinical = false\n'
ARCHIVE = '[[destination]]\nname = "archive"\nkind = "dicomweb"\nurl = "http://127.0.0.1:8042/dicom-web/"\n'
APP = '[[app]]\nname = "lungs"\npath = "apps/lungs"\n'
ROUTE = '[[route]]\ncalled_ae_title = "LUNGS"\napp = "lungs"\ndestinations = ["files"]\n'
SOURCE = '[[source]]\nae_title = "PACS"\nhost = "127.0.0.1"\n'


@pytest.fixture
def read(tmp_path):
    """Reads a configuration with this text."""

    def read(text: str) -> Config:
        path = tmp_path / "gantry.toml"
        path.write_text(text)
        return load(path)

    return read


@pytest.fixture
def refused(read, tmp_path):
    """The sentence with which a text is refused; it names the file."""

    def refused(text: str) -> str:
        with pytest.raises(BadConfiguration) as caught:
            read(text)
        assert str(tmp_path / "gantry.toml") in str(caught.value)
        assert "gantry.example.toml" in caught.value.hint
        return str(caught.value)

    return refused


def test_without_a_key_its_default_holds(read):
    config = read("")
    assert (config.dicom.port, config.dicom.ae_title, config.assemble.quiet_s) == (11112, "GANTRY", 5)
    assert (config.web.host, config.storage.reserve_gb, config.deliver.retry_hours) == ("127.0.0.1", 10, 24)


def test_relative_paths_are_relative_to_the_file(read, tmp_path):
    config = read(FOLDER + APP)
    assert config.storage.path == tmp_path / "data"
    assert config.destinations[0].path == tmp_path / "results"
    assert config.apps[0].path == tmp_path / "apps" / "lungs"


def test_the_nouns_are_found_by_name(read):
    config = read(FOLDER + APP + ROUTE + 'series = { Modality = "CT" }\n')
    route = config.route("LUNGS/lungs")
    assert config.app(route.app).path.name == "lungs"
    assert config.destination(route.destinations[0]).kind == "folder"
    assert route.series == SeriesRule(Modality="CT")
    assert config.route("LUNGS/other") is None


def test_it_cannot_be_changed(read):
    with pytest.raises(ValidationError, match="frozen"):
        read("").dicom.port = 1


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("[storage]\npaht = 'x'", "storage.paht: there is no such key", "'x'"),
        ("[dicom]\nport = 'many'", "dicom.port", "'many'"),
        ("[dicom]\nport = '11112'", "dicom.port", "'11112'"),
        ("[assemble]\nquiet_s = true", "assemble.quiet_s", "True"),
        (FOLDER.replace("false", "'no'"), "destination.0.folder.clinical", "'no'"),
        ("[dicom]\nport = 70000", "dicom.port", "70000"),
        ("[dicom]\nae_title = 'LONGER THAN SIXTEEN'", "dicom.ae_title", "'LONGER THAN SIXTEEN'"),
        ("[assemble]\nquiet_s = 0", "assemble.quiet_s", "0"),
        ("[storage]\nreserve_gb = -1", "storage.reserve_gb", "-1"),
        ("[surprise]\nx = 1", "surprise", "{'x': 1}"),
        (SOURCE.replace("ae_title", "aet"), "source.0.aet", "'PACS'"),
        (FOLDER.replace('"folder"', '"carrier-pigeon"'), "destination.0", "carrier-pigeon"),
        (APP.replace('"lungs"\n', '"../lungs"\n', 1), "app.0.name", "'../lungs'"),
        (APP + 'stage = "live"', "app.0.stage", "'live'"),
        (APP + 'runner = "wish"', "app.0.runner", "'wish'"),
        (ARCHIVE.replace("http", "gopher"), "destination.0.dicomweb.url", "gopher"),
    ],
)
def test_what_is_wrong_is_named_with_key_and_value(refused, text, key, value):
    sentence = refused(text)
    assert f" {key}" in sentence
    assert value in sentence


@pytest.mark.parametrize("text", ["[dicom", "\xff", "[dicom]\nport = 1\nport = 2"])
def test_what_is_no_toml_is_refused(refused, text):
    assert refused(text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadConfiguration, match=r"absent\.toml"):
        load(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (FOLDER + ROUTE, "'lungs' is not the name of an [[app]]"),
        (APP + ROUTE, "'files' is not the name of a [[destination]]"),
        (SOURCE + SOURCE, "source: PACS@127.0.0.1 is there twice"),
        (APP + APP, "app: lungs is there twice"),
        (FOLDER + FOLDER, "destination: files is there twice"),
        (FOLDER + APP + ROUTE + ROUTE, "route: LUNGS/lungs is there twice"),
    ],
)
def test_names_must_be_known_and_single(refused, text, sentence):
    assert sentence in refused(text)


def test_a_clinical_destination_is_refused_by_name(refused, read):
    routed = APP + ROUTE.replace("files", "archive")
    assert "'archive' is clinical, and 'lungs' is not promoted" in refused(ARCHIVE + routed)
    assert read(ARCHIVE + "clinical = false\n" + routed).destination("archive").clinical is False


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            'username = "u"\npassword_env = "A"\npassword_file = "b"',
            "give one of password_env, password_file",
        ),
        ('password_env = "A"', "a password needs a username"),
        ('password = "secret"', "destination.0.dicomweb.password: "),
    ],
)
def test_secrets_are_named_once_and_never_written(refused, keys, sentence):
    assert sentence in refused(ARCHIVE + keys)


def test_an_address_has_no_final_slash(read):
    assert read(ARCHIVE).destinations[0].url == "http://127.0.0.1:8042/dicom-web"


def test_the_page_is_for_loopback_but_in_our_container(refused, read, monkeypatch):
    text = '[web]\nhost = "0.0.0.0"'
    assert "there is no sign-in yet" in refused(text)
    monkeypatch.setenv("GANTRY_IN_CONTAINER", "1")
    assert read(text).web.host == "0.0.0.0"


def test_a_rule_that_means_nothing_is_refused_by_keyword(refused):
    assert "Modalty" in refused(FOLDER + APP + ROUTE + 'series = { Modalty = "CT" }')


def test_a_long_value_is_cut(refused):
    assert len(refused(f"[dicom]\nhost = {['x' * 500]}")) < 600


def test_the_example_is_what_the_hint_says():
    hint = BadConfiguration.hint
    assert (Path(__file__).parents[2] / "informatics-gateway" / "gantry.example.toml").is_file()
    assert "informatics-gateway/gantry.example.toml" in hint
