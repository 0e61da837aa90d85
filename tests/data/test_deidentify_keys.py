# SPDX-License-Identifier: Apache-2.0
"""Keys, pseudonyms and dates: the same always and everywhere, and nothing without the key."""

from datetime import date

import pytest
from deidentify_inputs import KEY
from hypothesis import given
from hypothesis import strategies as st

from imaging_data import check_uid
from imaging_data.deidentify import Key
from imaging_data.deidentify.dates import cap_age, shift
from imaging_data.deidentify.pseudonyms import KeyExists, MissingKey, UnusableKey
from imaging_data.deidentify.words import clean_text


def test_a_new_key_is_secret_and_never_replaced(tmp_path):
    path = tmp_path / "key"
    made = Key.new(path)
    assert (path.stat().st_mode & 0o777, len(path.read_bytes())) == (0o600, 32)
    assert Key.read(path) == made
    with pytest.raises(KeyExists):
        Key.new(path)
    assert Key.read(path) == made
    assert made.secret.hex() not in repr(made)


def test_a_key_that_is_missing_open_or_of_another_size_is_refused(tmp_path):
    path = tmp_path / "key"
    with pytest.raises(MissingKey):
        Key.read(path)
    path.write_bytes(b"x" * 32)
    path.chmod(0o640)
    with pytest.raises(UnusableKey, match="others"):
        Key.read(path)
    path.chmod(0o600)
    path.write_bytes(b"x" * 33)
    with pytest.raises(UnusableKey, match="32 bytes"):
        Key.read(path)
    with pytest.raises(UnusableKey):
        Key.new(tmp_path / "nowhere" / "key")


def test_what_a_key_gives_is_the_same_on_every_machine():
    assert KEY.pseudonym("ISSUER", "1") == "TF7R255WKTQA6ZCY"
    assert KEY.uid("1.2.3") == "2.25.162655117101363800888786365672957232841"
    assert KEY.days("ISSUER", "1") == -1545
    assert KEY.fingerprint == "52fdcf4843e3cd06"


@given(st.text(), st.text(), st.text())
def test_parts_are_told_apart_and_keys_too(one, two, other):
    if (one.strip(), two.strip()) != (other.strip(), ""):
        assert KEY.pseudonym(one, two) != KEY.pseudonym(other, "") or one.strip() == other.strip() == ""
    assert KEY.pseudonym(one) != Key(bytes(32)).pseudonym(one)
    assert KEY.pseudonym("e\u0301") == KEY.pseudonym("\u00e9")
    assert -3650 <= KEY.days(one) <= -1


@given(st.text("0123456789.", min_size=1, max_size=64))
def test_a_new_uid_is_valid_and_the_standard_s_own_stay(original):
    new = KEY.uid(original)
    assert check_uid(new, "UID") == new
    assert new.startswith("2.25.")
    assert KEY.uid("1.2.840.10008.5.1.4.1.1.2") == "1.2.840.10008.5.1.4.1.1.2"
    assert KEY.uid("1.2.840.10008.19630215") != "1.2.840.10008.19630215"


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(-3650, -1))
def test_moved_and_moved_back_a_date_is_itself(day, days):
    text = f"{day:%Y%m%d}"
    moved = shift(text, days)
    assert (date.fromisoformat(moved) - day).days == days
    assert shift(moved, -days) == text


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        ("20200301", "20200229"),
        ("2020.03.01", "20200229"),
        ("20200301101112.123456+0100", "20200229101112.123456+0100"),
        ("202003", "202002"),
        ("2020", "2019"),
        ("20200301 ", "20200229"),
        ("00010101", ""),
        ("20200231", ""),
        ("20200301-20200302", ""),
        ("Anna", ""),
        ("", ""),
    ],
)
def test_dates_that_are_none_are_emptied(value, moved):
    assert shift(value, -1) == moved


@pytest.mark.parametrize(
    ("age", "capped"), [("089Y", "089Y"), ("090Y", "090Y"), ("101Y", "090Y"), ("012M", "012M"), ("old", "")]
)
def test_great_ages(age, capped):
    assert cap_age(age) == capped


@given(st.text())
def test_cleaned_text_holds_known_words_only(text):
    words = frozenset({"chest", "ct"})
    cleaned = clean_text(text, words).casefold().split()
    assert all(word in words or word[0].isdigit() for word in cleaned)
    assert clean_text(text, words, words).casefold().split() == [
        word for word in cleaned if word not in words
    ]
