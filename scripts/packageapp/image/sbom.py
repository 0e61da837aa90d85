# SPDX-License-Identifier: Apache-2.0
"""Writes what is installed in this image as a CycloneDX 1.5 JSON bill of materials: `python3 sbom.py FILE`."""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import quote

DPKG = Path("/var/lib/dpkg/status")
HERE = Path(__file__).parent


def bill(manifest: dict[str, object], debian: str) -> dict[str, object]:
    """The bill of the app with this manifest.  debian: the text of dpkg's status file."""
    components = sorted((*_python(), *_debian(debian)), key=lambda one: one["bom-ref"])
    name, version = str(manifest["name"]), str(manifest["version"])
    app = {"type": "application", "bom-ref": "app", "name": name, "version": version}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": app},
        "components": components,
    }


def _python() -> Iterator[dict[str, str]]:
    """Each Python package once: the one that an import finds."""
    seen = set()
    for one in distributions():
        name = one.metadata["Name"].lower().replace("_", "-").replace(".", "-")
        if name not in seen:
            seen.add(name)
            yield _component(
                one.metadata["Name"], one.version, f"pkg:pypi/{quote(name)}@{quote(one.version)}"
            )


def _debian(status: str) -> Iterator[dict[str, str]]:
    for paragraph in status.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " "
        )
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            yield _component(name, version, f"pkg:deb/{quote(name)}@{quote(version)}")


def _component(name: str, version: str, purl: str) -> dict[str, str]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    said = json.loads((HERE / "manifest.json").read_text())
    installed = DPKG.read_text() if DPKG.is_file() else ""
    Path(sys.argv[1]).write_text(json.dumps(bill(said, installed), indent=1))
