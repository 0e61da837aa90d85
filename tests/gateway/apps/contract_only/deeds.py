# SPDX-License-Identifier: Apache-2.0
"""Good and bad deeds of the app in this folder, by name."""

import ctypes
import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

MB = 1 << 20
KEPT = []


class Refusal(Exception):
    """The app cannot work on this series; holds the error that says so."""


class NoMatchingSeries(Exception):
    """What an app of ours would write."""


def start(wanted: dict, output: Path) -> None:
    """What a worker does when it loads."""
    deed = os.environ.get("AT_START")
    if deed:
        DEEDS[deed](wanted, output)


def done(wanted: dict, output: Path) -> None:
    time.sleep(wanted.get("seconds", 0))


def progress(wanted: dict, output: Path) -> None:
    """Write progress.jsonl as the job says, a piece at a time, and wait until the test has seen it."""
    for piece in wanted["pieces"]:
        with (output / "progress.jsonl").open("a") as file:
            file.write(piece)
        time.sleep(0.25)
    while wanted.get("wait") and not (output / "seen").exists():
        time.sleep(0.02)


def link_progress(wanted: dict, output: Path) -> None:
    """progress.jsonl is a link to a file that has such lines."""
    (output / "lines").write_text('{"step": "x", "fraction": 0}\n')
    (output / "progress.jsonl").symlink_to(output / "lines")
    time.sleep(0.4)


def say(wanted: dict, output: Path) -> dict:
    """Write down in results.json what the job says."""
    return {"notes": wanted["notes"]}


def overwrite_input(wanted: dict, output: Path) -> None:
    """Write into the input, as far as one can."""
    for path in (output.parent / "input").iterdir():
        path.chmod(0o644)
        path.write_bytes(b"overwritten")
    done(wanted, output)


def refuse(wanted: dict, output: Path) -> None:
    raise Refusal(NoMatchingSeries("No series matches: Modality is MR."))


def fail(wanted: dict, output: Path) -> None:
    raise ValueError(wanted.get("say", "the sum is wrong"))


def memory_error(wanted: dict, output: Path) -> None:
    raise MemoryError("Unable to allocate 4 GiB")


def die(wanted: dict, output: Path) -> None:
    os.kill(os.getpid(), wanted.get("signal", signal.SIGSEGV))


def leave(wanted: dict, output: Path) -> None:
    os._exit(wanted.get("status", 0))


def hang(wanted: dict, output: Path) -> None:
    (output / "hangs").write_text(str(os.getpid()))
    time.sleep(600)


