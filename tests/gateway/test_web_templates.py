# SPDX-License-Identifier: Apache-2.0
"""How the pages say durations, times, numbers and sentences."""

from datetime import UTC, datetime, timedelta

import pytest
from jinja2 import UndefinedError

from informatics_gateway.web.templates import ago, clock, duration, number, prose, render, shortened, unit


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"),
        (0.042, "42 ms"),
        (0.5, "0.5 s"),
        (9.96, "10.0 s"),
        (38.4, "38 s"),
        (59.7, "1 min"),
        (185, "3 min 5 s"),
        (3599.9, "1 h"),
        (7800, "2 h 10 min"),
        (86400, "1 d"),
        (350_000, "4 d 1 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s ago"), (-5, "0 s ago"), (90, "1 min ago"), (2e5, "2 d ago")]
)
def test_how_long_ago(seconds, said):
    assert ago(datetime.now(UTC) - timedelta(seconds=seconds)) == said


def test_todays_times_are_without_their_date():
    now = datetime.now(UTC)
    assert clock(now) == now.astimezone().strftime("%H:%M:%S")
    assert clock(datetime(2026, 1, 2, 12, tzinfo=UTC)).startswith("2026-01-02 ")


@pytest.mark.parametrize(
    ("value", "said"),
    [(2841.36, "2841"), (-842.12, "-842.1"), (3.14159, "3.142"), (0.0, "0"), (1e6, "1000000")],
)
def test_numbers_have_four_digits_and_no_exponent(value, said):
    assert number(value) == said


@pytest.mark.parametrize(
    ("code", "said"), [("[hnsf'U]", "HU"), ("1", ""), ("mm3", "mm³"), ("ml", "ml"), ("%", "%")]
)
def test_units_are_said_as_people_write_them(code, said):
    assert unit(code) == said


def test_only_long_uids_are_shortened():
    assert shortened("1.2.3") == "1.2.3"
    assert shortened("1.2.826.0.1.3680043.8.498.12345678901234") == "…345678901234"


def test_commands_are_set_as_code_and_everything_is_escaped():
    assert prose("Read <it>, then `gantry <b>`.") == "Read &lt;it&gt;, then <code>gantry &lt;b&gt;</code>."
    assert prose("A lone ` <tick>") == "A lone ` &lt;tick&gt;"


def test_a_name_that_a_template_misspells_is_an_error():
    with pytest.raises(UndefinedError):
        render("error.html", status=404, phrase="Not Found")
