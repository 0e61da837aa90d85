# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a conversion, whichever way it goes."""

from ..errors import ImagingDataError
from ..errors import TargetExists as TargetExists


class UnknownFormat(ImagingDataError):
    """No conversion makes this kind of file."""

    hint = "The output's ending says the format: .nii, .nii.gz, .npy, .nrrd, .mha, .png, or none for DICOM."


class NothingToConvert(ImagingDataError):
    """The input holds nothing that can be converted."""

    hint = "Give a file or a folder with images, segmentations or structure sets."


class UnreadableInput(ImagingDataError):
    """The file cannot be read as what its ending says."""

    hint = "It is damaged, cut off or of another format: make it again."


class ShearedGrid(ImagingDataError):
    """The voxels do not lie on a rectangular grid: the affine is sheared or flat."""

    hint = "Resample it onto a rectangular grid first."


class AnotherGrid(ImagingDataError):
    """The labels or values do not lie on the grid of the images."""

    hint = "Give those that belong to this series, or ask for the nearest voxel (`--resample`)."


class AnotherPatient(ImagingDataError):
    """The segmentation or structure set is of another patient than the series."""

    hint = "Give the series that it was drawn on."


class MissingPackage(ImagingDataError):
    """A package that this format needs is not installed."""

    hint = "Install it: `pip install 'gantry[research]'`."


class NotLabels(ImagingDataError):
    """The values are no labels."""

    hint = "Labels are whole numbers from 0, which is background, to 65535."


class NotAnImage(ImagingDataError):
    """This is no volume."""

    hint = "A volume has three dimensions (slices, rows, columns) of real numbers."
