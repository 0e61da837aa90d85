# SPDX-License-Identifier: Apache-2.0
"""Apps as the gateway starts them: a process with folders in its environment, or a warm worker."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from result_files import JOB, Written

APPS = Path(__file__).parent / "apps"


def app_file(name: str) -> Path:
    return APPS / name / "app.py"


def environment(**variables: str) -> dict[str, str]:
    """Ours without what other tests may have set."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HOLOSCAN_", "GANTRY_"))}
    return kept | variables


def run(
    app: str | Path, source: Path, output: Path, job: dict[str, Any] | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """One cold run."""
    output.mkdir(parents=True, exist_ok=True)
    folders = {"HOLOSCAN_INPUT_PATH": str(source), "HOLOSCAN_OUTPUT_PATH": str(output)}
    given = environment(GANTRY_JOB=json.dumps(JOB | (job or {})), **folders) | variables
    path = app_file(app) if isinstance(app, str) else app
    return subprocess.run([sys.executable, path], env=given, capture_output=True, text=True, timeout=300)


def manifest(app: str) -> subprocess.CompletedProcess[str]:
    """`python app.py manifest`."""
    command = [sys.executable, app_file(app), "manifest"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment())


class WarmWorker:
    """A worker under test.  `stderr` is what it says outside a job."""

    def __init__(self, app: str | Path, folder: Path, **variables: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.stderr = folder / "stderr"
        path = app_file(app) if isinstance(app, str) else app
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, path, "worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment(**variables),
            )

    def hear(self) -> dict[str, Any] | None:
        """The next answer; None when the worker has ended."""
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def say(self, line: str) -> None:
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def order(self, source: Path, name: str, job: dict[str, Any] | None = None, **more: Any) -> Path:
        """Send a job; its output folder."""
        output = self.folder / name
        output.mkdir()
        order = {
            "input": str(source),
            "output": str(output),
            "log": str(self.log(name)),
            "job": JOB | (job or {}),
        }
        self.say(json.dumps(order | more))
        return output

    def work(self, source: Path, name: str, job: dict[str, Any] | None = None) -> Written:
        """Run a job that goes well."""
        output = self.order(source, name, job)
        assert self.hear() == {"exit": 0}, self.log(name).read_text()
        return Written(output)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def close(self) -> int:
        """End of file on its standard input; its exit status."""
        self.process.stdin.close()
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self.process.stdout.close()
