# SPDX-License-Identifier: Apache-2.0
"""A small base image for the tests' containers: the machine's own Debian python3 and what it needs, no network.

`write_base(tar)` makes a root file system of it, for `podman import`.  Python packages are not in it: the tests
mount their environment's own where Debian's Python looks for them (`PACKAGES`).
"""

import io
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

BASE = "localhost/gantry-test-base:latest"
WANTED = (
    "base-files base-passwd bash coreutils dash debianutils findutils grep gzip hostname jq libc-bin libgomp1 "
    "libpython3-stdlib libstdc++6 login mawk passwd python3 python3-minimal sed tar zlib1g"
)
UNOWNED = ["/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/usr/bin/awk", "/etc/alternatives/awk"]
LEFT_OUT = re.compile(r"/usr/share/(man|doc|locale|info|lintian|bash-completion|zoneinfo)/|/usr/share/perl")
MERGED = re.compile(r"^/(bin|sbin|lib|lib32|lib64|libx32)/")
PIP = b'#!/bin/sh\nexec python3 -m pip "$@"\n'
PACKAGES = f"/usr/local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/dist-packages"


def site_packages() -> str:
    """This environment's packages, and where Debian's Python of the same version finds them: `HERE:THERE:ro`."""
    return f"{sysconfig.get_path('purelib')}:{PACKAGES}:ro"


def write_base(tar: Path) -> None:
    """Write the root file system as a tar file.  RuntimeError where Debian's python3 is of another version."""
    version = _output("/usr/bin/python3", "-c", "import sys; print(*sys.version_info[:2], sep='.')").strip()
    if version != f"{sys.version_info[0]}.{sys.version_info[1]}":
        raise RuntimeError(f"/usr/bin/python3 is {version}: the environment's packages do not fit it")
    with tarfile.open(tar, "w") as archive:
        for path in sorted(_files()):
            archive.add(path, recursive=False)
        for name in ("passwd", "group"):
            _add(archive, f"etc/{name}", Path(f"/usr/share/base-passwd/{name}.master").read_bytes())
        _add(archive, "usr/local/bin/pip", PIP, 0o755)


def _files() -> set[str]:
    """Files, links and folders of the packages; /bin and its like are links into /usr."""
    listed = set(_output("dpkg", "-L", *_closure()).splitlines())
    owned = {MERGED.sub(r"/usr/\1/", path) for path in listed if path.startswith("/") and path != "/."}
    return {path for path in (*owned, *UNOWNED) if os.path.lexists(path) and not LEFT_OUT.match(path)}


def _closure() -> list[str]:
    """The wanted packages and what they depend on, as far as it is installed."""
    depends = {}
    form = "${Package}\t${db:Status-Abbrev}\t${Pre-Depends}, ${Depends}\n"
    for line in _output("dpkg-query", "-W", "-f", form).splitlines():
        name, status, needs = line.split("\t")
        if status.startswith("ii"):
            depends[name] = re.findall(r"(?:^|, |\| )([a-z0-9][a-z0-9.+-]*)", needs)
    found, left = set(), WANTED.split()
    while left:
        name = left.pop()
        if name in depends and name not in found:
            found.add(name)
            left += depends[name]
    return sorted(found)


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.mode, member.size = mode, len(content)
    archive.addfile(member, io.BytesIO(content))


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
