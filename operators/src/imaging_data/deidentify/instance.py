# SPDX-License-Identifier: Apache-2.0
"""One instance without the patient."""

from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import BasicVoiceAudioWaveformStorage, GeneralAudioWaveformStorage

from ..errors import InvalidIdentifier
from ..identifiers import check_uid
from ..instances import IDENTIFIERS
from ..values import items_of, text_of
from .actions import Cleaner, Patient
from .holding import HeldBack
from .profile import CLEAN_PIXELS, CLEAN_STRUCTURED, FULL_DATES, RETAIN_UIDS, Profile
from .pseudonyms import Key
from .stamps import stamp
from .words import own_words

CONTENT = "ContentSequence"
SPEECH = (BasicVoiceAudioWaveformStorage, GeneralAudioWaveformStorage)
OWN = {  # by the option with which they stay
    RETAIN_UIDS: ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"),
    FULL_DATES: ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"),
    "retain-institution-identity": ("InstitutionName",),
}


@dataclass(frozen=True)
class Changed:
    """What became of one instance: its data set, whose it is, the patient's own words, new UIDs by old ones."""

    dataset: Dataset
    patient: Patient
    name: str
    uids: dict[str, str]


def deidentify(dataset: Dataset, profile: Profile, key: Key) -> Changed:
    """Take the patient out of `dataset`, in place, by PS3.15 Annex E.

    Pixel data are not looked at: `pixels.clean_pixels` goes before, where the profile says clean-pixel-data.

    Raises HeldBack for what no rule here can clean, and for an instance without sound UIDs.
    """
    _check_identifiers(dataset)
    _check_content(dataset, profile)
    patient, name = patient_of(dataset, key), text_of(dataset, "PatientName")
    rules, items = profile.rules(text_of(dataset, "SOPClassUID")), profile.rules()
    cleaner = Cleaner(profile, key, patient, rules, items, own_words(dataset) | _own_texts(dataset, profile))
    cleaner.clean(dataset, rules)
    _name_patient(dataset, profile, patient)
    stamp(dataset, profile)
    return Changed(dataset, patient, name, cleaner.uids)


def patient_of(dataset: Dataset, key: Key) -> Patient:
    """Whose an instance is: IssuerOfPatientID and PatientID say it; without them each study is a patient."""
    issuer, patient_id = text_of(dataset, "IssuerOfPatientID").strip(), text_of(dataset, "PatientID").strip()
    parts = (issuer, patient_id) if patient_id else ("", "", text_of(dataset, "StudyInstanceUID"))
    return Patient((issuer, patient_id), key.pseudonym(*parts), key.days(*parts))


def _own_texts(dataset: Dataset, profile: Profile) -> frozenset[str]:
    """What else names it as a whole, in small letters: other identifiers; UIDs, dates, where they do not stay."""
    keywords = [keyword for option, each in OWN.items() if not profile.has(option) for keyword in each]
    said = [text_of(dataset, keyword) for keyword in keywords]
    said += [text_of(item, "PatientID") for item in items_of(dataset, "OtherPatientIDsSequence")]
    return frozenset(text.strip().casefold() for text in said) - {""}


def _name_patient(dataset: Dataset, profile: Profile, patient: Patient) -> None:
    """Type 2, and what studies of one patient are put together by: there even where the source had none."""
    for keyword in ("PatientID", "PatientName"):
        if keyword not in dataset:
            setattr(dataset, keyword, patient.pseudonym)


def _check_identifiers(dataset: Dataset) -> None:
    """Without the value in the message, which may hold an identifier of the patient's."""
    for keyword in IDENTIFIERS:
        try:
            check_uid(text_of(dataset, keyword), keyword)
        except InvalidIdentifier as error:
            raise HeldBack(f"Its {keyword} is missing, or no UID by PS3.5 section 9.1.") from error


def _check_content(dataset: Dataset, profile: Profile) -> None:
    if CONTENT in dataset and not profile.has(CLEAN_STRUCTURED):
        raise HeldBack("It is a structured document, and the profile does not clean its content.")
    if "EncapsulatedDocument" in dataset:
        raise HeldBack("It holds a whole document, which is not searched.")
    if text_of(dataset, "SOPClassUID") in SPEECH:
        raise HeldBack("It holds sound, which is not listened to.")
    if text_of(dataset, "BurnedInAnnotation") == "YES" and not profile.has(CLEAN_PIXELS):
        raise HeldBack("It says that text is burned into its pixels, and the profile does not clean them.")
