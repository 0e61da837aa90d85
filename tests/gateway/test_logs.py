# SPDX-License-Identifier: Apache-2.0
"""What an error or a warning quotes of a patient does not reach the log."""

import subprocess
import sys

import pytest

SECRET = "SECRET-ID-77"
BEGIN = (
    "import logging, threading, warnings\nfrom informatics_gateway.logs import log_plainly\nlog_plainly()\n"
)
FAULTS = {
    "logged": """
try:
    try:
        int("SECRET-ID-77")
    except ValueError as error:
        raise KeyError("SECRET-ID-77") from error
except KeyError:
    logging.getLogger("any").exception("it went wrong")
""",
    "in the main thread": "raise ValueError('SECRET-ID-77')",
    "in another thread": "threading.Thread(target=lambda: int('SECRET-ID-77')).start()",
    "in a group": "raise ExceptionGroup('SECRET-ID-77', [ValueError('SECRET-ID-77')])",
}
WARNINGS = f"""
from pydicom import Dataset
from pydicom.dataelem import DataElement
warnings.warn("{SECRET}")
Dataset().StudyDate = "{SECRET}"
DataElement("PatientBirthDate", "DA", "{SECRET}")
logging.warning("it goes on")
"""


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_logged_by_its_place_and_kind(fault):
    said = printed(fault)
    assert "ValueError" in said
    assert 'File "<string>", line' in said
    assert SECRET not in said


def test_each_error_that_led_to_it_is_named():
    said = printed(FAULTS["logged"])
    assert said.index("it went wrong") < said.index("ValueError") < said.index("KeyError")


def test_what_the_machine_and_we_say_is_kept_and_no_warning_is_logged():
    said = printed(f"""
from imaging_data.errors import NotDicom
for wrong in (lambda: open('/nowhere/{SECRET}'), lambda: (_ for _ in ()).throw(NotDicom('It is empty.'))):
    try:
        wrong()
    except (OSError, NotDicom):
        logging.exception("here")
{WARNINGS}""")
    assert "FileNotFoundError: No such file or directory" in said
    assert "NotDicom: The file is not DICOM. It is empty." in said
    assert "it goes on" in said
    assert SECRET not in said
