# SPDX-License-Identifier: Apache-2.0
"""One app in a container, hardened, known to the engine by its name; and the container runner.

A container outlives whoever started it, so it is always ended by its name, and what a gateway before this one
left is found by its label (`end_containers`).  It is created first and then started with the engine's client
attached: so the engine's own failures are not taken for the app's, nothing of the log is lost, and a warm
container hears the end of its standard input when the gateway dies.
"""

import csv
import hashlib
import io
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import psutil

from ..errors import AppFailed, EngineUnavailable
from ..model import AttemptFolder
from . import Program, Task
from .abandoned import STARTED_BY, end_abandoned, this_process
from .engine import Engine, find_engine
from .environment import map_environment
from .outcome import last_line, plain
from .process import ProcessRunner
from .watch import Running

LABEL = "org.gantry.storage"
OTHERS_USER = "1000:1000"  # of a gateway that runs as root, which no app may be
CLIENT_ENDS_WITHIN_S = 10.0
OUT_OF_MEMORY = "oom"  # what Podman's monitor leaves where its client was started
SIGNALLED = 128  # how an engine says that a signal ended the app
ATTEMPT = re.compile(r"([0-9]+)\.([0-9]+)")
HARDENED = (
    "--pull=never",
    "--network=none",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=256",
    "--shm-size=64m",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1024:1024",
    "--ulimit=stack=33554432:67108864",
    "--ulimit=core=0:0",
    "--log-driver=none",  # the client writes app.log
)
TEMPORARY = "--tmpfs=/tmp:rw,size=512m,mode=1777,nosuid,nodev"
OF_PODMAN = "--read-only-tmpfs=false"  # else /run and /var/tmp can be written without bound


@dataclass(frozen=True)
class Plan:
    """What to start: the app's arguments, its variables, and what is mounted where (host, container, mode)."""

    program: Program
    name: str
    owner: str
    arguments: tuple[str, ...]
    variables: Mapping[str, str]
    mounts: Sequence[tuple[Path, Path, str]]
    log: Path
    talks: bool = False
    by_hand: bool = False  # no later one has this owner: it says which process waits for it


class Container(Running):
    """An app that runs in a container.  Whoever makes one must `end` it."""

    def __init__(self, plan: Plan, earlier: Sequence[str] = ()) -> None:
        """`earlier`: the names of containers that must not run beside this one; they are removed."""
        super().__init__()
        self._engine = find_engine()
        self._name, self._log = plan.name, plan.log
        self._exit: int | None = None
        self._first: psutil.Process | None = None  # the container's process 1
        self._engine.remove(*earlier, plan.name)
        self._engine.call("create", *options(self._engine, plan), environment=plan.variables)
        try:
            self._client = self._start(plan.talks)
            self._ending = os.pidfd_open(self._client.pid)
        except BaseException:
            self._engine.remove(plan.name)
            raise

    def _start(self, talks: bool) -> subprocess.Popen[bytes]:
        attached = ("--attach", "--interactive") if talks else ("--attach",)
        if self._engine.kind == "podman":
            attached = (*attached, "--sig-proxy=false")
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [self._engine.path, "start", *attached, self._name],
                cwd=self._log.parent,
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else log,
                stderr=log,
                bufsize=0,
                start_new_session=True,
            )

    @property
    def ending(self) -> int:
        """Descriptor of the engine's client."""
        return self._ending

    @property
    def input(self) -> int:
        """Descriptor of the app's standard input (of an app that talks)."""
        assert self._client.stdin is not None
        return self._client.stdin.fileno()

    @property
    def output(self) -> int:
        """Descriptor of the app's standard output (of an app that talks)."""
        assert self._client.stdout is not None
        return self._client.stdout.fileno()

    def exit_status(self, timeout_s: float = 0) -> int | None:
        """How the app ended, None while it runs.  Raises EngineUnavailable, AppFailed when it never started."""
        if self._exit is None and wait([self._ending], timeout_s):
            self._exit = self._ended()
        return self._exit

    def _ended(self) -> int:
        state = self._engine.state(self._name)
        if state["Running"]:
            raise EngineUnavailable("Its client ended while the container still ran.")
        if state["Status"] not in ("exited", "stopped", "dead"):
            raise AppFailed(f"The container did not start: {plain(last_line(self._log))}")
        self.starved = state["OOMKilled"] or (self._log.parent / OUT_OF_MEMORY).exists()
        code = int(state["ExitCode"])
        return SIGNALLED - code if SIGNALLED < code < SIGNALLED + signal.NSIG else code

    def processes(self) -> set[psutil.Process]:
        """Every process in the container; none before it has started, and where the engine is not this machine's."""
        with suppress(psutil.NoSuchProcess):
            if self._first is None and (pid := int(self._engine.state(self._name)["Pid"])):
                self._first = psutil.Process(pid)
            if self._first is not None:
                return {self._first, *self._first.children(recursive=True)}
        return set()

    def end(self) -> None:
        """Kill the container with everything in it, remove it, and let the client go."""
        try:
            self._engine.remove(self._name)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        for stream in (self._client.stdin, self._client.stdout):
            if stream is not None:
                stream.close()
        if self._client.returncode is None:
            self._client.kill()
            self._client.wait(CLIENT_ENDS_WITHIN_S)
            os.close(self._ending)


