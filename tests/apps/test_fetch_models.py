# SPDX-License-Identifier: Apache-2.0
"""scripts/fetch-models against a server that resumes, truncates, lies, redirects and fails, and from a folder."""

import fcntl
import os
import subprocess
import threading

import httpx
import pytest
from fetched import CONTENT, OTHER, ROOT, sha256
from fetchmodels import download
from fetchmodels.wrong import ServerRefuses
from model_server import Served

from imaging_data.model_lock import read_lock


def test_a_model_is_fetched_once(tool):
    assert tool.fetch() == (0, f"net.pt: 3000000 bytes, SHA-256 {sha256(CONTENT)} as in model.lock.\n")
    assert tool.model.read_bytes() == CONTENT
    assert tool.fetch() == (0, "net.pt: already there.\n")
    assert tool.served.ranges == [None]
    assert tool.left() == {"net.pt"}


def test_a_second_fetch_waits_for_the_first(tool):
    models = tool.folder / "models"
    models.mkdir()
    descriptor = os.open(models, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    threading.Timer(0.3, os.close, [descriptor]).start()
    status, said = tool.fetch()
    assert (status, "Another fetch is under way" in said) == (0, True)
    assert [path.name for path in models.iterdir()] == ["net.pt"]


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


def test_only_what_is_asked_for_is_fetched(tool):
    tool.lock.write_text(tool.lock.read_text() + '[[model]]\nname = "more.pt"\nsha256 = ""\n')
    assert tool.fetch("--only", "net*")[0] == 0
    assert tool.left() == {"net.pt"}
    status, said = tool.fetch("--only", "n?t.zip")
    assert (status, "is like none of net.pt, more.pt" in said) == (1, True)


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


def test_an_address_with_tls_may_not_lead_to_one_without():
    first = httpx.Response(302, request=httpx.Request("GET", "https://weights.org/net.pt"))
    last = httpx.Response(200, request=httpx.Request("GET", "http://mirror.org/net.pt"), history=[first])
    with pytest.raises(ServerRefuses, match="without TLS: http://mirror"):
        download.refuse("https://weights.org/net.pt", last)
    download.refuse("http://weights.org/net.pt", last)
