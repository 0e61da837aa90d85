# SPDX-License-Identifier: Apache-2.0
"""An app on docs/map-contract.md alone, without any import of ours, that makes one DICOM result.

The result is a copy of its first slice in which values are exchanged for others of the same length or, where
`made/` beside it has one for that slice, the result there.  The file `sin` beside it names what it does wrong;
without it, it does nothing wrong.
"""

import contextlib
import hashlib
import json
import os
import random
import re
import socket
import struct
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
SIN = (HERE / "sin").read_text() if (HERE / "sin").exists() else ""
SEEN: list[bytes] = []
MADE = HERE / "made"  # results by the SHA-256 of the first slice
RULES = {"takes everything": {}, "takes MR": {"Modality": "MR"}}
NEEDS = {"wants all memory": {"memory_mb": 1 << 30}, "wants a GPU": {"gpu": "required"}}
MANIFEST = {
    "name": "Copies of slices",
    "version": "2.1",
    "creator": "Tests",
    "digest": f"{random.getrandbits(256):064x}" if SIN == "is edited" else "d" * 64,
    "series": RULES.get(SIN, {"Modality": "CT", "SliceThickness": [1, 5]}),
    "needs": {"cpu": 0, "memory_mb": 1024, "gpu_memory_mb": 0, "timeout_s": 60} | NEEDS.get(SIN, {}),
    "models": ["model.ts"] if "model" in SIN else [],
}
SOP_CLASS, SOP_INSTANCE = (0x0008, 0x0016, b"UI"), (0x0008, 0x0018, b"UI")
PATIENT_ID, STUDY, SERIES = (0x0010, 0x0020, b"LO"), (0x0020, 0x000D, b"UI"), (0x0020, 0x000E, b"UI")


def sha256(content: bytes) -> str:
    """Hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def value(content: bytes, element: tuple[int, int, bytes]) -> bytes:
    """The value of an element in Explicit VR Little Endian (PS3.5 section 7.1.2), without padding."""
    group, number, vr = element
    find = content.rindex if element == SERIES else content.index  # its own comes after those it refers to
    start = find(struct.pack("<HH", group, number) + vr) + 6
    [length] = struct.unpack_from("<H", content, start)
    return content[start + 2 : start + 2 + length].rstrip(b"\0 ")


def other_uid(uid: bytes, seed: str) -> bytes:
    """Another UID of the same length: its last component is exchanged."""
    head, _, last = uid.rpartition(b".")
    return head + b"." + ("1" + str(int(seed, 16)))[: len(last)].encode()


def run(job: dict) -> int:
    """One job; the exit status."""
    source, output = Path(job["input"]), Path(job["output"])
    contents = [file.read_bytes() for file in sorted(source.iterdir())]
    if not contents:
        said = {"error": "NoMatchingSeries", "message": "Seen: no series at all.", "hint": "Send CT."}
        (output / "error.json").write_text(json.dumps(said))
        return 0 if SIN == "exits 0 on failure" else 2
    if SIN == "reports progress":
        report(output)
    if SIN == "fails":
        raise ValueError("the sum is wrong")
    if SIN == "writes elsewhere":
        (HERE / "patients.txt").write_text("one more")
    if SIN == "writes elsewhere if it can":
        with contextlib.suppress(OSError):
            (HERE / "patients.txt").write_text("one more")
    if SIN == "calls home":
        socket.create_connection(("192.0.2.1", 443), timeout=0.2).close()
    if SIN == "calls home if it can":
        with contextlib.suppress(OSError):
            socket.create_connection(("192.0.2.1", 443), timeout=0.2).close()
    input_hash = sha256("\n".join(sorted(map(sha256, contents))).encode())
    first = SEEN[0] if SIN == "keeps the first patient" and SEEN else contents[0]
    SEEN.append(contents[0])
    result = make_result(first, input_hash)
    (output / "copy-0.dcm").write_bytes(result[:500] if SIN == "writes half a file" else result)
    document = make_manifest(result, contents, input_hash)
    (output / "part").write_text(json.dumps(document))
    (output / "part").rename(output / ("other.json" if SIN == "no manifest" else "results.json"))
    return 0


def report(output: Path) -> None:
    """Say how far it is, slowly enough to be seen."""
    for step, fraction in (("cut [red]", 0), ("cut [red]", 0.5), ("paste", 0.25)):
        with (output / "progress.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, "fraction": fraction}) + "\n")
        time.sleep(0.6)


def make_result(first: bytes, input_hash: str) -> bytes:
    """The copy, with UIDs of its own."""
    seed = f"{random.getrandbits(250):x}" if SIN == "new identifiers" else input_hash
    made = MADE / f"{sha256(first)}.dcm"
    result = made.read_bytes() if made.exists() else first
    for element in (SOP_INSTANCE, SERIES):
        uid = value(result, element)
        result = result.replace(uid, other_uid(uid, seed))
    if SIN == "another patient":
        result = result.replace(value(first, PATIENT_ID), b"X" * len(value(first, PATIENT_ID)))
    last_byte = {"remembers how many": len(SEEN), "rolls dice": random.randrange(256)}.get(SIN, 7)
    return result[:-1] + bytes([last_byte])


def make_manifest(result: bytes, contents: list[bytes], input_hash: str) -> dict:
    """results.json."""
    return {
        "contract": 1,
        "app": {key: MANIFEST[key] for key in ("name", "version", "creator", "digest")},
        "input": {
            "hash": sha256(b"?") if SIN == "wrong input hash" else input_hash,
            "series_instance_uid": value(contents[0], SERIES).decode(),
            "instances": len(contents),
        },
        "results": [
            {
                "kind": "secondary-capture",
                "ordinal": 0,
                "file": "copy-0.dcm",
                "sop_class_uid": value(result, SOP_CLASS).decode(),
                "sop_instance_uid": value(result, SOP_INSTANCE).decode(),
                "study_instance_uid": value(result, STUDY).decode(),
                "series_instance_uid": value(result, SERIES).decode(),
                "series_number": 300,
                "sha256": sha256(b"?") if SIN == "wrong file hash" else sha256(result),
            }
        ],
        "measurements": [{"name": "slices", "value": len(contents), "unit": "1", "site": None}],
        "findings": [f"{len(SEEN)} seen" if SIN == "counts patients" else "nothing found"],
        "models": {"model.ts": sha256(b"?")} if SIN == "lies about its model" else {},
        "times": {"predict_s": random.random()},
        "device": "cpu",
    }


def serve() -> None:
    """A warm worker."""
    answers = os.dup(1)
    os.dup2(2, 1)
    os.write(answers, b'{"ready": true}\n')
    for line in sys.stdin:
        status = run(json.loads(line))
        os.write(answers, json.dumps({"exit": status}).encode() + b"\n")


def tell() -> str:
    """The manifest."""
    if SIN == "prints no manifest":
        return "soon"
    return re.sub(r'"cpu": 0, ', "" if SIN == "names no needs" else r"\g<0>", json.dumps(MANIFEST))


if __name__ == "__main__":
    if sys.argv[1:] == ["manifest"]:
        print(tell())
    elif sys.argv[1:] == ["worker"]:
        serve()
    else:
        folders = {"input": os.environ["HOLOSCAN_INPUT_PATH"], "output": os.environ["HOLOSCAN_OUTPUT_PATH"]}
        sys.exit(run(folders))
