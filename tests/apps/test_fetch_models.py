# SPDX-License-Identifier: Apache-2.0
"""scripts/fetch-models against a server that resumes, truncates, lies, redirects and fails, and from a folder."""

import hashlib
import io
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from model_server import ModelServer, Served

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from fetchmodels import __main__ as fetch_models  # noqa: E402
from fetchmodels import download, unpacking  # noqa: E402

from imaging_data.model_lock import read_lock  # noqa: E402

CONTENT = random.Random(1).randbytes(3_000_000)
OTHER = random.Random(2).randbytes(len(CONTENT))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Tool:
    """An app's folder with one model, its server, and what the command printed."""

    folder: Path
    server: ModelServer
    capsys: pytest.CaptureFixture[str]

    @property
    def served(self) -> Served:
        return self.server.served

    @property
    def lock(self) -> Path:
        return self.folder / "model.lock"

    @property
    def model(self) -> Path:
        return self.folder / "models" / "net.pt"

    def locks(self, sha256: str, size: int = len(CONTENT), name: str = "net.pt", more: str = "") -> None:
        self.lock.write_text(
            f'# Ours.\n\n[[model]]\nname = "{name}"  # the net\nurl = "{self.server.url}"\nsize = {size}\n'
            f'sha256 = "{sha256}"   # of the file\nlicence = "Apache-2.0"\n{more}'
        )

    def fetch(self, *arguments: str | Path) -> tuple[int, str]:
        status = fetch_models.main([str(self.folder), *map(str, arguments)])
        return status, self.capsys.readouterr().out

    def left(self) -> set[str]:
        """Every file in the models folder, but for the lock that keeps two fetches apart."""
        models = self.folder / "models"
        files = {path.relative_to(models).as_posix() for path in models.rglob("*") if path.is_file()}
        return files - {".fetch/lock"}


@pytest.fixture
def tool(tmp_path, capsys, monkeypatch) -> Iterator[Tool]:
    monkeypatch.setattr(download, "WAIT_S", 0.001)
    folder = tmp_path / "tool"
    folder.mkdir()
    with ModelServer(CONTENT) as server:
        made = Tool(folder, server, capsys)
        made.locks(sha256(CONTENT))
        yield made
        server.shutdown()


def test_a_model_is_fetched_once(tool):
    assert tool.fetch() == (0, f"net.pt: 3000000 bytes, SHA-256 {sha256(CONTENT)} as in model.lock.\n")
    assert tool.model.read_bytes() == CONTENT
    assert tool.fetch() == (0, "net.pt: already there.\n")
    assert tool.served.ranges == [None]
    assert tool.left() == {"net.pt"}


def test_broken_connections_are_resumed_where_they_broke(tool):
    tool.served.stops_after = [1_000_000, 0, 0, 500_000]
    assert tool.fetch()[0] == 0
    assert tool.model.read_bytes() == CONTENT
    starts = [None, *(f"bytes={start}-" for start in (1_000_000, 1_000_000, 1_000_000, 1_500_000))]
    assert tool.served.ranges == starts


def test_a_later_call_goes_on_and_an_earlier_one_says_so(tool):
    tool.served.stops_after = [1_000_000, *[0] * 10]
    status, said = tool.fetch()
    assert status == 1
    assert "1000000 bytes are here" in said
    assert "it goes on where it stopped" in said
    assert "--from" in said
    assert not tool.model.exists()
    tool.served.stops_after, tool.served.ranges = [], []
    assert tool.fetch()[0] == 0
    assert tool.served.ranges == ["bytes=1000000-"]
    assert tool.model.read_bytes() == CONTENT


@pytest.mark.parametrize("validators", [("", "Mon, 16 Nov 2026 10:00:00 GMT"), ('W/"weak"', "")])
def test_what_can_be_continued_is_told_by_the_server(tool, validators):
    tool.served.etag, tool.served.modified = validators
    tool.served.stops_after = [1_000_000]
    assert tool.fetch()[0] == 0
    assert tool.served.ranges == [None, "bytes=1000000-" if tool.served.modified else None]
    assert tool.model.read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_starts_afresh(tool):
    tool.served.stops_after = [1_000_000, 0, 0, 0, 0]
    assert tool.fetch()[0] == 1
    tool.server.served = Served(OTHER, etag='"two"')
    tool.locks(sha256(OTHER))
    assert tool.fetch()[0] == 0
    assert tool.served.ranges == ["bytes=1000000-"]
    assert tool.model.read_bytes() == OTHER


