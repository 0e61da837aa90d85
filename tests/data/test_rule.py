# SPDX-License-Identifier: Apache-2.0
"""SeriesRule: what it matches, what it refuses, how it is written down, how it explains itself."""

import copy
import json
import math
import pickle
import tomllib
from pathlib import Path

import pytest
from builders import ct_series, enhanced_ct, mr_series
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import UID

from imaging_data import NoMatchingSeries, SeriesRule, find_instances, read_header


def _dataset(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


CHEST = _dataset(
    Modality="CT",
    SeriesDescription="Lung 1.0 B60",
    SliceThickness="2.5",
    SeriesNumber=3,
    Rows=512,
    ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
    PixelSpacing=[0.7, 0.7],
    SOPClassUID=UID("1.2.840.10008.5.1.4.1.1.2"),
    BodyPartExamined="",
    PatientName="Doe^Jane",
)


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"Modality": "CT"},
        {"Modality": "ct"},
        {"SeriesDescription": "lung*"},
        {"SeriesDescription": "*B?0"},
        {"SeriesDescription": "*"},
        {"SeriesDescription": "Lung 1?0 B60"},
        {"Modality": {"CT", "MR"}},
        {"Modality": {"C?", "MR"}},
        {"SliceThickness": 2.5},
        {"SliceThickness": (1, 5)},
        {"SliceThickness": (2.5, 2.5)},
        {"SliceThickness": (None, 3)},
        {"SliceThickness": (2, None)},
        {"SliceThickness": (-math.inf, math.inf)},
        {"SeriesNumber": 3.0},
        {"SeriesNumber": {1, 3}},
        {"Rows": (512, 512)},
        {"ImageType": "AXIAL"},
        {"ImageType": {"AXIAL", "original"}},
        {"PixelSpacing": (0.5, 0.8)},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"},
        {"PatientName": "doe^*"},
    ],
)
def test_a_series_that_meets_every_condition_matches(conditions):
    rule = SeriesRule(**conditions)
    assert rule.matches(CHEST)
    assert rule.explain(CHEST) == []


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        ({"Modality": "MR"}, "Modality is 'CT'; wanted is 'MR'."),
        ({"Modality": "C"}, "Modality is 'CT'; wanted is 'C'."),
        ({"SeriesDescription": "[L]ung*"}, "SeriesDescription is 'Lung 1.0 B60'; wanted is '[L]ung*'."),
        ({"SeriesDescription": "Lung.*"}, "SeriesDescription is 'Lung 1.0 B60'; wanted is 'Lung.*'."),
        ({"Modality": {"PT", "MR"}}, "Modality is 'CT'; wanted is {'MR', 'PT'}."),
        ({"SliceThickness": (None, 2)}, "SliceThickness is 2.5; wanted is at most 2."),
        ({"SliceThickness": (3, None)}, "SliceThickness is 2.5; wanted is at least 3."),
        ({"SliceThickness": (3, 5)}, "SliceThickness is 2.5; wanted is 3 to 5."),
        ({"SliceThickness": 2}, "SliceThickness is 2.5; wanted is 2."),
        ({"ImageType": {"AXIAL", "DERIVED"}}, "wanted is {'AXIAL', 'DERIVED'}."),
        ({"BodyPartExamined": "*"}, "BodyPartExamined is missing, empty or unreadable; wanted is '*'."),
        ({"KVP": (80, 140)}, "KVP is missing, empty or unreadable; wanted is 80 to 140."),
    ],
)
def test_a_series_that_does_not_match_is_told_why(conditions, sentence):
    rule = SeriesRule(**conditions)
    assert not rule.matches(CHEST)
    (explained,) = rule.explain(CHEST)
    assert explained.endswith(sentence)


def test_only_what_the_rule_asks_for_is_explained():
    sentences = SeriesRule(Modality="MR", SliceThickness=(1, 2), Rows=512).explain(CHEST)
    assert len(sentences) == 2
    assert not any("Doe" in sentence for sentence in sentences)


def test_a_value_that_is_no_number_meets_no_condition_and_stops_nothing(tmp_path):
    content = ct_series(tmp_path, slices=1)[0].read_bytes()
    broken = read_header(content.replace(b"\x18\0\x50\0DS\x04\x002.5 ", b"\x18\0\x50\0DS\x04\x00abc "))
    assert SeriesRule(SliceThickness=(None, None)).explain(broken) == [
        "SliceThickness is 'abc'; wanted is any number."
    ]


