# SPDX-License-Identifier: Apache-2.0
"""What stands only in one place: broad excepts, starting processes, changing a job's status."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GATEWAY = ROOT / "informatics-gateway" / "src" / "informatics_gateway"
FILES = sorted(
    path for folder in (GATEWAY, ROOT / "operators" / "src", ROOT / "apps") for path in folder.rglob("*.py")
)
# Where a fault must not stop what others wait for: the pipeline, and the entry of an app's process.
EDGES = {"informatics_gateway/pipeline/faults.py", "imaging_operators/execution.py"}
STARTERS = {"fork", "forkpty", "system", "popen", "posix_spawn", "posix_spawnp"}
PARALLEL = {"Process", "Pool", "get_context", "ProcessPoolExecutor"}
STATUS_CHANGES = {"begin", "begin_sending", "end", "move", "postpone", "queue", "resume", "uncount"}


def _name(path: Path) -> str:
    return "/".join(path.parts[path.parts.index("src") + 1 :]) if "src" in path.parts else path.name


def broad_excepts(source: str) -> Iterator[int]:
    """Lines where every error is caught and not raised again."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
            last = node.body[-1]
            if not (isinstance(last, ast.Raise) and last.exc is None):
                yield node.lineno


def _is_broad(caught: ast.expr | None) -> bool:
    names = {"Exception", "BaseException"}
    return caught is None or bool(
        names & {ast.unparse(part) for part in ast.walk(caught) if isinstance(part, ast.Name)}
    )


def processes_started(source: str) -> Iterator[int]:
    """Lines that can start a process."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names) if any(each.name == "subprocess" for each in names):
                yield node.lineno
            case ast.ImportFrom(module="subprocess"):
                yield node.lineno
            case ast.ImportFrom(names=names) if any(each.name in PARALLEL for each in names):
                yield node.lineno
            case ast.Attribute(value=ast.Name(id="os"), attr=attr) if attr in STARTERS or attr.startswith(
                ("exec", "spawn")
            ):
                yield node.lineno
            case ast.Attribute(attr=attr) if attr in PARALLEL:
                yield node.lineno


def status_changes(source: str) -> Iterator[int]:
    """Lines that call what changes a job's status in the store."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            if node.func.attr in STATUS_CHANGES and owner.rpartition(".")[2] in ("store", "_store"):
                yield node.lineno


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_everything_is_caught_only_at_an_edge(path):
    lines = list(broad_excepts(path.read_text()))
    assert len(lines) <= (1 if _name(path) in EDGES else 0), f"{path}: lines {lines}"


@pytest.mark.parametrize("path", sorted(GATEWAY.rglob("*.py")), ids=_name)
def test_only_the_runners_start_processes(path):
    if path.parent.name != "runners":
        assert list(processes_started(path.read_text())) == []


@pytest.mark.parametrize("path", sorted(GATEWAY.rglob("*.py")), ids=_name)
def test_only_the_pipeline_changes_a_jobs_status(path):
    if path.parent.name not in ("pipeline", "store"):
        assert list(status_changes(path.read_text())) == []


def test_the_pipeline_and_the_runners_do():
    assert any(list(status_changes(path.read_text())) for path in (GATEWAY / "pipeline").glob("*.py"))
    assert any(list(processes_started(path.read_text())) for path in (GATEWAY / "runners").glob("*.py"))


@pytest.mark.parametrize(
    ("look", "source"),
    [
        (broad_excepts, "try: pass\nexcept Exception: pass"),
        (broad_excepts, "try: pass\nexcept (OSError, BaseException): x()"),
        (broad_excepts, "try: pass\nexcept: pass"),
        (processes_started, "import os, subprocess"),
        (processes_started, "from subprocess import run"),
        (processes_started, "os.execve('a', [], {})"),
        (processes_started, "from multiprocessing import get_context"),
        (processes_started, "import multiprocessing\nmultiprocessing.Process()"),
        (processes_started, "from concurrent.futures import ProcessPoolExecutor"),
        (status_changes, "self.store.move(job, 1)"),
        (status_changes, "store.end(job)"),
    ],
)
def test_a_breach_is_seen(look, source):
    assert list(look(source))


@pytest.mark.parametrize(
    "source", ["try: pass\nexcept OSError: pass", "try: pass\nexcept BaseException: raise"]
)
def test_what_is_narrow_or_raised_again_is_no_breach(source):
    assert list(broad_excepts(source)) == []
