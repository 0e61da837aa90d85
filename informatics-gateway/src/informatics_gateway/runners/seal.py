# SPDX-License-Identifier: Apache-2.0
"""Runs a command where there is no network and only some folders can be written to.

`python -I -S seal.py RECORD FOLDER... -- COMMAND...`: RECORD, made here, says in JSON how often something in it
asked for the network, whatever the command is written in: the kernel counts what it cannot send.  The exit status
is the command's own, 125 where this machine does not permit it.  Run as a file of its own, by `sealed`.
"""

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path

NOT_PERMITTED = 125
PYTHONS_OWN = (signal.SIGINT, signal.SIGPIPE)  # which Python does not leave as they are
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MS_NOSUID, MS_NODEV = 0x1000, 0x4000, 1 << 18, 2, 4
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, READ_ONLY = 442, -100, 0x8000, 1
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
COUNTED = {"Ip": ("OutNoRoutes",), "Udp": ("NoPorts",), "Ip6OutNoRoutes": (), "Udp6NoPorts": ()}
SHARED_MEMORY = "/dev/shm"

libc = ctypes.CDLL(None, use_errno=True)


def leave_the_network() -> None:
    """Own namespaces for network and mounts; one who is not root needs one for users as well."""
    user, group = os.getuid(), os.getgid()
    flags = CLONE_NEWNS | CLONE_NEWNET | (CLONE_NEWUSER if user else 0)
    _ask(libc.unshare(flags))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:  # an app may talk to itself
        fcntl.ioctl(one, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def close_the_files(folders: list[str]) -> None:
    """Everything can only be read but the folders, and shared memory that is gone afterwards."""
    here = os.getcwd()
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    for folder in folders:
        _mount(folder, folder, None, MS_BIND | MS_REC)
    _set("/", READ_ONLY, 0)
    for folder in folders:
        _set(folder, 0, READ_ONLY)
    if os.path.isdir(SHARED_MEMORY):
        _mount("tmpfs", SHARED_MEMORY, "tmpfs", MS_NOSUID | MS_NODEV)
    os.chdir(here)  # by way of the new mounts


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    texts = [text.encode() if text else None for text in (source, target, kind)]
    _ask(libc.mount(*texts, ctypes.c_ulong(flags), None))


def _set(target: str, added: int, removed: int) -> None:
    about = struct.pack("QQQQ", added, removed, 0, 0)
    number, where = ctypes.c_long(SYS_MOUNT_SETATTR), target.encode()
    _ask(libc.syscall(number, AT_FDCWD, where, AT_RECURSIVE, about, ctypes.c_size_t(len(about))))


def _ask(status: int) -> None:
    if status < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def asked_for_the_network() -> int:
    """How often something in this namespace sent what could not be sent, since it was made."""
    pairs = _lines("/proc/net/snmp")
    found: dict[str, int] = {}
    for (name, *keys), (_, *values) in zip(pairs[::2], pairs[1::2], strict=True):
        found |= {f"{name.rstrip(':')}.{key}": int(value) for key, value in zip(keys, values, strict=True)}
    found |= {key: int(value) for key, value in _lines("/proc/net/snmp6")}
    wanted = [f"{name}.{key}" for name, keys in COUNTED.items() for key in keys]
    return sum(found.get(name, 0) for name in (*wanted, *COUNTED))


def _lines(path: str) -> list[list[str]]:
    return [line.split() for line in Path(path).read_text().splitlines()] if os.path.exists(path) else []


def run(command: list[str]) -> int:
    """The command's exit status, minus the number of a signal that ended it."""
    child = os.fork()
    if child == 0:
        os.execv(command[0], command)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(arguments: list[str]) -> int:
    """The process entry."""
    cut = arguments.index("--")
    (record, *folders), command = arguments[:cut], arguments[cut + 1 :]
    with open(record, "w") as file:
        try:
            leave_the_network()
            close_the_files(folders)
            before = asked_for_the_network()
        except OSError as error:
            print(error, file=sys.stderr)
            return NOT_PERMITTED
        status = run(command)
        json.dump({"network": asked_for_the_network() - before}, file)
    if status < 0:
        if -status in PYTHONS_OWN:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
