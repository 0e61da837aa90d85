# SPDX-License-Identifier: Apache-2.0
"""What scripts/fetch-models makes of a fetched file: an archive is unpacked safely, a model converted once."""

import io
import zipfile

import pytest
from fetched import CONTENT, OTHER, Tool, sha256
from fetchmodels import unpacking
from model_server import Served

from imaging_data.model_lock import read_lock


def archive(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in entries:
            opened.writestr(name, content)
    return file.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry


def serves_archive(tool: Tool, content: bytes) -> None:
    tool.server.served = Served(content)
    tool.locks(sha256(content), len(content), "task.zip", 'unpack = "zip"\n')


def test_an_archive_is_unpacked_and_its_files_are_locked(tool):
    serves_archive(tool, archive(("task/fold_0/net.pth", b"weights"), ("task/plans.json", b"{}")))
    assert tool.fetch()[0] == 0
    assert tool.left() == {"task/fold_0/net.pth", "task/plans.json", "model.lock"}
    made = read_lock(tool.folder / "models" / "model.lock")
    assert made["task/fold_0/net.pth"].sha256 == sha256(b"weights")
    assert {each.source_sha256 for each in made.values()} == {read_lock(tool.lock)["task.zip"].sha256}
    assert tool.fetch() == (0, "task.zip: already there.\n")
    (tool.folder / "models" / "task" / "plans.json").write_bytes(b"[]")
    assert "made of it: 2 files" in tool.fetch()[1]
    assert (tool.folder / "models" / "task" / "plans.json").read_bytes() == b"{}"


@pytest.mark.parametrize(
    "entries",
    [
        (("good", b"x"), ("../bad", b"x")),
        (("good", b"x"), ("/bad", b"x")),
        (("good", b"x"), ("a/../../bad", b"x")),
        (("good", b"x"), (link("bad"), b"/etc/passwd")),
        (("good", b"x"), ("Good", b"x")),
        (("good", b"x"), ("good/bad", b"x")),
        (("good", b"x"), (".fetch/lock", b"x")),
        (("good", b"x" * 5000),),
    ],
)
def test_an_archive_that_is_not_safe_leaves_nothing(tool, entries, monkeypatch):
    monkeypatch.setattr(unpacking, "LARGEST_BYTES", 4000)
    serves_archive(tool, archive(*entries))
    status, said = tool.fetch()
    assert status == 1
    assert "nothing of it was unpacked" in said
    assert {name for name in tool.left() if not name.startswith(".fetch/")} == set()
    assert not list(tool.folder.parent.rglob("bad"))


def test_a_truncated_archive_is_no_archive(tool):
    serves_archive(tool, archive(("task/net.pth", b"weights"))[:-10])
    assert tool.fetch()[0] == 1
    assert not (tool.folder / "models" / "task").exists()


def converts(tool: Tool, body: str) -> None:
    (tool.folder / "converting.py").write_text(
        f"import numpy\n\n\ndef to_onnx(source, folder):\n    {body}\n"
    )
    tool.locks(sha256(CONTENT), more='convert = "converting:to_onnx"\n')


def test_a_model_is_converted_once_by_the_apps_own_code(tool):
    converts(tool, "(folder / 'net.onnx').write_bytes(source.name.encode() + source.read_bytes()[:4])")
    assert tool.fetch()[0] == 0
    assert tool.left() == {"net.onnx", "model.lock"}
    assert (tool.folder / "models" / "net.onnx").read_bytes() == b"net.pt" + CONTENT[:4]
    made = read_lock(tool.folder / "models" / "model.lock")["net.onnx"]
    assert (made.source, made.source_sha256, made.licence) == ("net.pt", sha256(CONTENT), "Apache-2.0")
    assert tool.fetch() == (0, "net.pt: already there.\n")


def test_a_converter_sees_no_file_with_another_hash(tool):
    converts(tool, "(folder.parent.parent / 'ran').touch()")
    tool.server.served = Served(OTHER)
    assert tool.fetch()[0] == 1
    assert not list(tool.folder.rglob("ran"))


@pytest.mark.parametrize(
    ("body", "said"), [("raise OSError('no luck')", "no luck"), ("pass", "wrote no file")]
)
def test_a_converter_that_fails_leaves_nothing(tool, body, said):
    converts(tool, body)
    status, told = tool.fetch()
    assert status == 1
    assert said in told
    assert {name for name in tool.left() if not name.startswith(".fetch/")} == set()
