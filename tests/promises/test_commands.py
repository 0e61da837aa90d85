# SPDX-License-Identifier: Apache-2.0
"""The commands of the documentation are run as they stand there, with a real gateway that has done a job."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from builders import ct_series
from documented import PAGES, ROOT, commands, key
from gateway_process import Gateway

APP = ROOT / "tests" / "operators" / "apps" / "torch_free"
TABLES = """
[[destination]]
name = "folder"
kind = "folder"
path = "results"
clinical = false
[[app]]
name = "torch_free"
path = "{app}"
[[route]]
called_ae_title = "LUNGS"
series = {{ Modality = "CT" }}
app = "torch_free"
destinations = ["folder"]
[[route]]
called_ae_title = "BRAIN"
series = {{ Modality = "MR" }}
app = "torch_free"
destinations = ["folder"]
"""
# Those that this file runs: `gantry` and apps, but for what other tests run at length.
PATH = "my_tool"  # tests/line/test_path.py
ELSEWHERE = {
    "gantry convert",
    "gantry send",
    "gantry serve",
    "gantry apps check",
    "gantry dataset build",
    "gantry dataset export",
    "gantry dataset serve",
    "gantry deidentify path/to/dicom",
    "gantry deidentify verify",
    "gantry deidentify reidentify",
}
WRITTEN = {
    " ".join(words): (page, words)
    for page in PAGES
    for words in commands(page)
    if key(words).startswith(("gantry ", "apps/")) and key(words) not in ELSEWHERE and PATH not in words
}
# The job has ended, and the reason of the entry still holds.
STATUS = {"gantry jobs cancel": 1, "gantry quarantine release": 1}
SAYS = {
    "gantry doctor": "It reaches LUNGS",
    "gantry jobs list": "delivered",
    "gantry jobs show": "delivered: proved by folder",
    "gantry jobs retry": "job 1 goes on",
    "gantry jobs cancel": "has ended: delivered",
    "gantry routes test": "LUNGS/torch_free",
    "gantry apps pause": "torch_free is paused",
    "gantry apps resume": "torch_free goes on",
    "gantry quarantine list": "No route takes this series",
    "gantry quarantine show": "No route takes this series",
    "gantry quarantine release": "No route takes this series",
    "gantry apps list": "lung_densitometry",
    "gantry apps run": "torch-free 1.0 ran on 5 instances",
    "apps/lung_densitometry/app.py manifest": '"Modality"',
}


@dataclass
class Place:
    """A gateway with a delivered job and an entry in quarantine, and what stands for names in the pages."""

    gateway: Gateway
    words: dict[str, str] = field(default_factory=dict)

    def run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """The command, from the root of the repository, as its page says."""
        command = [self.words.get(word, word) for word in words]
        environment = os.environ | {"GANTRY_CONFIG": str(self.gateway.config), "COLUMNS": "200"}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    """One place for all the commands."""
    folder = tmp_path_factory.mktemp("commands")
    one, another = (
        ct_series(folder / "one", slices=5),
        ct_series(folder / "another", slices=6, patient_id="B"),
    )
    gateway = Gateway(folder / "gateway", TABLES.format(app=APP))
    gateway.start()
    try:
        gateway.send(one)
        gateway.send(another, called="BRAIN")
        gateway.wait_ended()
        gateway.wait(lambda _: gateway.cli("quarantine", "list", "--json") != [])
        [entry] = gateway.cli("quarantine", "list", "--json")
        names = {"path/to/dicom": one[0].parent, "path/to/results": folder / "results"}
        names |= {"NAME": "torch_free", "gantry.toml": gateway.config, "ENTRY": entry["id"]}
        yield Place(gateway, {word: str(value) for word, value in names.items()})
    finally:
        gateway.stop()


@pytest.mark.parametrize("command", WRITTEN)
def test_a_command_of_the_documentation(place, command):
    _, words = WRITTEN[command]
    if "apps" in words[:2]:
        words = [str(APP) if word == "lung_densitometry" else word for word in words]
    done = place.run(words)
    assert done.returncode == STATUS.get(key(words), 0), done.stdout + done.stderr
    assert SAYS[key(words)] in done.stdout + done.stderr
