# SPDX-License-Identifier: Apache-2.0
"""A MAP of others: it knows the MAP interface only, names its result anew each time, and writes no results.json.

Its result is the segmentation in `made/` beside it for the first file of its input.
"""

import hashlib
import os
import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
NAMES = (b"1.2.3.4.1111111111", b"1.2.3.5.1111111111")  # the UIDs of what is in `made`
DATE = b"20260101"


def folder(name: str) -> Path:
    """One of its folders, by the variables of its generation."""
    generation = (HERE / "generation").read_text()
    return Path(os.environ[f"HOLOSCAN_{name}_PATH" if generation == "holoscan" else f"MONAI_{name}PATH"])


def main() -> int:
    """One run; the exit status."""
    files = sorted(folder("INPUT").iterdir())
    if not files:
        print("no input")
        return 1
    result = (HERE / "made" / f"{hashlib.sha256(files[0].read_bytes()).hexdigest()}.dcm").read_bytes()
    for uid in NAMES:
        digits = "".join(random.choice("123456789") for _ in range(10))
        result = result.replace(uid, uid[:8] + digits.encode())
    result = result.replace(DATE, time.strftime("%Y%m%d").encode())
    place = folder("OUTPUT") / "seg"
    place.mkdir()
    (place / f"{random.getrandbits(64):x}.dcm").write_bytes(result)
    (folder("OUTPUT") / "log.txt").write_text("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
