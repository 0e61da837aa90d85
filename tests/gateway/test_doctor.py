# SPDX-License-Identifier: Apache-2.0
"""The doctor on this machine's side: one setting is broken at a time, and it names that one."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from doctored import Patient, gantry_runs
from gateway_process import Gateway
from orthanc import free_port
from rich.console import Console

from imaging_data.model_lock import describe_file, lock_text
from informatics_gateway.doctor import Check, render
from informatics_gateway.doctor.clock import look_at_clock
from informatics_gateway.doctor.place import disk


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    """A configuration in which everything is well, of a gateway that does not run."""
    return Patient(tmp_path)


def test_a_healthy_configuration_has_no_complaint(patient):
    assert patient.complaints() == {"source MODALITY": "It is not played: the gateway is not running."}


def test_the_configuration_is_named_by_file_key_and_value(patient):
    [check] = patient.checks(dicom={"port": 70000})
    assert (check.name, check.status) == ("configuration", "fail")
    for part in (str(patient.path), "dicom.port", "70000"):
        assert part in check.sentence


def test_a_configuration_that_is_not_there_is_named(patient):
    patient.path.unlink()
    [check] = patient.look()
    assert "There is no file" in check.sentence


# storage


def test_a_storage_that_cannot_be_written_is_named(patient, tmp_path):
    folder = Path("/sys")  # root writes everywhere else
    if os.geteuid():
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o555)
    check = patient.one("storage", storage={"path": str(folder)})
    assert check.sentence.startswith(f"{folder} cannot be written: ")
    assert "[storage] path" in check.hint


def test_a_storage_that_is_a_file_is_named(patient, tmp_path):
    (tmp_path / "file").write_text("")
    check = patient.one("storage", storage={"path": str(tmp_path / "file")})
    assert check.sentence == f"{tmp_path / 'file'} is a file, not a folder."


def test_a_storage_that_is_not_there_yet_is_well(patient, tmp_path):
    check = patient.one("storage", status="ok", storage={"path": str(tmp_path / "a" / "b")})
    assert "`gantry serve` makes it" in check.sentence
    assert not (tmp_path / "a").exists()


def test_a_path_too_long_for_its_socket_is_named(patient, tmp_path):
    check = patient.one("storage", storage={"path": str(tmp_path / ("x" * 100))})
    assert "too long for the socket" in check.sentence


def mount(at: Path, kind: str) -> SimpleNamespace:
    return SimpleNamespace(mountpoint=str(at), fstype=kind)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_a_network_file_system_is_named(tmp_path, kind):
    mounts = [mount(Path("/"), "ext4"), mount(tmp_path, kind), mount(tmp_path / "elsewhere", "ext4")]
    check = disk(tmp_path / "data", mounts)
    assert check.status == "fail"
    assert kind in check.sentence


def test_the_file_system_is_that_of_the_nearest_mount(tmp_path):
    mounts = [mount(Path("/"), "nfs"), mount(tmp_path, "ext4"), mount(Path(f"{tmp_path}-other"), "nfs")]
    assert disk(tmp_path / "data", mounts).status == "ok"
    assert disk(tmp_path, [mount(tmp_path, "tmpfs")]).status == "warn"
    assert disk(tmp_path, []).status == "ok"


def test_a_link_to_a_network_disk_is_followed(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    assert disk(tmp_path / "near", [mount(tmp_path / "far", "nfs")]).status == "fail"


def test_room_is_compared_with_what_is_kept_free(patient):
    free_gb = os.statvfs(patient.folder).f_bavail * os.statvfs(patient.folder).f_frsize / 1e9
    assert "that is now" in patient.one("disk space", storage={"reserve_gb": 2 * free_gb}).sentence
    assert patient.one("disk space", status="warn", storage={"reserve_gb": 0.8 * free_gb}).hint


# ports


@pytest.mark.parametrize("table", ["dicom", "web"])
def test_a_port_that_another_program_holds_is_named(patient, table):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        check = patient.one(f"port {table}", **{table: {"port": port}})
    assert check.sentence == f"127.0.0.1:{port} is held by another program."
    assert f"[{table}] port" in check.hint


def test_an_address_of_another_machine_cannot_be_listened_on(patient):
    check = patient.one("port dicom", dicom={"host": "192.0.2.1", "port": free_port()})
    assert check.sentence.endswith("cannot be listened on: Cannot assign requested address.")
    assert "[dicom] host" in check.hint


def test_any_port_is_no_port_to_send_to(patient):
    assert "[dicom] port" in patient.one("port dicom", status="warn", dicom={"port": 0}).hint


# sources


def test_without_sources_nobody_may_send(patient):
    assert "[[source]]" in patient.one("sources", status="warn", source=[]).hint


def test_a_source_without_an_address_is_named(patient):
    check = patient.one("source PACS", source=[{"ae_title": "PACS", "host": "pacs.invalid"}])
    assert check.sentence == "The name pacs.invalid has no address."


def test_a_gateway_on_loopback_is_out_of_reach_for_a_pacs_elsewhere(patient):
    check = patient.one("source PACS", source=[{"ae_title": "PACS", "host": "192.0.2.7"}])
    assert "listens on 127.0.0.1 only" in check.sentence
    assert "[dicom] host" in check.hint


def test_a_pacs_elsewhere_is_said_to_be_tried_from_there(patient):
    source = [{"ae_title": "PACS", "host": "192.0.2.7"}]
    port = free_port()
    check = patient.one("source PACS", status="ok", source=source, dicom={"host": "0.0.0.0", "port": port})
    assert check.sentence == f"It calls from 192.0.2.7: try LUNGS, port {port}, from there."


# apps


def test_an_app_that_is_not_there_is_named(patient, tmp_path):
    check = patient.one("app tool", app=[{"name": "tool", "path": str(tmp_path / "nowhere")}])
    assert check.sentence == f"There is no folder {tmp_path / 'nowhere'}."
    assert "`path`" in check.hint


def test_a_folder_without_an_app_is_named(patient, tmp_path):
    (tmp_path / "empty").mkdir()
    check = patient.one("app tool", app=[{"name": "tool", "path": str(tmp_path / "empty")}])
    assert "has no app.py" in check.sentence


def test_an_app_that_cannot_say_what_it_is_is_named(patient, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "app.py").write_text("import nothing_of_this_name\n")
    check = patient.one("app tool", app=[{"name": "tool", "path": str(tmp_path / "broken")}])
    assert "nothing_of_this_name" in check.sentence
    assert "manifest" in check.hint


def test_missing_models_name_the_command_that_fetches_them(patient):
    patient.needs("net.safetensors")
    check = patient.one("app tool")
    assert "net.safetensors" in check.sentence
    assert "scripts/fetch-models tool" in check.hint
    (patient.folder / "tool" / "models").mkdir()
    (patient.folder / "tool" / "models" / "net.safetensors").write_bytes(b"")
    assert patient.one("app tool", status="ok")


def test_a_model_with_another_hash_is_found(patient):
    patient.needs("net.safetensors")
    models = patient.folder / "tool" / "models"
    models.mkdir(exist_ok=True)
    (models / "net.safetensors").write_bytes(b"weights")
    lock = lock_text([describe_file(models, "net.safetensors")], "Ours.")
    (patient.folder / "tool" / "model.lock").write_text(lock)
    assert "as they should be" in patient.one("app tool", status="ok").sentence
    (models / "net.safetensors").write_bytes(b"Weights")
    check = patient.one("app tool")
    assert "net.safetensors has SHA-256" in check.sentence
    assert "scripts/fetch-models tool" in check.hint
    (patient.folder / "tool" / "model.lock").write_text("models = 3\n")
    assert "model.lock is not as agreed" in patient.one("app tool").sentence


def test_an_app_without_a_button_is_named(patient):
    assert patient.one("app tool", status="warn", route=[]).sentence == "No button leads to it."


def test_without_apps_there_is_nothing_to_run(patient):
    assert patient.one("apps", status="warn", app=[], route=[])


# clock


@pytest.mark.parametrize(
    ("now", "newest", "status"),
    [(1e9, 0, "fail"), (1.8e9, 1.8e9 + 3600, "fail"), (1.8e9, 1.8e9 + 1, "ok"), (1.8e9, 0, "ok")],
)
def test_a_clock_that_went_back_is_named(now, newest, status):
    assert look_at_clock(now, newest).status == status


# a running gateway


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[tuple[Patient, Gateway]]:
    """A gateway that runs with the healthy configuration."""
    with gantry_runs(tmp_path_factory.mktemp("running")) as running:
        yield running


def test_a_running_gateway_is_played_as_its_sources_play_it(running):
    patient, _ = running
    assert patient.complaints() == {}
    said = {check.name: check.sentence for check in patient.look()}
    assert said["port dicom"].startswith("The running gateway listens on ")
    assert said["port web"].startswith("The running gateway listens on ")
    assert said["source MODALITY"] == "It reaches LUNGS."


def test_a_source_that_the_running_gateway_does_not_know_is_named(running):
    patient, _ = running
    source = [{"ae_title": "NEWCOMER", "host": "127.0.0.1"}]
    check = patient.one("source NEWCOMER", source=source)
    assert check.sentence.startswith("The running gateway does not know NEWCOMER at 127.0.0.1")
    assert "Restart" in check.hint


def test_a_button_that_the_running_gateway_does_not_have_is_named(running):
    patient, _ = running
    route = [{"called_ae_title": "LIVER", "app": "tool", "destinations": ["files"]}]
    assert "has no button LIVER" in patient.one("source MODALITY", route=route).sentence


@pytest.mark.parametrize("table", ["dicom", "web"])
def test_a_running_gateway_on_another_port_is_named(running, table):
    patient, _ = running
    check = patient.one(f"port {table}", **{table: {"port": free_port()}})
    assert "The running gateway does not listen on" in check.sentence


def test_another_gateway_on_the_port_is_named(running, tmp_path):
    patient, _ = running
    check = patient.one("port web", storage={"path": str(tmp_path / "own")})
    assert check.sentence.endswith("is held by another gateway.")


def test_the_command_says_the_same_and_fails_when_a_check_does(running):
    patient, gateway = running
    found = gateway.cli("doctor", "--json")
    assert [check["name"] for check in found] == [check.name for check in patient.look()]
    assert all(set(check) == {"name", "status", "sentence", "hint"} for check in found)
    patient.write(app=[{"name": "tool", "path": "nowhere"}])
    try:
        assert "There is no folder" in gateway.cli("doctor", expect=1)
    finally:
        patient.write()


def test_looking_leaves_nothing_behind(running):
    patient, gateway = running
    before = sorted(path for path in gateway.storage.rglob("*"))
    patient.look()
    assert sorted(path for path in gateway.storage.rglob("*")) == before
    assert "Traceback" not in gateway.log


def test_the_table_shows_texts_as_they_are(capsys):
    checks = [Check("app [red]x", "fail", "[bold]no[/bold]", "do [this]"), Check("clock", "ok", "12:00")]
    render(checks, Console(highlight=False, width=100))
    said = capsys.readouterr().out
    assert "app [red]x" in said
    assert "[bold]no[/bold]" in said
    assert "do [this]" in said
    assert "1 ok, 1 fail" in said
    assert json.dumps([vars(check) for check in checks])
