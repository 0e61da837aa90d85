# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a data set.  The docstring is the sentence people read; `hint` says what to do next."""

from ..errors import ImagingDataError


class DatasetError(ImagingDataError):
    """The data set cannot be used."""

    hint = "Build it again with `gantry dataset build`."


class NotADataset(DatasetError):
    """There is no data set in this folder."""

    hint = "Name the folder that `gantry dataset build SOURCE TARGET` made."


class IncompleteDataset(DatasetError):
    """The data set is not complete: its build was ended before the end."""

    hint = "Run the same `gantry dataset build` again: it goes on where it stopped."


class UnreadableDataset(DatasetError):
    """The data set cannot be read now."""

    hint = (
        "It may be in use by a build: ask again; if that lasts, build it again with `gantry dataset build`."
    )


class ForeignTarget(DatasetError):
    """The target holds something else."""

    hint = "Name a folder that is new, empty or a data set; nothing is overwritten."


class BusyDataset(DatasetError):
    """Another build is writing this data set."""

    hint = "Wait until it has ended; only one build writes a data set at a time."


class OtherOptions(DatasetError):
    """The data set was built with other options."""

    hint = "Give the same options again, or build into another folder."


class NothingToBuild(DatasetError):
    """There are no images to build a data set from."""

    hint = "Name a folder of DICOM files; it may have folders in it."


class NoRoom(DatasetError):
    """The data set could not be written."""

    hint = "Make room on the disk, or let it be written to, and run the same command again: it goes on."


class EndedProcess(DatasetError):
    """A process that makes pictures was ended from outside."""

    hint = "Most often memory ran out; run the same command again: it goes on where it stopped."


class NoLabels(DatasetError):
    """The split cannot be stratified."""

    hint = "Give a DICOM keyword that the images have, or a CSV file with a head line: PatientID and the label's name."


class NothingToExport(DatasetError):
    """The data set has nothing that this format takes."""

    hint = "Volumes come from `gantry dataset build --format png,nifti`, labels from segmentations in its source."
