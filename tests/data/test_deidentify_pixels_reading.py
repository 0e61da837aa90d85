# SPDX-License-Identifier: Apache-2.0
"""What a profile says of the pixels: rules for one's own devices, which slices are read, in which languages."""

import re
from pathlib import Path

import numpy as np
import pytest
from burned_in import ct_slice, parts_of, tissue

from imaging_data.deidentify import Profile, pixels
from imaging_data.deidentify.frames import Frames
from imaging_data.deidentify.holding import HeldBack
from imaging_data.deidentify.pixels import clean_pixels
from imaging_data.deidentify.profile import UnusableProfile
from imaging_data.deidentify.text import TextUnreadable, check_languages

CLEAN = 'options = ["clean-pixel-data"]\n'


def profile(tmp_path: Path, text: str) -> Profile:
    """A profile of one's own."""
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return Profile.read(path)


def no_words(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """OCR that finds nothing; the languages that it was asked for."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(pixels, "read_words", lambda picture, languages: asked.append(languages) or [])
    monkeypatch.setattr(pixels, "is_installed", lambda: True)
    return asked


def test_the_example_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rule masks, every slice is read, in its languages."""
    page = (Path(__file__).parents[2] / "docs" / "research.md").read_text()
    [example] = re.findall(r"```toml\n(read_pixels.+?)```", page, re.DOTALL)
    asked, checked = no_words(monkeypatch), list[str]()
    monkeypatch.setattr("imaging_data.deidentify.reading.check_languages", checked.extend)
    own = profile(tmp_path, CLEAN + example)
    assert tuple(checked) == own.reading.languages == ("eng", "jpn")
    picture = np.full((100, 600), 200, np.uint8)
    picture[50, 50] = 5
    arm = parts_of(picture, Modality="XA", Manufacturer="Siemens", ManufacturerModelName="Cios Alpha 3")
    after = Frames.of(clean_pixels(arm, own)).stored[0, ..., 0]
    assert (after[:40, :512] == 5).all()
    assert np.array_equal(after[40:], picture[40:])
    assert np.array_equal(after[:, 512:], picture[:, 512:])
    asked.clear()
    clean_pixels(ct_slice(tissue((64, 64))), own)
    assert asked[0] == ("eng", "jpn")


def test_own_rules_hold_for_plain_slices_and_ours_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours are for pages of dose: a low-dose chest of the same scanner keeps its rows."""
    asked = no_words(monkeypatch)
    rule = '[[rule]]\nname = "x"\nmodality = "CT"\nmask = [[0, 0, 64, 8]]\n'
    for text, black in ((CLEAN, False), (CLEAN + rule, True)):
        parts = ct_slice(tissue((64, 64)))
        parts.dataset.ManufacturerModelName, parts.dataset.SeriesDescription = "LightSpeed VCT", "Low Dose"
        after = Frames.of(clean_pixels(parts, profile(tmp_path, text))).stored[0, ..., 0]
        assert (len(np.unique(after[:8])) == 1) == black
        assert np.array_equal(after[8:], tissue((64, 64))[8:])
    assert not asked


def test_what_no_rule_is_known_for_is_held_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain slice is not read, so it needs no rule; a device that is said to write nothing has one."""
    no_words(monkeypatch)
    strict = CLEAN + 'without_rule = "hold"\n'
    rule = '[[rule]]\nname = "x"\nmodality = "XA"\nmask = []\n'
    picture = tissue((64, 64)).astype(np.uint8)
    clean_pixels(parts_of(picture, Modality="XA"), profile(tmp_path, CLEAN))
    clean_pixels(parts_of(picture, Modality="XA"), profile(tmp_path, strict + rule))
    clean_pixels(ct_slice(tissue((64, 64))), profile(tmp_path, strict))
    with pytest.raises(HeldBack, match="its device no rule"):
        clean_pixels(parts_of(picture, Modality="XA"), profile(tmp_path, strict))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('read_pixels = "some"', "read_pixels = 'some'"),
        ('without_rule = "read it"', "without_rule = 'read it'"),
        ("languages = []", "languages = []"),
        ("languages = [1]", "languages = [1]"),
        ('[[rule]]\nname = "x"\nmodality = "CT"\nmask = []\nmodell = "y"', "rule 'x': 'modell' is not known"),
        ('[[rule]]\nname = "x"\nmodality = "CT"', "rule 'x': 'mask' is missing"),
        ('[[rule]]\nname = "x"\nmodality = "CT"\nmask = [[0, 0, 5]]', "mask = [[0, 0, 5]] is of the wrong"),
        ('[[rule]]\nname = "x"\nmodality = "CT"\nmask = []\nrows = "9"', "rows = '9' is of the wrong kind"),
        ('[[rule]]\nname = "x"\nmodality = ""\nmask = []', "modality = '' is of the wrong kind"),
        ("rule = 5", "wrong kind"),
    ],
)
def test_what_is_wrong_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    """The key, and what it said."""
    with pytest.raises(UnusableProfile, match=re.escape(said)):
        profile(tmp_path, text)


def test_language_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names what to install; a program that is missing is said, too."""
    answer = "#!/bin/sh\necho 'List of available languages (1):'\necho eng\n"
    (tmp_path / "tesseract").write_text(answer)
    (tmp_path / "tesseract").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    check_languages(["eng"])
    with pytest.raises(
        UnusableProfile, match=r"no language 'chi_sim' here\. Install Debian's tesseract-ocr-chi-sim"
    ):
        profile(tmp_path, 'languages = ["chi_sim"]')
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TextUnreadable, match="not installed"):
        check_languages(["eng"])
