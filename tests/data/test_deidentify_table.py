# SPDX-License-Identifier: Apache-2.0
"""The table of PS3.15 is whole: checked against another carrier of it, and what it decides."""

import re
from collections import Counter
from pathlib import Path

import dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c as published
import pytest

from imaging_data.deidentify.profile import OPTIONS, Profile, UnusableProfile
from imaging_data.deidentify.table import COLUMNS, EDITION, decide, rows, safe_private

CT, RT_PLAN = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.481.5"
ACTIONS = {"D": "D", "Z": "Z", "X": "X", "U": "U", "Z_D": "Z/D", "X_Z": "X/Z", "X_D": "X/D", "X_Z_D": "X/Z/D",
           "X_Z_U_STAR": "X/Z/U*"}  # fmt: skip
GROUPS = {0x5000: "50xxxxxx", 0x6000: "60xx"}


def _name(tag: tuple[int, ...]) -> str:
    if len(tag) == 2:
        return "{:04x}{:04x}".format(*tag)
    return GROUPS[tag[0]] if tag[0] == 0x5000 else f"60xx{tag[1]:04x}"


def test_it_says_what_the_other_carrier_of_the_same_edition_says():
    theirs = {
        _name(tag): action for key, action in ACTIONS.items() for tag in getattr(published, f"{key}_TAGS")
    }
    ours = {row.tag: row.basic for row in rows()}
    assert published.__name__.endswith(EDITION)
    assert ours == theirs | {"ggggeeee": "X"}
    assert len(ours) == 656


def test_the_options_say_keep_or_clean_in_as_many_rows_as_the_standard():
    """The counts of edition 2026c; a slip in the file changes one."""
    said = Counter((column, action) for row in rows() for column, action in row.options.items())
    assert said == {
        ("safe_private", "C"): 1, ("uids", "K"): 60, ("device", "K"): 48, ("device", "C"): 11, ("institution", "K"): 10,
        ("patient", "K"): 14, ("patient", "C"): 5, ("full_dates", "K"): 169, ("modified_dates", "C"): 169,
        ("descriptors", "C"): 140, ("structured", "C"): 4, ("graphics", "C"): 4,
    }  # fmt: skip
    assert {option.column for option in OPTIONS.values()} == {*COLUMNS, ""}


def test_the_safe_list_has_as_many_rows_as_the_standard():
    assert len(safe_private()) == 479
    assert Counter(creator.split()[0] for _, _, creator in safe_private()) == {
        "Philips": 355, "SIEMENS": 48, "NQLeft": 22, "NQRight": 22, "ELSCINT1": 7, "NQHeader": 7, "HOLOGIC,": 5,
        "GEMS_ACQU_01": 4, "GEMS_PARM_01": 3, "GEIIS": 3, "GEMS_HELIOS_01": 2, "GEMS_SERS_01": 1,
    }  # fmt: skip
    assert {(0x0019, 0x0C, "SIEMENS MR HEADER"), (0x2001, 0x9F, "Philips Imaging DD 001")} <= safe_private()
    assert (0x2001, 0x9E, "Philips Imaging DD 001") not in safe_private()


def test_dates_are_kept_by_one_option_and_cleaned_by_the_other_in_the_same_rows():
    full = {row.tag for row in rows() if row.options.get("full_dates") == "K"}
    assert full == {row.tag for row in rows() if row.options.get("modified_dates") == "C"}
    assert "00080020" in full
    assert "00100030" not in full


@pytest.mark.parametrize(
    ("tag", "sop_class_uid", "action"),
    [
        ("00080050", CT, "Z"),  # a simple action
        ("00080022", CT, "X"),  # X/Z, Type 3
        ("00080023", CT, "Z"),  # Z/D, Type 2C
        ("00100020", CT, "Z"),  # Z/D, Type 2
        ("300a0006", RT_PLAN, "D"),  # X/D, Type 2: a value is right for it, too
        ("00080021", CT, "X"),  # X/D, Type 3
        ("00081140", CT, "X"),  # X/Z/U*, Type 3
        ("00081140", "", "U"),
        ("00080022", "", "Z"),  # in an item, or a class that is not known: what is right for each Type
        ("00080021", "1.2.3", "D"),
    ],
)
def test_the_type_decides_a_compound_action(tag, sop_class_uid, action):
    [row] = [row for row in rows() if row.tag == tag]
    assert decide(row, sop_class_uid) == action


def test_keep_goes_before_clean_and_clean_before_the_basic_profile():
    assert Profile("").rules()[0x00101010].action == "X"
    assert Profile("", frozenset({"retain-patient-characteristics"})).rules()[0x00101010].action == "K"
    both = Profile("", frozenset({"retain-patient-characteristics", "clean-descriptors"}))
    assert both.rules()[0x00102110] == ("C", "X", "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("options = ['retain-everything']", "retain-everything"),
        ("option = []", "option"),
        ("options = ['retain-full-dates', 'retain-modified-dates']", "exclude each other"),
        ("[attributes]\nPatientNme = 'keep'", "PatientNme"),
        ("[attributes]\nStudyID = 'forget'", "forget"),
        ("safe_private = ['0019,0C']", "safe_private"),
        ("options = 3", "wrong kind"),
        ("options = [", "profile.toml"),
    ],
)
def test_a_wrong_profile_is_refused_by_what_is_wrong(tmp_path, text, says):
    path = tmp_path / "profile.toml"
    path.write_text(text)
    with pytest.raises(UnusableProfile, match=says):
        Profile.read(path)


def test_the_profile_of_the_page_is_one(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "research.md").read_text()
    [text] = re.findall(r"```toml\n(options.*?)```", page, re.DOTALL)
    (tmp_path / "mine.toml").write_text(text)
    profile = Profile.read(tmp_path / "mine.toml")
    assert profile.choices[0x00081030].value == "TRIAL 7"
    assert "perfusion" in profile.words
    assert all(f"`{name}`" in page for name in OPTIONS)


@pytest.mark.parametrize("name", ["basic", "research"])
def test_the_shipped_profiles_are_read(name):
    profile = Profile.read(name)
    assert profile.name == name
    assert profile.has("clean-pixel-data")
    assert profile.keeps_times == (name == "research")
