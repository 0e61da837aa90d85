# SPDX-License-Identifier: Apache-2.0
"""Who sends the series and where the results come back to: an Orthanc, or folders where there is none."""

import io
import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pydicom
from orthanc import BINARY, Orthanc, free_port
from pynetdicom import AE
from pynetdicom.presentation import build_context

from imaging_data import Series

ROOT = Path(__file__).parents[2]
IMAGE = "orthancteam/orthanc:26.8.2"  # the one of informatics-gateway/compose.yaml
TRIES = 3
Progress = Callable[[float], None]  # told the finished part, 0 to 1


class Archive(Protocol):
    """What the demonstration needs of an archive."""

    about: str
    environment: dict[str, str]  # what a gateway with this destination needs

    def destination(self) -> str:
        """The [[destination]] of gantry.toml, named "archive"."""

    def load(self, paths: Sequence[Path], progress: Progress) -> None:
        """Store the study."""

    def send(self, series: Series, button: str, port: int, progress: Progress) -> None:
        """C-STORE the series to the button on this port; raises RuntimeError when it is not taken."""

    def fetch(self, sop_instance_uid: str) -> pydicom.Dataset:
        """A result, as the archive gives it back."""

    def addresses(self) -> dict[str, str]:
        """What to open in a browser or read."""

    def close(self) -> None:
        """End what was started."""


class OrthancArchive:
    """A started Orthanc; it sends the series itself."""

    def __init__(self, server: Orthanc, about: str) -> None:
        self.server, self.about, self.environment = server, about, server.environment

    def destination(self) -> str:
        """STOW-RS into Orthanc."""
        return self.server.destination()

    def load(self, paths: Sequence[Path], progress: Progress) -> None:
        """Upload the files over HTTP."""
        for number, path in enumerate(paths, 1):
            self.server.upload(path)
            progress(number / len(paths))

    def send(self, series: Series, button: str, port: int, progress: Progress) -> None:
        """Make the gateway known to Orthanc and ask it to send."""
        gantry = {"AET": button, "Host": "127.0.0.1", "Port": port}
        self.server.client.put("/modalities/gantry", json=gantry).raise_for_status()
        content = {"Resources": [self.server.lookup(series.series_instance_uid)], "Synchronous": False}
        asked = self.server.client.post("/modalities/gantry/store", json=content)
        asked.raise_for_status()
        while True:
            job = self.server.client.get(f"/jobs/{asked.json()['ID']}").json()
            progress(job["Progress"] / 100)
            if job["State"] == "Success":
                return
            if job["State"] == "Failure":
                raise RuntimeError(f"Orthanc could not send the series: {job.get('ErrorDetails') or job}")
            time.sleep(0.05)

    def fetch(self, sop_instance_uid: str) -> pydicom.Dataset:
        """The instance's file, from Orthanc."""
        return pydicom.dcmread(io.BytesIO(self.server.file(sop_instance_uid)))

    def addresses(self) -> dict[str, str]:
        """Orthanc's own page, with its user."""
        user = f"user {self.server.username}, password {self.server.password}"
        return {"Orthanc": f"{self.server.url}/app/explorer.html ({user})"}

    def close(self) -> None:
        """Stop Orthanc."""
        self.server.stop()
        self.server.client.close()


class OrthancInDocker(Orthanc):
    """An Orthanc in a container on the host's network, with the same configuration."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.container = f"gantry-demo-{free_port()}"

    def command(self) -> list[str | Path]:
        """The image merges /etc/orthanc and these; what it stores stays in the container."""
        here = {"Plugins": ["/usr/share/orthanc/plugins/"]} | dict.fromkeys(
            ("StorageDirectory", "IndexDirectory"), "/var/lib/orthanc/db"
        )
        options = ["--rm", "--init", "--network", "host", "--name", self.container, "--env", "TCP_NODELAY=1"]
        options += ["--env", f"ORTHANC_JSON={json.dumps(here)}"]
        return ["docker", "run", *options, "--volume", f"{self.folder}/configuration:/etc/orthanc:ro", IMAGE]

    def stop(self) -> None:
        """End the container: its client's death would not."""
        subprocess.run(["docker", "rm", "--force", self.container], capture_output=True, check=False)
        super().stop()


