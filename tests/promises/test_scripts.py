# SPDX-License-Identifier: Apache-2.0
"""scripts/: setup is idempotent and quick; install-parts installs what is missing, or says what."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Stands in for Python and pip, which would fetch gigabytes: it makes the files and notes its calls.
PYTHON = """#!/bin/sh
case "$1" in
  -c) exit 0 ;;
  --version) echo Python 3.11 ;;
esac
echo "$@" >> "$CALLS"
if [ "$2" = venv ]; then
  rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python
  printf '#!%s/.venv/bin/python\\n' "$(pwd -P)" | tee .venv/bin/pip > .venv/bin/gantry
  chmod +x .venv/bin/gantry
fi
[ -z "$FAIL" ] || exit 1
"""


class Checkout:
    """A folder with scripts/setup and the files that it looks at."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder / "checkout", folder / "calls"
        (self.folder / "scripts").mkdir(parents=True)
        for name in ("scripts/setup", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.folder / name)
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in ("python3.11", "python3"):
            (self.bin / name).write_text(PYTHON)
            (self.bin / name).chmod(0o755)

    def setup(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it; `called` then says what it did."""
        self.calls.write_text("")
        path = f"{self.bin}:{os.environ['PATH']}"
        settings = {"PATH": path, "CALLS": str(self.calls), "FAIL": ""} | environment
        command = [self.folder / "scripts" / "setup"]
        return subprocess.run(command, env=settings, capture_output=True, text=True, check=False)

    @property
    def called(self) -> list[str]:
        """The calls of the last run, without the noise."""
        calls = self.calls.read_text().replace("-m pip install --quiet --disable-pip-version-check ", "pip ")
        return [call for call in calls.splitlines() if "--version" not in call]


VENV = "-m venv --clear .venv"
INSTALLS = [
    "pip --no-compile --no-deps --requirement constraints.txt",
    "pip --no-compile --constraint constraints.txt --editable .[apps,convert,research,slides,ray,dev]",
]


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """One in which setup has run."""
    made = Checkout(tmp_path)
    done = made.setup()
    assert done.returncode == 0, done.stderr
    assert made.called == [VENV, *INSTALLS]
    return made


def test_setup_does_nothing_when_nothing_changed(checkout):
    done = checkout.setup()
    assert (done.returncode, done.stdout, checkout.called) == (0, "", [])


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_setup_installs_again_when_the_requirements_changed(checkout, name):
    with (checkout.folder / name).open("a") as file:
        file.write("# changed\n")
    checkout.setup()
    assert checkout.called == INSTALLS
    checkout.setup()
    assert checkout.called == []


def test_setup_makes_a_new_environment_in_a_new_place(checkout, tmp_path):
    checkout.folder = checkout.folder.rename(tmp_path / "elsewhere")
    checkout.setup()
    assert checkout.called == [VENV, *INSTALLS]


def test_setup_that_failed_is_done_again(checkout):
    (checkout.folder / "constraints.txt").write_text("changed\n")
    failed = checkout.setup(FAIL="yes")
    assert failed.returncode == 1
    assert "scripts/setup: pip could not install" in failed.stderr
    checkout.setup()
    assert checkout.called == INSTALLS


def test_setup_says_which_python_it_needs(tmp_path):
    made = Checkout(tmp_path)
    for name in ("python3.11", "python3.12", "python3.13", "python3"):
        (made.bin / name).write_text("#!/bin/sh\nexit 1\n")
        (made.bin / name).chmod(0o755)
    done = made.setup()
    assert done.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr


def _install_parts(folder: Path, *arguments: str, **tools: str) -> subprocess.CompletedProcess[str]:
    """The script with none of its parts installed and these tools; each tool is a shell script's body."""
    script = folder / "install-parts"
    script.write_text((ROOT / "scripts" / "install-parts").read_text().replace("=/usr/", f"={folder}/none/"))
    bin_ = folder / "bin"
    bin_.mkdir()
    for name, body in tools.items():
        (bin_ / name.replace("_", "-")).write_text(f"#!/bin/sh\n{body}\n")
        (bin_ / name.replace("_", "-")).chmod(0o755)
    command = ["/bin/bash", script, *arguments]
    return subprocess.run(command, env={"PATH": str(bin_)}, capture_output=True, text=True, check=False)


def test_parts_are_installed_by_root(tmp_path):
    done = _install_parts(
        tmp_path, "orthanc", id="echo 0", env='shift; exec "$@"', apt_get=f'echo "$@" >> {tmp_path}/calls'
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Installing by apt: orthanc orthanc-dicomweb orthanc-gdcm")
    update, install = (tmp_path / "calls").read_text().splitlines()
    assert update == "update -qq"
    assert install == "install -qq --yes --no-install-recommends orthanc orthanc-dicomweb orthanc-gdcm"


def test_without_rights_nothing_is_installed_and_the_missing_are_named(tmp_path):
    done = _install_parts(tmp_path, id="echo 1000", sudo="exit 1", apt_get=f"touch {tmp_path}/called")
    assert done.returncode == 0, done.stderr
    assert "Missing here: orthanc" in done.stdout
    assert "chromium" in done.stdout
    assert not (tmp_path / "called").exists()


def test_a_failing_apt_fails(tmp_path):
    assert _install_parts(tmp_path, id="echo 0", apt_get="exit 100").returncode == 100


def test_check_apps():
    app = "tests/operators/apps/torch_free"
    done = subprocess.run([ROOT / "scripts" / "check-apps", app], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "keeps the contract" in done.stdout