@pytest.mark.parametrize(
    ("conditions", "problem"),
    [
        ({"Modalty": "CT"}, "'Modalty' is not a DICOM keyword; did you mean Modality"),
        ({"modality": "CT"}, "'modality' is not a DICOM keyword; did you mean Modality"),
        ({"Xyzzy": "CT"}, "'Xyzzy' is not a DICOM keyword$"),
        ({"Modality": ("CT", "MR")}, "Modality: a range .* has numbers or None as ends"),
        (
            {"Modality": ["CT", "MR"]},
            r"Modality: \['CT', 'MR'\] is no condition; give text, a number, a range",
        ),
        ({"Modality": 3}, "Modality holds text .VR CS.: give text or a set of texts, not 3"),
        ({"Modality": (1, 2)}, "Modality holds text"),
        (
            {"SliceThickness": "2.5"},
            "SliceThickness holds numbers .VR DS.: give a number or a range,",
        ),
        ({"SliceThickness": {"2.5"}}, "SliceThickness holds numbers"),
        (
            {"SliceThickness": (5, 1)},
            r"SliceThickness: the range \(5, 1\) is empty; the lower end",
        ),
        ({"SliceThickness": (1, 2, 3)}, "SliceThickness: .* is no condition"),
        ({"SliceThickness": (1, True)}, "SliceThickness: a range"),
        ({"SliceThickness": (1, math.nan)}, "SliceThickness: a range"),
        ({"SliceThickness": (math.inf, None)}, "SliceThickness: a range"),
        ({"SliceThickness": math.nan}, "is no condition"),
        ({"SeriesNumber": True}, "is no condition"),
        ({"Modality": ""}, "is no condition"),
        ({"Modality": None}, "is no condition"),
        ({"Modality": set()}, "is no condition"),
        ({"ImageType": {"AXIAL", 3}}, "is no condition"),
        ({"PixelData": "x"}, "PixelData .VR O.. holds neither text nor numbers"),
        ({"ReferencedImageSequence": "x"}, "ReferencedImageSequence .VR SQ. holds neither"),
    ],
)
def test_a_rule_that_cannot_be_met_is_refused_when_it_is_made(conditions, problem):
    with pytest.raises(ValueError, match=problem):
        SeriesRule(**conditions)


@pytest.mark.parametrize("conditions", ["CT", ["CT"], None, 3])
def test_a_configuration_that_is_no_table_is_refused(conditions):
    with pytest.raises(ValueError, match="a series rule is a table of DICOM keywords"):
        SeriesRule.from_config(conditions)


def test_a_rule_is_read_from_a_configuration_file():
    table = tomllib.loads("""
        Modality = "CT"
        SliceThickness = [0.5, 5]
        KVP = [80, inf]
        ImageType = ["ORIGINAL", "AXIAL"]
        SeriesNumber = 3
        EchoNumbers = { values = [1, 2] }
    """)
    assert SeriesRule.from_config(table) == SeriesRule(
        Modality="CT",
        SliceThickness=(0.5, 5),
        KVP=(80, None),
        ImageType={"ORIGINAL", "AXIAL"},
        SeriesNumber=3,
        EchoNumbers={1, 2},
    )


@pytest.mark.parametrize(
    "table",
    [
        {"SliceThickness": [1, 2, 3]},
        {"SliceThickness": []},
        {"Modality": []},
        {"Modality": {"other": ["CT"]}},
    ],
)
def test_a_condition_that_means_nothing_is_refused_from_a_configuration_file_too(table):
    with pytest.raises(ValueError, match="is no condition"):
        SeriesRule.from_config(table)


NUMBERS = st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6, allow_nan=False))
RANGES = st.tuples(st.none() | NUMBERS, st.none() | NUMBERS).map(
    lambda ends: ends if None in ends else tuple(sorted(ends))
)
TEXTS = st.text(min_size=1, max_size=6)
TEXT_SETS = st.frozensets(TEXTS, min_size=1)
CONDITIONS = {
    **dict.fromkeys(("SliceThickness", "SeriesNumber", "KVP", "EchoNumbers", "Rows"), NUMBERS | RANGES),
    **dict.fromkeys(
        ("Modality", "SeriesDescription", "ImageType", "SOPClassUID"),
        TEXTS | st.frozensets(TEXTS, min_size=1),
    ),
    "PixelSpacing": st.frozensets(NUMBERS, min_size=1, max_size=3),
}
RULES = st.fixed_dictionaries({}, optional=CONDITIONS).map(lambda conditions: SeriesRule(**conditions))


