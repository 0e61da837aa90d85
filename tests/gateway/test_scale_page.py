# SPDX-License-Identifier: Apache-2.0
"""docs/scale.md: its commands make a cluster that asks for its token, and its table follows from its formula."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from app_jobs import wait_for
from orthanc import free_port

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
TEXT = PAGE.read_text()


def _table(title: str) -> list[list[str]]:
    """The cells of the rows of the table whose first cell is `title`, its head first."""
    lines = TEXT[TEXT.index(f"| {title} |") :].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "--" not in line]


def _number(letter: str) -> float:
    return float(re.search(rf"\b{letter} = ([\d.]+)", TEXT)[1])


@pytest.mark.parametrize("row", _table("cores")[1:], ids=lambda row: row[0])
def test_the_capacity_follows_from_the_formula(row):
    cores = float(re.match(r"[\d,]+", row[0])[0].replace(",", ""))
    way, received, link = (_number(letter) for letter in "HIW")
    jobs = [[float(cell) for cell in each[1:]] for each in _table("job")[1:]]
    assert len(jobs) == len(row) - 1
    for cell, (seconds, images, megabytes) in zip(row[1:], jobs, strict=True):
        rates = {
            "cores": cores / (seconds + way),
            "receiving": received / images,
            "link": link / megabytes,
        }
        binding = min(rates, key=lambda name: rates[name])
        assert cell == f"{3600 * rates[binding]:,.0f}, {binding}"


@dataclass
class Host:
    """What stands for the hosts of the page: one, with a home and a port of its own."""

    home: Path
    port: int

    def run(self, line: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command of the page."""
        words = shlex.split(line.replace("HOST", "127.0.0.1").replace("6379", str(self.port)))
        words[0] = str(Path(sys.executable).with_name(words[0]))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environment |= {"HOME": str(self.home), "RAY_TMPDIR": str(self.home), "RAY_AUTH_MODE": "token"} | more
        return subprocess.run(
            words, env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    def processes(self) -> list[psutil.Process]:
        """What runs here."""
        return [process for process in psutil.process_iter() if _lives_in(process, self.home)]


def _lives_in(process: psutil.Process, home: Path) -> bool:
    try:
        return process.environ().get("HOME") == str(home) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host(Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp")), free_port())  # paths of sockets are short
    yield made
    while left := made.processes():
        for process in left:
            process.kill()
        psutil.wait_procs(left, 10)
    shutil.rmtree(made.home)


@pytest.mark.timeout(300)
def test_the_commands_of_the_page_make_a_cluster_that_asks_for_its_token(host, tmp_path):
    blocks = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert {line for line in lines if line.startswith("export")} == {"export RAY_AUTH_MODE=token"}
    for line in lines:
        if not line.startswith("export"):
            done = host.run(line)
            assert done.returncode == 0, done.stdout + done.stderr
    status = f"ray status --address 127.0.0.1:{host.port}"
    wait_for(lambda: host.run(status).stdout.count("node_") >= 2)
    assert host.run(status, HOME=str(tmp_path)).returncode != 0
