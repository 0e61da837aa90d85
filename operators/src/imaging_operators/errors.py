# SPDX-License-Identifier: Apache-2.0
"""Why an app's run ended without results.  The docstring is the sentence; `hint` says what to do next."""

from imaging_data.errors import ImagingDataError


class AppError(ImagingDataError):
    """The app ended with an error."""

    hint = "Read app.log: the traceback is there."


class BadJob(AppError):
    """The job's description cannot be used."""

    hint = "docs/map-contract.md says what GANTRY_JOB and the folders' variables must hold."


class MissingModel(AppError):
    """A model of the app is missing."""

    hint = "Run `scripts/fetch-models NAME`, with the app's name, and look in model.lock."


class WrongModel(AppError):
    """A model file is not the one that model.lock names, so it was not loaded."""

    hint = "Run `scripts/fetch-models NAME`, with the app's name, and look in model.lock."


class InvalidResult(AppError):
    """What the app returned cannot become a DICOM result."""

    hint = "Correct what predict() returns; the message says which value is wrong."


class NotANumber(InvalidResult):
    """The app returned values that are no numbers (NaN or infinite)."""

    hint = "Look at what the model was given and in which precision it ran; half precision overflows first."


class WrongGeometry(InvalidResult):
    """A result does not lie in the patient where the app put it, so it was not written."""

    hint = "This is a fault of Gantry, not of the app: keep the input series and report it."


class OutOfMemory(AppError):
    """The app ran out of memory."""

    hint = "Raise memory_mb of the app, or send a smaller series."
