# SPDX-License-Identifier: Apache-2.0
"""Why TotalSegmentator was not run.  The docstring is the sentence; `hint` says what to do next."""

from imaging_data.errors import NoMatchingSeries
from imaging_operators.errors import AppError


class UnknownTask(AppError):
    """The profile asks for something that this app does not do."""

    hint = "apps/totalsegmentator/README.md lists tasks, classes and switches."


class NoLicence(AppError):
    """The task needs the site's licence number."""

    hint = "Put the number alone into a file and name it in GANTRY_TOTALSEGMENTATOR_LICENCE_FILE."


class WouldDownload(AppError):
    """TotalSegmentator wanted to download weights, which an app never does."""

    hint = "Run `scripts/fetch-models totalsegmentator`."


class UnsuitableSeries(NoMatchingSeries):
    """The series is not one for this task."""

    hint = "Send a CT series to a CT task and an MR series to an MR task, of at least 10 slices and 30 mm."
