# SPDX-License-Identifier: Apache-2.0
"""Why no image was made.  The docstring is the sentence people read; `hint` says what to do next."""

from imaging_data import ExplainedError


class NotPackaged(ExplainedError):
    """The app was not packaged."""


class NoSuchApp(NotPackaged):
    """There is no such app."""

    hint = "Give the name of a folder in apps/, or a path."


class UntrustedModel(NotPackaged):
    """A model file is not the one that model.lock names, so it goes into no image."""

    hint = "Run `scripts/fetch-models NAME`, with the app's name, and look in model.lock."


class NotPinned(NotPackaged):
    """A package that the app needs has no version that every build would take."""

    hint = (
        "Pin it in the app's requirements.txt (name==version) and install it, or pin it in constraints.txt."
    )


class NoBuilder(NotPackaged):
    """Nothing here can build an image."""

    hint = (
        "Install podman (Debian, Ubuntu: scripts/install-parts podman), buildah or Docker, or say where one is "
        "in GANTRY_ENGINE. `--context` needs none of them."
    )


class BuildFailed(NotPackaged):
    """The image was not built."""

    hint = "What the packager and the builder said stands above; its last lines say why."
