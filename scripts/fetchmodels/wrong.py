# SPDX-License-Identifier: Apache-2.0
"""Why a model was not fetched.  The docstring is the sentence people read; `hint` says what to do next."""

from imaging_data import ExplainedError

AGAIN = "Run the same command again: it goes on where it stopped."


class NotFetched(ExplainedError):
    """A model was not fetched."""

    hint = AGAIN


class NoSuchApp(NotFetched):
    """This is no app with models."""

    hint = "Give the name of a folder in apps/, or a path."


class NoSuchModel(NotFetched):
    """model.lock names no such model."""

    hint = "Give another --only, or leave it out."


class ServerUnreachable(NotFetched):
    """The server that has the model cannot be reached, or the connection broke."""

    hint = f"{AGAIN} Without internet: fetch the files on another machine, and give their folder with --from."


class ServerRefuses(NotFetched):
    """The server does not give the model."""

    hint = "Look at url in model.lock; or get the file in another way, and give its folder with --from."


class NotThere(NotFetched):
    """The model file is not where it was looked for."""

    hint = "Give the folder that holds it with --from."


class WrongContent(NotFetched):
    """What came is not the file that model.lock names; it was removed, and what was there before is kept."""

    hint = "Somebody changed the file: find out who before you change model.lock."


class NotTrusted(NotFetched):
    """model.lock has no hash of this file yet, so nobody can say whether it is the right one."""

    hint = "If you trust where it comes from, --trust-first shows the hash of what comes and writes it there."


class UnsafeArchive(NotFetched):
    """The archive would write where it must not, and nothing of it was unpacked."""

    hint = "Do not use it. Report it to whoever made it."


class NoRoom(NotFetched):
    """There is not enough room on the disk."""

    hint = "Free some, or give another folder with --to."


class NotConverted(NotFetched):
    """The model could not be converted."""

    hint = "The last line of the converter says why; what it needs is installed by scripts/setup."
