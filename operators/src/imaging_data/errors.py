# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with DICOM data.  The docstring is the sentence people read; `hint` says what to do next.

Messages name slices by file, InstanceNumber or SOPInstanceUID, never by an attribute of the patient.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class ExplainedError(Exception):
    """Something went wrong."""

    hint = ""
    retryable = False

    def __init__(self, detail: str = "", hint: str | None = None) -> None:
        self.detail = detail
        if hint is not None:
            self.hint = hint
        super().__init__(" ".join(part for part in (self.sentence, detail) if part))

    @property
    def sentence(self) -> str:
        """What is wrong, in one sentence, without this case's detail."""
        return (type(self).__doc__ or "").strip()


class ImagingDataError(ExplainedError):
    """The DICOM data cannot be used."""

    hint = "Look at the named file with `dcmdump`."


class UnreadableInstance(ImagingDataError):
    """The DICOM instance cannot be read."""

    hint = "It is damaged or incomplete: send it again from where it came from."


class NotDicom(UnreadableInstance):
    """The file is not DICOM."""

    hint = "Convert it first; `gantry convert` makes DICOM of pictures and volumes."


class InvalidIdentifier(ImagingDataError):
    """A DICOM identifier is missing or breaks the rules (PS3.5 section 9.1)."""

    hint = "Correct it where the instance was made or archived, then send it again."


class MissingFolder(ImagingDataError):
    """The folder or file is not there."""

    hint = "Check the path."


class ChangedInstance(ImagingDataError):
    """A file is no longer the one whose hash was taken."""

    hint = "Something writes into the input folder while it is read; start again when it is quiet."


class UnusableSeries(ImagingDataError):
    """The series cannot be used."""

    hint = "Send another series."


class NoMatchingSeries(UnusableSeries):
    """No series, or no single one, matches the rule."""

    hint = "Send a series that the rule accepts, or correct the rule."


class NotAVolume(UnusableSeries):
    """The series cannot be read as one regular volume."""

    hint = "Send a series of parallel, evenly spaced slices."


class LocalizerInSeries(NotAVolume):
    """Localizer images are among the slices."""

    hint = "Send the series without its localizer (scout, topogram)."


class NoPosition(NotAVolume):
    """Slices do not say where they lie in the patient."""

    hint = (
        "Projection images and pictures are no volume; for a cross-section, send the original series "
        "with ImagePositionPatient, ImageOrientationPatient and PixelSpacing."
    )


class NoThickness(NotAVolume):
    """A single slice does not say how thick it is."""

    hint = "Send the whole series, or a slice with SliceThickness."


class MixedOrientation(NotAVolume):
    """The slices are not parallel."""

    hint = "Send each orientation as a series of its own."


class MixedGeometry(NotAVolume):
    """The slices do not share one grid."""

    hint = "Send slices of the same size, pixel spacing and frame of reference as one series."


class GantryTilt(NotAVolume):
    """The slices are stacked at a slant: the gantry was tilted."""

    hint = "Send a reconstruction without tilt, or resample the series first."


class OverlappingPhases(NotAVolume):
    """Several slices lie at one position: phases, echoes, reconstructions or copies in one series."""

    hint = "Send each phase as a series of its own."


class DuplicateInstances(OverlappingPhases):
    """The same SOPInstanceUID is there more than once."""

    hint = "Take the surplus files away: one UID stands for one instance."


class MissingSlices(NotAVolume):
    """Slices are missing."""

    hint = "Send the series again, complete."


class UnevenSpacing(NotAVolume):
    """The slices are not evenly spaced."""

    hint = "Send a reconstruction with even spacing."


class NotARadiograph(UnusableSeries):
    """The series cannot be read as one radiograph."""

    hint = "Send a single projection image (CR, DX, RF) as it is shown to radiologists."


class SeveralImages(NotARadiograph):
    """The series holds more than one image."""

    hint = "Send each view as a series of its own: which one is meant is not guessed."


class MissingChannel(NotAVolume):
    """The series does not hold the images, one for each channel, that the tool takes together."""

    hint = "Send the series complete, with all its echoes or phases."


class UnalignedChannels(NotAVolume):
    """The images of the series that belong together do not share one grid."""

    hint = "Send images of one acquisition, or resample them onto one grid first."


class TooFewSlices(NotAVolume):
    """The series has fewer slices than the app can work on."""

    hint = "Send the whole series."


class TooLarge(NotAVolume):
    """The series is larger than a volume may be."""

    hint = "Send the part that matters, or a reconstruction with fewer slices."


class UnsupportedTransferSyntax(UnusableSeries):
    """The pixel data are compressed in a way that cannot be read here."""

    hint = "Let the archive send uncompressed (Explicit VR Little Endian) or JPEG 2000 Lossless."


class UnsupportedPixels(UnusableSeries):
    """The instance has no grey values that can be read."""

    hint = "Send greyscale images."


class NoRescale(NotAVolume):
    """The slices do not say how stored values become real-world values."""

    hint = "Send the original CT with RescaleSlope and RescaleIntercept (PS3.3 C.11.1.1.2)."


class TargetExists(ImagingDataError):
    """The output is there already."""

    hint = "Nothing is overwritten: give another name, or take the old one away."


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Put `what` in front of the detail of an error on its way out."""
    try:
        yield
    except ImagingDataError as error:
        raise type(error)(f"{what}: {error.detail}", hint=error.hint) from error
