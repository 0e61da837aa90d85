# SPDX-License-Identifier: Apache-2.0
"""What travels to a node and back, and what of it is refused; the configuration of a cluster."""

import os
import pickle
from pathlib import Path

import pytest

from informatics_gateway.config import Config
from informatics_gateway.errors import AppFailed, AppOutOfMemory, JobCancelled
from informatics_gateway.runners import ray_parcels
from informatics_gateway.runners.ray_parcels import error_of, fault_of, pack, stand_in, unpack

OUTPUT = frozenset({"output"})


def _fill(folder: Path) -> dict[str, bytes]:
    files = {"output/a": b"1" * 700, "output/deep/b": b"2" * 700, "output/deep/c": b"", "app.log": b"said"}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return files


def test_a_folder_comes_as_it_was_sent_in_parcels_of_some_size(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_parcels, "PARCEL_BYTES", 1000)
    files = _fill(tmp_path / "here")
    parcels = list(pack(tmp_path / "here", "output", "app.log"))
    assert [len(parcel) for parcel in parcels] == [1, 3]
    for parcel in parcels:
        unpack(parcel, tmp_path / "there", OUTPUT | {"app.log"}, 2000)
    there = [path for path in (tmp_path / "there").rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path / "there").as_posix(): path.read_bytes() for path in there} == files


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "output/../../up", "input/x", "", "outputs/x"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(AppFailed, match="leads out of its folder"):
        unpack([(name, b"x")], tmp_path, OUTPUT, 10)
    with pytest.raises(AppFailed, match="leads out of its folder"):
        stand_in([name], tmp_path, OUTPUT)
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_limit_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(AppFailed, match="more than the app may write"):
        unpack([("output/a", b"12345"), ("output/b", b"67890")], tmp_path, OUTPUT, 9)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_no_link_is_followed(tmp_path):
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        unpack([("output/link", b"x")], tmp_path, OUTPUT, 10)
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_to_a_folder_is_not_packed(tmp_path):
    (tmp_path / "output").mkdir()
    os.symlink("/etc", tmp_path / "output" / "etc")
    assert [name for parcel in pack(tmp_path, "output") for name, _ in parcel] == []


def test_an_error_is_the_same_where_it_is_raised_again():
    error = error_of(pickle.loads(pickle.dumps(fault_of(AppOutOfMemory("It used 9 MB.", "Less.")))))
    assert type(error) is AppOutOfMemory
    assert str(error) == "The app ran out of memory and was ended. It used 9 MB."
    assert error.hint == "Less."
    assert error_of(fault_of(JobCancelled())).hint == JobCancelled.hint


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"path": "x", "on_node": "container"}, "needs an image"),
        ({"image": "a@sha256:" + "0" * 64, "on_node": "process"}, "an image is run by"),
    ],
)
def test_what_cannot_work_on_a_node_is_refused_at_start(keys, says):
    with pytest.raises(ValueError, match=says):
        Config.model_validate({"app": [{"name": "tool", "runner": "ray"} | keys]})


@pytest.mark.parametrize("address", ["", "ray://head:10001", "head", "head:6379 --x"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ValueError, match="address"):
        Config.model_validate({"ray": {"address": address}})