def test_a_server_without_ranges_sends_it_all_again(tool):
    tool.served.takes_ranges, tool.served.stops_after = False, [1_000_000]
    assert tool.fetch()[0] == 0
    assert tool.model.read_bytes() == CONTENT


def test_a_partial_file_longer_than_the_servers_starts_afresh(tool):
    tool.served.stops_after = [2_000_000, 0, 0, 0, 0]
    assert tool.fetch()[0] == 1
    short = CONTENT[:1000]
    tool.server.served = Served(short)
    tool.locks(sha256(short), len(short))
    assert tool.fetch()[0] == 0
    assert tool.served.ranges == ["bytes=2000000-", None]
    assert tool.model.read_bytes() == short


def test_another_range_than_was_asked_for_is_not_appended(tool):
    tool.served.stops_after, tool.served.range_offset = [1_000_000], 5
    status, said = tool.fetch()
    assert status == 1
    assert "another range" in said
    assert not tool.model.exists()


def test_other_content_is_refused_and_what_was_there_stays(tool):
    tool.fetch()
    tool.server.served = Served(OTHER)
    tool.locks("a" * 64)
    status, said = tool.fetch()
    assert status == 1
    assert f"SHA-256 is {sha256(OTHER)}, model.lock says {'a' * 64}" in said
    assert tool.left() == {"net.pt"}
    assert tool.model.read_bytes() == CONTENT


@pytest.mark.parametrize("length", [10, len(CONTENT) + 10])
def test_a_server_that_names_another_size_is_refused_before_it_sends(tool, length):
    tool.served.says_length = length
    status, said = tool.fetch()
    assert status == 1
    assert f"The server has {length} bytes, model.lock says 3000000" in said
    assert tool.left() == set()


def test_a_server_that_promises_more_than_it_sends_never_ends_well(tool):
    tool.locks(sha256(CONTENT), size=0)
    tool.served.says_length, tool.served.takes_ranges = len(CONTENT) + 10, False
    status, said = tool.fetch()
    assert status == 1
    assert "cannot be reached, or the connection broke" in said
    assert not tool.model.exists()


def test_a_server_that_says_no_length(tool):
    tool.served.says_length, tool.served.stops_after = -1, [1_000_000]
    assert tool.fetch()[0] == 0  # the size in model.lock tells that the first answer was not all
    assert tool.model.read_bytes() == CONTENT
    tool.model.unlink()
    tool.locks("", size=0)
    status, said = tool.fetch("--trust-first")
    assert status == 1
    assert "does not say how long" in said
    assert read_lock(tool.lock)["net.pt"].sha256 == ""


def test_redirects_are_followed(tool):
    tool.served.redirect = "/moved/net.pt"
    assert tool.fetch()[0] == 0
    assert tool.model.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_the_server_does_not_have_is_said_at_once(tool, status):
    tool.served.statuses = [status]
    ended, said = tool.fetch()
    assert ended == 1
    assert f"answers {status}" in said
    assert "url in model.lock" in said
    assert len(tool.served.ranges) == 1


def test_an_overloaded_server_is_asked_again(tool):
    tool.served.statuses = [500, 503, 429]
    assert tool.fetch()[0] == 0
    assert len(tool.served.ranges) == 4


def test_a_server_that_stays_broken_is_given_up(tool):
    tool.served.statuses = [500] * 20
    status, said = tool.fetch()
    assert (status, "answers 500" in said) == (1, True)
    assert tool.left() == set()


def test_without_a_network_it_says_what_to_do(tool):
    tool.server.shutdown()
    tool.server.server_close()
    status, said = tool.fetch()
    assert status == 1
    assert "cannot be reached" in said
    assert "--from" in said


