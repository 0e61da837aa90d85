# SPDX-License-Identifier: Apache-2.0
"""What can be done behind a seal, and what comes out of it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from informatics_gateway.runners import sealed
from informatics_gateway.runners.sealed import RECORD, seal, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason="namespaces are not permitted here")
CALL = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
ASK = "import socket; socket.getaddrinfo('archive.example', 104)"
SEND_6 = "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('2001:db8::1', 9))"
TALK = """
import socket
with socket.create_server(("127.0.0.1", 0)) as here, socket.create_connection(here.getsockname()) as there:
    there.sendall(b"x")
"""


def run(tmp_path: Path, code: str, *folders: Path) -> tuple[subprocess.CompletedProcess[str], int]:
    """Python's end behind a seal, and how often it asked for the network."""
    record = tmp_path / RECORD
    command = seal(record, folders, [sys.executable, "-I", "-S", "-c", code])
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    return done, json.loads(record.read_text())["network"]


@pytest.mark.parametrize(
    ("code", "says"), [(CALL, "Network is unreachable"), (ASK, "name resolution"), (SEND_6, "unreachable")]
)
def test_there_is_no_network_and_who_asks_is_counted(tmp_path, code, says):
    done, asked = run(tmp_path, code)
    assert done.returncode == 1
    assert says in done.stderr
    assert asked > 0


def test_who_talks_to_himself_asks_for_no_network(tmp_path):
    done, asked = run(tmp_path, TALK)
    assert (done.returncode, asked) == (0, 0)


def test_only_the_folders_can_be_written_to(tmp_path):
    (tmp_path / "out").mkdir()
    code = "from pathlib import Path; Path('out/a').touch(); Path('/dev/shm/a').touch(); Path('b').touch()"
    done, _ = run(tmp_path, code, tmp_path / "out")
    assert "Read-only file system: 'b'" in done.stderr
    assert (tmp_path / "out" / "a").exists()
    assert not (tmp_path / "b").exists()
    assert not Path("/dev/shm/a").exists()


def test_the_exit_status_is_the_commands_own(tmp_path):
    assert run(tmp_path, "raise SystemExit(3)")[0].returncode == 3
    for number in (signal.SIGKILL, signal.SIGPIPE):
        code = f"import os, signal; signal.signal(13, signal.SIG_DFL); os.kill(os.getpid(), {int(number)})"
        assert run(tmp_path, code)[0].returncode == -number


def test_where_it_is_not_permitted_the_reason_is_said(tmp_path, monkeypatch):
    refusing = tmp_path / "seal.py"
    refusing.write_text("import sys; print('Operation not permitted', file=sys.stderr); sys.exit(125)")
    monkeypatch.setattr(sealed, "SEAL", refusing)
    why_not.cache_clear()
    assert why_not() == "Operation not permitted"
    why_not.cache_clear()


def test_who_is_not_root_is_sealed_too(tmp_path):
    nobody = {"user": 65534, "group": 65534, "extra_groups": ()} if os.geteuid() == 0 else {}
    record = tmp_path / RECORD
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/tmp") and folder != Path("/"):
            folder.chmod(0o755)
    (tmp_path / "seal.py").write_text(sealed.SEAL.read_text())
    tmp_path.chmod(0o777)
    command = ["/usr/bin/python3", "-I", "-S", str(tmp_path / "seal.py"), str(record)]
    code = "import os, pathlib; print(os.getuid()); pathlib.Path('b').touch()"
    done = subprocess.run(
        [*command, "--", "/usr/bin/python3", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        **nobody,
    )
    assert done.stdout == f"{nobody.get('user', os.geteuid())}\n"
    assert "Read-only file system" in done.stderr