class ContainerRunner(ProcessRunner):
    """Starts a container for each job; several at a time, as many as there are callers."""

    def __init__(self, work: Path, by_hand: bool = False) -> None:
        """`by_hand`: nobody will have this work folder again (see `abandoned`)."""
        self._owner, self._by_hand = owner_of(work), by_hand

    def _start(self, program: Program, task: Task) -> Running:
        open_up(task.folder)
        *earlier, name = _names(self._owner, task.folder.path.name)
        inside = program.layout
        plan = Plan(
            program=program,
            name=name,
            owner=self._owner,
            arguments=(),
            variables=map_environment(inside, inside.models, task.job) | dict(program.environment),
            mounts=((task.folder.input, inside.input, "ro"), (task.folder.output, inside.output, "rw")),
            log=task.folder.log,
            by_hand=self._by_hand,
        )
        return Container(plan, earlier)


def cold_runner(program: Program, work: Path) -> ProcessRunner:
    """The runner that starts this program anew for each run by hand, in `work`.

    Containers of an earlier one that was killed are ended here.
    """
    if not program.image:
        return ProcessRunner()
    end_abandoned()
    return ContainerRunner(work, by_hand=True)


def owner_of(work: Path) -> str:
    """By which hash the containers of a gateway are known: that of its work folder's path."""
    return hashlib.sha256(str(work.resolve()).encode()).hexdigest()[:12]


def end_containers(work: Path) -> tuple[str, ...]:
    """End and remove every container that a gateway with this work folder left; their names."""
    engine = find_engine()
    left = tuple(sorted(engine.labelled(f"{LABEL}={owner_of(work)}")))
    if left:
        engine.remove(*left)
    return left


def open_up(folder: AttemptFolder) -> None:
    """Let the container's user, which is another than the gateway's, into an attempt's folder.

    On this machine only the gateway may enter the work folder around it.
    """
    folder.log.touch()
    for path, mode in (
        (folder.path, 0o755),
        (folder.input, 0o555),
        (folder.output, 0o777),
        (folder.log, 0o666),
    ):
        path.chmod(mode)


def _names(owner: str, folder: str) -> list[str]:
    """What the containers of a job's attempts are called, this one's last: none may run beside it."""
    attempt = ATTEMPT.fullmatch(folder)
    if attempt is None:
        return [f"gantry-{owner}-{folder}"]
    return [f"gantry-{owner}-{attempt[1]}.{number}" for number in range(1, int(attempt[2]) + 1)]


def options(engine: Engine, plan: Plan) -> Iterator[str]:
    """The arguments of the engine's `create`."""
    limits, program = plan.program.limits, plan.program
    yield from (f"--name={plan.name}", f"--label={LABEL}={plan.owner}", *HARDENED)
    if plan.by_hand:
        yield f"--label={STARTED_BY}={this_process()}"
    yield from (f"--memory={limits.memory_mb}m", f"--memory-swap={limits.memory_mb}m")
    if program.cpu:
        yield f"--cpus={min(program.cpu, os.cpu_count() or program.cpu)}"
    if engine.kind == "podman":
        yield OF_PODMAN
    yield from _user(engine)
    yield from _gpu(engine, program.gpu)
    yield from _mounted(plan)
    yield from _variables(plan)
    if plan.talks:
        yield "--interactive"
    entrypoint, *arguments = program.layout.command
    yield from (f"--entrypoint={entrypoint}", program.image, *arguments, *plan.arguments)


def _user(engine: Engine) -> Iterator[str]:
    """The gateway's own user, so that what the app writes is the gateway's; another when that is root."""
    if os.geteuid() == 0:
        yield f"--user={OTHERS_USER}"
        return
    yield f"--user={os.geteuid()}:{os.getegid()}"
    if engine.kind == "podman":
        yield "--userns=keep-id"


def _gpu(engine: Engine, gpu: str) -> Iterator[str]:
    if gpu:
        yield f"--device=nvidia.com/gpu={gpu}" if engine.kind == "podman" else f"--gpus=device={gpu}"


def _mounted(plan: Plan) -> Iterator[str]:
    mounts = list(plan.mounts)
    if plan.program.models != plan.program.layout.models:
        mounts.append((plan.program.models, plan.program.layout.models, "ro"))
    if all(inside != Path("/tmp") for _, inside, _ in mounts):
        yield TEMPORARY
    for here, inside, mode in mounts:
        yield f"--mount={_bind(here, inside, mode)}"


def _bind(here: Path, inside: Path, mode: str) -> str:
    """A line of CSV, as which both engines read it; of `--volume` a colon in a path would be a part."""
    line = io.StringIO()
    read_only = ("readonly",) if mode == "ro" else ()
    csv.writer(line, lineterminator="").writerow(
        ("type=bind", f"source={here}", f"target={inside}", *read_only)
    )
    return line.getvalue()


def _variables(plan: Plan) -> Iterator[str]:
    """By name where that is possible: an argument can be read by every user of the machine."""
    fixed = {"HOME": "/tmp", "TMPDIR": "/tmp", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
    if plan.program.cpu:
        fixed["OMP_NUM_THREADS"] = str(plan.program.cpu)
    for name, value in fixed.items():
        yield f"--env={name}={value}"
    for name, value in plan.variables.items():
        yield f"--env={name}={value}" if name in os.environ else f"--env={name}"
