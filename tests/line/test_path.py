# SPDX-License-Identifier: Apache-2.0
"""A data scientist's path, as apps/README.md has it: from a TorchScript file to a button in the PACS."""

import io
import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from builders import ct_series
from gateway_process import Gateway
from torch import nn

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "apps" / "README.md"
BRIGHT = (slice(2, 6), slice(4, 12), slice(3, 13))  # slices, rows, columns


class Above(nn.Module):
    """Background and one class: what is above 200 HU, once -1000 to 1000 have become 0 to 1."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        above = image - 0.6
        return torch.cat([-above, above], 1)


def commands() -> list[str]:
    """The lines of the page's first block of commands."""
    return PAGE.read_text().split("```sh\n")[1].split("```")[0].splitlines()


@dataclass
class Desk:
    """A folder that looks like Gantry's own: its scripts and environment, a gantry.toml, no app yet."""

    gateway: Gateway
    series: list[Path]

    @property
    def folder(self) -> Path:
        return self.gateway.folder

    def do(self, line: str) -> str:
        """What a shell does with the line, with our own files for the page's paths."""
        for name, path in (("model.ts", "model.ts"), ("dicom", "series"), ("results", "results")):
            line = line.replace(f"path/to/{name}", str(self.folder / path))
        done = subprocess.run(line, shell=True, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def desk(tmp_path, orthanc, monkeypatch) -> Iterator[Desk]:
    folder = tmp_path / "gantry"
    gateway = Gateway(folder, orthanc.destination(name="research-archive"), environment=orthanc.environment)
    for name in ("scripts", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    torch.jit.trace(Above(), torch.zeros(1, 1, 8, 8, 8)).save(folder / "model.ts")
    pixels = np.zeros((8, 16, 16), np.int16)
    pixels[BRIGHT] = 1024 + 300
    monkeypatch.chdir(folder)
    yield Desk(gateway, ct_series(folder / "series", slices=8, pixels=pixels))
    gateway.stop()


@pytest.mark.orthanc
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of TorchScript
def test_from_a_torchscript_file_to_a_button(desk, orthanc):
    make, try_it, put_behind_a_button, serve = commands()
    desk.do(make)
    assert "MY_TOOL" in (desk.folder / "apps" / "my_tool" / "button.toml").read_text()
    assert "ran on 8 instances" in desk.do(try_it)
    desk.do(put_behind_a_button)
    _, other = desk.do(make.replace("my_tool", "other_tool")), desk.folder / "apps" / "other_tool"
    (other / "models" / "model.ts").unlink()
    desk.do(put_behind_a_button.replace("my_tool", "other_tool"))

    desk.gateway.start(*shlex.split(serve))
    assert desk.gateway.send(desk.series, called="MY_TOOL") == {path.name for path in desk.series}
    desk.gateway.send(desk.series, called="OTHER_TOOL")
    assert sorted(desk.gateway.wait_ended(2)) == ["delivered", "failed"]

    study = pydicom.dcmread(desk.series[0]).StudyInstanceUID
    [stored] = orthanc.instances(StudyInstanceUID=study)
    result = pydicom.dcmread(io.BytesIO(orthanc.file(stored["SOPInstanceUID"])))
    assert result.Modality == "SEG"
    rows, columns = BRIGHT[1], BRIGHT[2]
    expected = np.zeros((4, 16, 16), np.uint8)
    expected[:, rows, columns] = 1
    assert np.array_equal(result.pixel_array, expected)
    # The other one's weights are missing: said at start, and of its job; ours ran all the same.
    for said in (desk.gateway.log, "\n".join(desk.gateway.events())):
        assert f"Missing in {other / 'models'}: model.ts." in said
        assert "scripts/fetch-models other_tool" in said


def test_the_path_has_at_most_five_commands():
    assert len(commands()) <= 5
    assert os.access(ROOT / commands()[0].split()[0], os.X_OK)
