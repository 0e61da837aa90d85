# SPDX-License-Identifier: Apache-2.0
"""One cold run of an app, as a runner starts it but without limits: folders in its environment, results out."""

import json
import os
import subprocess
import sys
from pathlib import Path


def run_app(app: Path, source: Path, output: Path, models: Path | None = None, **job: str) -> dict[str, Path]:
    """Run the app in folder `app` on `source`; its results' files in `output` by kind.  job: GANTRY_JOB."""
    output.mkdir()
    folders = {"INPUT": source, "OUTPUT": output, "MODEL": models or app / "models"}
    environment = {f"HOLOSCAN_{name}_PATH": str(folder.resolve()) for name, folder in folders.items()}
    environment["GANTRY_JOB"] = json.dumps(job)
    code = app / "app.py"
    command = [code] if code.is_file() else ["-m", "imaging_operators.bundle", app]
    done = subprocess.run(
        [sys.executable, *command], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((output / "results.json").read_text())["results"]
    return {one["kind"]: output / one["file"] for one in written}
