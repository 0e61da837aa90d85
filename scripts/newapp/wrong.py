# SPDX-License-Identifier: Apache-2.0
"""Why no app was made.  The docstring is the sentence people read; `hint` says what to do next."""

from imaging_data import ExplainedError


class NoApp(ExplainedError):
    """No app was made, and nothing was written."""


class BadName(NoApp):
    """An app cannot have this name."""

    hint = "Take 2 to 32 small letters, digits and underscores, beginning with a letter: bone_finder."


class AlreadyThere(NoApp):
    """There is something in the way."""

    hint = "Take another name, or move it away."


class UnusableModel(NoApp):
    """The model file cannot be put behind a button as it is."""

    hint = (
        "Give a TorchScript or ONNX file with one input (1, 1, z, y, x) or (1, 1, y, x) and one output: "
        "(1, classes, ...) of the same size, or (1, findings). For anything else make an app without --model, "
        "and write predict()."
    )


class UnusableBundle(NoApp):
    """The folder is no MONAI bundle that can be run."""

    hint = "Correct the file and key that the message names."


class WrongLabels(NoApp):
    """There are not as many labels as the model gives."""

    hint = "Give --label once for each, in the model's order, without the background."