@given(RULES)
def test_a_rule_comes_back_from_json_pickle_and_its_code(rule):
    again = SeriesRule.from_config(json.loads(json.dumps(rule.to_config())))
    assert again == rule
    assert hash(again) == hash(rule)
    assert pickle.loads(pickle.dumps(rule)) == copy.deepcopy(rule) == rule
    assert eval(repr(rule), {"SeriesRule": SeriesRule, "inf": math.inf}) == rule


@given(RULES, RULES)
def test_rules_are_equal_when_their_conditions_are(first, second):
    assert (first == second) == (first.to_config() == second.to_config())


def test_a_rule_does_not_change():
    rule = SeriesRule(Modality={"CT"})
    with pytest.raises(AttributeError, match="does not change"):
        rule._conditions = ()
    assert rule in {SeriesRule(Modality=frozenset({"CT"}))}
    assert rule != "Modality"


def test_a_whole_series_matches_when_every_instance_does(tmp_path):
    ct_series(tmp_path, slices=3, SliceThickness=lambda n: 9 if n == 2 else 2)
    (series,) = find_instances(tmp_path).series
    assert SeriesRule(Modality="CT").matches_series(series.datasets)
    assert not SeriesRule(SliceThickness=2).matches_series(series.datasets)
    assert not SeriesRule().matches_series([])


def test_attributes_in_functional_groups_are_looked_at(tmp_path):
    def thicker(index: int, groups: Dataset) -> None:
        if index == 2:
            measures = Dataset()
            measures.SliceThickness = 7.5
            groups.PixelMeasuresSequence = [measures]

    shared = find_instances(enhanced_ct(tmp_path / "a", slices=3)).series[0].datasets[0]
    own = find_instances(enhanced_ct(tmp_path / "b", slices=3, frame=thicker)).series[0].datasets[0]
    assert SeriesRule(SliceThickness=(1, 5), Modality="CT").matches(shared)
    assert not SeriesRule(SliceThickness=(1, 5)).matches(own)
    assert SeriesRule(SliceThickness=(1, 5)).explain(own) == [
        "SliceThickness is 2.5 and 7.5; wanted is 1 to 5."
    ]
    assert SeriesRule(InStackPositionNumber=(1, 3)).matches(own)
    assert not SeriesRule(KVP=120).matches(own)


def _study(folder: Path) -> list:
    ct_series(folder / "a", slices=2, series="1.2.1", SeriesDescription="Thick", SliceThickness=5)
    ct_series(folder / "b", slices=6, series="1.2.2", SeriesDescription="Thin")
    mr_series(folder / "c", slices=9, series="1.2.3", SeriesDescription="T1")
    return find_instances(folder).series


def test_the_matching_series_with_the_most_instances_is_selected(tmp_path):
    study = _study(tmp_path)
    assert SeriesRule(Modality="CT").select(study).series_instance_uid == "1.2.2"
    assert SeriesRule(Modality="CT").select(study[::-1]).series_instance_uid == "1.2.2"
    assert SeriesRule(SliceThickness=5).select(study).series_instance_uid == "1.2.1"


def test_when_no_series_matches_what_was_seen_is_listed_with_the_reason(tmp_path):
    with pytest.raises(NoMatchingSeries) as raised:
        SeriesRule(Modality="MR", SliceThickness=(4, 6)).select(_study(tmp_path))
    assert "series CT 2 Thick (2 instances): Modality is 'CT'; wanted is 'MR'." in raised.value.detail
    assert "series MR 2 T1 (9 instances): SliceThickness is 2.5; wanted is 4 to 6." in raised.value.detail
    assert "TEST-1" not in str(raised.value)
    assert "Phantom" not in str(raised.value)
    with pytest.raises(NoMatchingSeries, match="no series at all"):
        SeriesRule().select([])


def test_a_tie_is_an_error(tmp_path):
    ct_series(tmp_path / "a", slices=3, SeriesDescription="Early")
    ct_series(tmp_path / "b", slices=3, SeriesDescription="Late")
    with pytest.raises(
        NoMatchingSeries, match=r"2 series of 3 instances match alike: series CT 2 .*; series"
    ) as raised:
        SeriesRule(Modality="CT").select(find_instances(tmp_path).series)
    assert raised.value.hint == "Send one of them, or make the rule narrower."