class Folders:
    """No archive: this program sends the files itself, and the results come back as files."""

    about = "no Orthanc: the demonstration sends the series itself, and results come back to a folder"
    calling_ae_title = "MODALITY"

    def __init__(self, folder: Path) -> None:
        self.results = folder / "results"
        self.environment: dict[str, str] = {}

    def destination(self) -> str:
        """A folder of DICOM files."""
        table = '[[destination]]\nname = "archive"\nkind = "folder"\nclinical = false\n'
        return f'{table}path = "{self.results}"\n'

    def load(self, paths: Sequence[Path], progress: Progress) -> None:
        """There is nothing to load into."""
        progress(1.0)

    def send(self, series: Series, button: str, port: int, progress: Progress) -> None:
        """Send the files, those whose response was lost once more."""
        left, all_of_them = [instance.path for instance in series.instances], len(series.instances)
        for _ in range(TRIES):
            left = _store(left, button, port, lambda sent: progress(sent / all_of_them))
            if not left:
                return
        raise RuntimeError(f"the gateway did not take {len(left)} of the instances; see its log")

    def fetch(self, sop_instance_uid: str) -> pydicom.Dataset:
        """The file with this instance."""
        for path in self.results.rglob("*.dcm"):
            if pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID == sop_instance_uid:
                return pydicom.dcmread(path)
        raise RuntimeError(f"{sop_instance_uid} is not in {self.results}")

    def addresses(self) -> dict[str, str]:
        """Where the files are."""
        return {"results": str(self.results)}

    def close(self) -> None:
        """Nothing was started."""


def _store(paths: Sequence[Path], button: str, port: int, progress: Progress) -> list[Path]:
    """C-STORE the files on one association; returns those that were not acknowledged."""
    headers = {path: pydicom.dcmread(path, specific_tags=["SOPClassUID"], force=True) for path in paths}
    kinds = {(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID) for ds in headers.values()}
    ae = AE(Folders.calling_ae_title)
    contexts = [build_context(sop_class, syntax) for sop_class, syntax in kinds]
    association = ae.associate("127.0.0.1", port, contexts=contexts, ae_title=button)
    left = []
    for number, path in enumerate(paths, 1):
        stored = association.is_established and association.send_c_store(path).get("Status") == 0x0000
        left += [] if stored else [path]
        progress(number - len(left))
    if association.is_established:
        association.release()
    return left


def open_archive(wanted: str, folder: Path, say: Callable[[str], None]) -> Archive:
    """The best archive that this machine has or may get, or the one that is wanted by name."""
    if wanted in ("auto", "orthanc"):
        if not BINARY.exists():
            subprocess.run([ROOT / "scripts" / "install-parts", "orthanc"], check=False)
        if BINARY.exists():
            return _started(Orthanc(folder / "orthanc"), f"Orthanc ({BINARY})")
    if wanted in ("auto", "docker") and _docker_may_run():
        say(f"Fetching the image {IMAGE}")
        if subprocess.run(["docker", "pull", "--quiet", IMAGE], check=False).returncode == 0:
            return _started(OrthancInDocker(folder / "orthanc"), f"Orthanc in Docker ({IMAGE})")
    if wanted in ("auto", "folder"):
        return Folders(folder)
    raise RuntimeError(f"--archive {wanted}: this machine has no such archive and may not install it")


def _started(server: Orthanc, about: str) -> OrthancArchive:
    try:
        server.start()
    except BaseException:
        server.stop()
        raise
    return OrthancArchive(server, about)


def _docker_may_run() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False