def fill(wanted: dict, output: Path) -> None:
    """Hold memory for a while, in this process."""
    held = bytearray(os.urandom(4096)) * (wanted["mb"] * MB // 4096)
    time.sleep(wanted.get("seconds", 20))
    del held


def fill_by_children(wanted: dict, output: Path) -> None:
    """Hold memory in four children in sessions of their own."""
    for _ in range(4):
        if os.fork() == 0:
            os.setsid()
            fill({"mb": wanted["mb"] // 4}, output)
            os._exit(0)
    time.sleep(20)


def fill_in_a_child(wanted: dict, output: Path) -> None:
    """Fail because a child was killed for memory that only the kernel counts: half of it lies in /tmp."""
    child = os.fork()
    if child == 0:
        half = {"mb": wanted["mb"] // 2}
        with open("/tmp/held", "wb") as file:
            for _ in range(half["mb"]):
                file.write(bytes(MB))
        fill(half, output)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise ValueError("a worker process died")


def share(wanted: dict, output: Path) -> None:
    """Hold memory once, shared with four children."""
    held = bytearray(os.urandom(4096)) * (wanted["mb"] * MB // 4096)
    children = [os.fork() for _ in range(4)]
    time.sleep(1)
    if 0 in children:
        os._exit(0)
    for child in children:
        os.waitpid(child, 0)
    del held


def leak(wanted: dict, output: Path) -> None:
    KEPT.append(bytearray(os.urandom(4096)) * (wanted["mb"] * MB // 4096))


def hang_at_start(wanted: dict, output: Path) -> None:
    time.sleep(600)


def answer_at_start(wanted: dict, output: Path) -> None:
    os.write(1, b"loading...\n")


def chat(wanted: dict, output: Path) -> None:
    while True:
        os.write(1, b"x" * MB)
        time.sleep(0.003)


def descend(wanted: dict, output: Path) -> None:
    """Leave a daemon: its own session, its standard streams kept, deaf to SIGTERM."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            (output / "daemon").write_text(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    while not (output / "daemon").exists() or not (output / "daemon").read_text():
        time.sleep(0.01)
    if wanted.get("hang"):
        time.sleep(600)


def leave_zombie(wanted: dict, output: Path) -> None:
    KEPT.append(subprocess.Popen(["/bin/true"]))
    time.sleep(0.2)


def close_answers(wanted: dict, output: Path) -> None:
    os.close(int(os.environ["PROTOCOL"]))
    time.sleep(600)


def answer(wanted: dict, output: Path) -> None:
    """Write to the descriptor that is for answers only."""
    os.write(int(os.environ["PROTOCOL"]), wanted["answer"].encode())
    time.sleep(wanted.get("seconds", 0))


def answer_twice(wanted: dict, output: Path) -> None:
    """Answer once more when the job has long been answered."""
    again = {"answer": '{"exit": 0}\n'}
    threading.Timer(0.5, lambda: answer(again, output)).start()


def link(wanted: dict, output: Path) -> None:
    """What is no plain file."""
    (output / "link").symlink_to("/etc/passwd")
    os.mkfifo(output / "pipe")
    os.link(next((output.parent / "input").iterdir()), output / "input.dcm")
    (output.parent / "app.log").unlink(missing_ok=True)
    (output.parent / "app.log").symlink_to("/etc/passwd")


def link_result(wanted: dict, output: Path) -> None:
    """A result that is a link out of the output folder."""
    (output / "patient.dcm").symlink_to("/etc/passwd")


def segfault(wanted: dict, output: Path) -> None:
    """A fault, not a signal that is sent: process 1 of a container gets none of those."""
    ctypes.string_at(0)


def flood(wanted: dict, output: Path) -> None:
    """Fill the output folder without end."""
    with (output / "flood").open("wb") as file:
        while True:
            file.write(bytes(MB))
            file.flush()
            time.sleep(0.005)


def fork_bomb(wanted: dict, output: Path) -> None:
    """Start processes that start processes, until there may be no more."""
    while True:
        try:
            os.fork()
        except OSError:
            (output / "full").touch()
            time.sleep(600)


def look_around(wanted: dict, output: Path) -> None:
    """Write down how far the process gets."""
    seen = {"user": os.getuid(), "root": _tries(lambda: Path("/anything").touch())}
    seen["var"] = _tries(lambda: Path("/var/tmp/anything").touch())
    seen["run"] = _tries(lambda: Path("/run/anything").touch())
    seen["input"] = _tries(lambda: (output.parent / "input" / "anything").touch())
    seen["network"] = sorted(os.listdir("/sys/class/net"))
    status = Path("/proc/self/status").read_text().splitlines()
    seen |= {
        line.split(":")[0]: line.split(":")[1].strip() for line in status if line[:3] in ("Cap", "NoN", "Sec")
    }
    seen["environment"] = dict(os.environ)
    (output / "seen.json").write_text(json.dumps(seen))


def _tries(deed: Callable[[], object]) -> str:
    try:
        deed()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def lock(wanted: dict, output: Path) -> None:
    """Folders that cannot be entered."""
    for folder in (output / "locked" / "inner", Path(os.environ["HOME"]) / "locked"):
        folder.mkdir(parents=True)
        (folder / "file").touch()
        folder.chmod(0)


def litter(wanted: dict, output: Path) -> None:
    """Leave files in TMPDIR, or in that folder, and list what was there before."""
    temporary = Path(wanted.get("folder") or os.environ["TMPDIR"])
    (output / "found.json").write_text(json.dumps(sorted(os.listdir(temporary))))
    (temporary / "left").write_text("patient")
    (temporary / "folder").mkdir(exist_ok=True)


def see(wanted: dict, output: Path) -> None:
    """Write down what the process can see of its surroundings."""
    umask = os.umask(0o022)
    os.umask(umask)
    work = output.parent
    seen = {
        "environment": dict(os.environ),
        "umask": umask,
        "nice": os.nice(0),
        "stack": resource.getrlimit(resource.RLIMIT_STACK)[0],
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "oom": int(Path("/proc/self/oom_score_adj").read_text()),
        "folder": os.getcwd(),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "input": {path.name: oct(path.stat().st_mode) for path in (work / "input").iterdir()},
        "links": [path.stat().st_nlink for path in (work / "input").iterdir()],
        "beside": sorted(path.name for path in work.parent.iterdir()),
        "here": sorted(path.name for path in work.iterdir()),
        "pipe": repr(signal.getsignal(signal.SIGPIPE)),
        "python": sys.executable,
    }
    (output / "seen.json").write_text(json.dumps(seen))


DEEDS = {
    name: deed for name, deed in list(globals().items()) if callable(deed) and not isinstance(deed, type)
}
DEEDS["no_manifest"] = done
