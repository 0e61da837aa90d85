# SPDX-License-Identifier: Apache-2.0
"""Results as DICOM JSON (PS3.18 Annex F) with UIDs, dates and times masked; pixel data as their sha256.

`python tests/operators/golden_results.py` writes the golden files anew; look at what changed in them.
"""

import base64
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydicom import Dataset

GOLDEN = Path(__file__).parent / "golden"
WELL_KNOWN = "1.2.840.10008."
NAMES = ("segmentation-0", "measurements-0", "text-report-0", "secondary-capture-0")
DOCUMENTS = (
    "classification-0",
    "placed-findings-0",
    "presentation-state-0",
    "secondary-capture-0",
    "key-object-0",
    "pdf-0",
)
COMPRESSED = ("00420011", "00420015")  # a PDF is what zlib makes of it, which is not the same everywhere


def masked(dataset: Dataset) -> dict[str, Any]:
    """The object's content in which only identifiers and times are taken out."""
    elements = dataset.to_json_dict().items()
    return {tag: _element(element) for tag, element in elements if tag not in COMPRESSED}


def _element(element: dict[str, Any]) -> dict[str, Any]:
    vr = element["vr"]
    if "InlineBinary" in element:
        content = base64.b64decode(element["InlineBinary"])
        return {"vr": vr, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return {"vr": vr, "Value": [_value(vr, value) for value in element.get("Value", [])]}


def _value(vr: str, value: Any) -> Any:
    if vr == "SQ":
        return {tag: _element(element) for tag, element in value.items()}
    if vr == "UI" and not value.startswith(WELL_KNOWN):
        return "UID"
    return "*" if vr in ("DA", "TM", "DT") else value


def golden_file(name: str, profile: str) -> Path:
    return GOLDEN / f"{name.removesuffix('-0')}-{profile}.json"


def main() -> None:
    """Write every golden file anew."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from documents import documents
    from result_files import all_kinds, ct, write

    with tempfile.TemporaryDirectory() as folder:
        volume = ct(Path(folder) / "ct", spacing=(2.5, 0.5, 0.75))
        for profile, names, results in (
            ("binary", NAMES, all_kinds(volume)),
            ("labelmap", NAMES[:1], all_kinds(volume)),
            ("document", DOCUMENTS, documents(volume.shape[0] - 1)),
        ):
            segmentation = "labelmap" if profile == "labelmap" else "binary"
            written = write(Path(folder) / profile, volume, results, segmentation=segmentation)
            for name in names:
                text = json.dumps(masked(written[name]), indent=1, ensure_ascii=False)
                golden_file(name, profile).write_text(text + "\n")


if __name__ == "__main__":
    main()