@pytest.mark.parametrize("name", ["net.pt", "weights/net.pt"])
def test_from_a_folder_without_network(tool, tmp_path, name):
    tool.locks(sha256(CONTENT), name=name)
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "net.pt").write_bytes(CONTENT)
    status, _ = tool.fetch("--from", stick, "--to", tmp_path / "elsewhere")
    assert status == 0
    assert (tmp_path / "elsewhere" / name).read_bytes() == CONTENT
    assert tool.served.ranges == []
    assert not (tool.folder / "models").exists()


def test_a_folder_with_another_file_or_none(tool, tmp_path):
    (tmp_path / "stick").mkdir()
    status, said = tool.fetch("--from", tmp_path / "stick")
    assert (status, "net.pt is not in" in said) == (1, True)
    (tmp_path / "stick" / "net.pt").write_bytes(OTHER)
    status, said = tool.fetch("--from", tmp_path / "stick")
    assert (status, "SHA-256 is" in said) == (1, True)
    assert tool.left() == set()
    assert (tmp_path / "stick" / "net.pt").read_bytes() == OTHER
    status, said = tool.fetch("--from", tmp_path / "unplugged")
    assert (status, "There is no folder" in said) == (1, True)


def test_without_a_hash_it_refuses_before_it_fetches(tool):
    tool.locks("", size=0)
    status, said = tool.fetch()
    assert status == 1
    assert "--trust-first" in said
    assert tool.served.ranges == []


def test_trust_first_shows_the_hash_and_writes_it_where_it_belongs(tool):
    tool.locks("", size=0)
    before = tool.lock.read_text()
    status, said = tool.fetch("--trust-first")
    assert status == 0
    assert f"3000000 bytes, SHA-256 {sha256(CONTENT)}: trusted" in said
    expected = before.replace('sha256 = ""', f'sha256 = "{sha256(CONTENT)}"').replace(
        "size = 0", "size = 3000000"
    )
    assert tool.lock.read_text() == expected
    tool.model.unlink()
    tool.server.served = Served(OTHER)
    assert tool.fetch("--trust-first")[0] == 1  # trusted once
    assert tool.lock.read_text() == expected


def test_a_lock_that_cannot_be_edited_in_place_is_left(tool):
    tool.lock.write_text(f'model = [{{name = "net.pt", url = "{tool.server.url}", sha256 = ""}}]\n')
    before = tool.lock.read_text()
    status, said = tool.fetch("--trust-first")
    assert status == 1
    assert "on lines of their own" in said
    assert tool.lock.read_text() == before
    assert not tool.model.exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ('name = "net.pt"', 'name = "../net.pt"'),
        ('name = "net.pt"', 'name = "/net.pt"'),
        ('name = "net.pt"', 'nom = "net.pt"'),
        ("size = 3000000", "size = -1"),
        ('url = "http', 'url = "ftp'),
        ('licence = "Apache-2.0"', 'unpack = "rar"'),
        ('licence = "Apache-2.0"', 'convert = "os.system"'),
        ('licence = "Apache-2.0"', 'licenze = "Apache-2.0"'),
    ],
)
def test_a_lock_that_is_not_as_agreed_is_refused_by_name(tool, change, named):
    tool.lock.write_text(tool.lock.read_text().replace(change, named))
    status, said = tool.fetch()
    assert status == 1
    assert "model.lock is not as agreed" in said
    assert str(tool.lock) in said
    assert tool.served.ranges == []


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
    assert "2 files were made" in tool.fetch()[1]
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


def test_a_model_without_url_is_brought(tool, tmp_path):
    tool.locks(sha256(CONTENT))
    lines = tool.lock.read_text().splitlines(keepends=True)
    tool.lock.write_text("".join(line for line in lines if not line.startswith("url")))
    status, said = tool.fetch()
    assert (status, "net.pt is not in" in said) == (1, True)
    (tmp_path / "net.pt").write_bytes(CONTENT)
    assert tool.fetch("--from", tmp_path)[0] == 0


def test_the_command_itself():
    done = subprocess.run(
        [ROOT / "scripts" / "fetch-models", "lung_densitometry"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "lung_densitometry needs no models.\n")
    done = subprocess.run(
        [ROOT / "scripts" / "fetch-models", "nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "In apps/ there is:" in done.stdout
