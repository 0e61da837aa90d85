# SPDX-License-Identifier: Apache-2.0
"""A skip that nobody allowed fails the run: pytest is run on small test files with a list of our own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from skips import LIST, Allowed, read_list

TESTS = Path(__file__).parents[1]


@pytest.fixture
def run_pytest(tmp_path: Path):
    """Runs pytest with the plugin on one test file and one list; returns exit status and output."""

    def run(test: str, allowed: str) -> tuple[int, str]:
        (tmp_path / "test_it.py").write_text(f"import pytest\n{test}\ndef test_passes(): pass\n")
        (tmp_path / "list").write_text(allowed)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "skips",
            "-p",
            "no:cacheprovider",
            "--allowed-skips=list",
        ]
        environment = os.environ | {"PYTHONPATH": str(TESTS)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return run


IN_TEST = "def test_it(): pytest.skip('nothing here')"
MARKED = "@pytest.mark.skip('nothing here')\ndef test_it(): pass"
WHOLE_FILE = "pytest.skip('nothing here', allow_module_level=True)"
EXPECTED_FAILURE = "@pytest.mark.xfail(reason='nothing here')\ndef test_it(): assert False"


@pytest.mark.parametrize("test", [IN_TEST, MARKED, WHOLE_FILE, EXPECTED_FAILURE])
def test_a_skip_that_is_not_listed_fails_the_run(run_pytest, test):
    status, output = run_pytest(test, "# nothing is allowed\n")
    assert status == (5 if test == WHOLE_FILE else 1)
    assert "skip not allowed: " in output
    assert "nothing here" in output


def test_a_listed_skip_whose_condition_is_true_passes(run_pytest):
    status, output = run_pytest(IN_TEST, "nothing * | no-program no-such-program\n")
    assert status == 0
    assert "not allowed" not in output


def test_a_listed_skip_whose_condition_is_false_fails_the_run(run_pytest):
    status, output = run_pytest(IN_TEST, "nothing here | no-program sh\n")
    assert status == 1
    assert "skip not allowed: 'nothing here' in test_it.py::test_it" in output


def test_a_failure_stays_a_failure(run_pytest):
    assert run_pytest("def test_it(): assert False", "")[0] == 1


@pytest.mark.parametrize("line", ["nothing here", "nothing here | no-such-condition", "| no-samples"])
def test_a_wrong_line_is_named(run_pytest, line):
    status, output = run_pytest("", line)
    assert status == 4
    assert line in output


def test_our_list_is_read_and_samples_condition_follows_the_folder(monkeypatch, tmp_path):
    samples_absent = next(allowed for allowed in read_list(LIST) if allowed.reason == "samples absent")
    monkeypatch.setenv("GANTRY_SAMPLES", str(tmp_path))
    assert not samples_absent.covers("samples absent")
    monkeypatch.setenv("GANTRY_SAMPLES", str(tmp_path / "absent"))
    assert samples_absent.covers("samples absent")
    assert not samples_absent.covers("samples absent-minded")


def test_a_reason_may_hold_a_bar():
    assert Allowed.parse("this | that | no-engine") == Allowed("this | that", "no-engine")
