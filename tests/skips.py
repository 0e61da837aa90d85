# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: a skip is allowed only for a reason in `allowed-skips`, and only where it is true.

A test that is skipped for another reason, or on a machine that has what the reason says is missing, fails the
run: a missing part must never look like a passed test.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import engine
import pytest

from informatics_gateway.runners.sealed import why_not

LIST = Path(__file__).with_name("allowed-skips")
HERE = pytest.StashKey["Skips"]()


def _no_samples(_: str) -> bool:
    folder = Path(__file__).parents[2] / "shared" / "samples"
    return not Path(os.environ.get("GANTRY_SAMPLES", folder)).is_dir()


def _no_program(names: str) -> bool:
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/bin", "/usr/sbin"))
    return any(shutil.which(name, path=path) is None for name in names.split())


def _no_library(name: str) -> bool:
    return find_library(name) is None


def _no_engine(_: str) -> bool:
    return not _answers("docker", "info")


def _no_podman(_: str) -> bool:
    return bool(engine.why_not())


def _no_compose(_: str) -> bool:
    return not _answers("docker", "compose", "version")


def _no_image(names: str) -> bool:
    return not all(_answers("docker", "image", "inspect", name) for name in names.split())


def _answers(program: str, *arguments: str) -> bool:
    try:
        done = subprocess.run([program, *arguments], capture_output=True, timeout=30, check=False)
    except OSError:
        return False
    return done.returncode == 0


def _no_seal(_: str) -> bool:
    return bool(why_not())


CONDITIONS: dict[str, Callable[[str], bool]] = {
    "no-samples": _no_samples,
    "no-program": _no_program,
    "no-library": _no_library,
    "no-seal": _no_seal,
    "no-engine": _no_engine,
    "no-podman": _no_podman,
    "no-compose": _no_compose,
    "no-image": _no_image,
}


@dataclass(frozen=True)
class Allowed:
    """One line of the list: a reason (fnmatch pattern) and the condition under which it is true."""

    reason: str
    condition: str

    @classmethod
    def parse(cls, line: str) -> "Allowed":
        """`reason | condition arguments`; raises pytest.UsageError for a line that is not that."""
        reason, _, condition = (part.strip() for part in line.rpartition("|"))
        if not reason or condition.split(" ")[0] not in CONDITIONS:
            raise pytest.UsageError(
                f"{line!r} is not 'reason | condition'; conditions: {', '.join(CONDITIONS)}"
            )
        return cls(reason, condition)

    def covers(self, reason: str) -> bool:
        """Whether a test may be skipped here and now, saying `reason`."""
        name, _, arguments = self.condition.partition(" ")
        return fnmatch(reason, self.reason) and CONDITIONS[name](arguments)


def read_list(path: Path) -> list[Allowed]:
    """The lines of the list; blank lines and lines that begin with # say nothing."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return [Allowed.parse(line) for line in lines if line and not line.startswith("#")]


class Skips:
    """What was skipped in this run, and what of it was not allowed."""

    def __init__(self, allowed: list[Allowed]) -> None:
        self.allowed = allowed
        self.seen: dict[str, list[str]] = {}  # reason: tests

    def add(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Remember a skip; an expected failure counts as one."""
        if report.outcome == "skipped":
            self.seen.setdefault(_reason(report), []).append(report.nodeid)

    def not_allowed(self) -> Iterator[tuple[str, list[str]]]:
        """Reasons that are not on the list or not true here, with the tests that gave them."""
        for reason, tests in self.seen.items():
            if not any(allowed.covers(reason) for allowed in self.allowed):
                yield reason, tests


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"expected to fail: {report.wasxfail}"
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Another list, for the plugin's own tests."""
    parser.addoption("--allowed-skips", type=Path, default=LIST, help="file of the skips that are allowed")


def pytest_configure(config: pytest.Config) -> None:
    """Read the list first, so that a wrong line stops the run before it begins."""
    config.stash[HERE] = skips = Skips(read_list(config.getoption("--allowed-skips")))
    config.pluginmanager.register(_Listener(skips), "gantry-skips")


class _Listener:
    def __init__(self, skips: Skips) -> None:
        self.skips = skips

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.skips.add(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.skips.add(report)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run for a skip that is not allowed."""
    if any(session.config.stash[HERE].not_allowed()) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which skips were not allowed."""
    for reason, tests in config.stash[HERE].not_allowed():
        terminalreporter.write_line(f"skip not allowed: {reason!r} in {', '.join(sorted(tests))}", red=True)
        terminalreporter.write_line("  install what it names, or list the reason in tests/allowed-skips")
