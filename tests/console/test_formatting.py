"""How values read to people."""

from datetime import UTC, datetime, timedelta

import pytest

from conductor_lite.console import formatting
from conductor_lite.wording import period, plural

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("secs_ago", "text"),
    [
        (0, "just now"),
        (-3, "just now"),
        (12, "12 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (7199, "1 h ago"),
        (86_400 * 5, "5 d ago"),
        (86_400 * 40, "2026-01-20"),
        (-90, "in 1 min"),
    ],
)
def test_relative_time_is_in_its_largest_unit(secs_ago: float, text: str) -> None:
    assert formatting.relative(NOW - timedelta(seconds=secs_ago), NOW) == text


@pytest.mark.parametrize(
    ("secs", "text"),
    [
        (0.0004, "0.4 ms"),
        (0.003, "3 ms"),
        (0.184, "184 ms"),
        (0.9999, "1000 ms"),
        (1.24, "1.2 s"),
        (7, "7 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_duration_has_the_precision_its_size_deserves(secs: float, text: str) -> None:
    assert formatting.duration(secs) == text


def test_long_ids_are_cut_in_the_middle_to_the_length_asked_for() -> None:
    short = formatting.shorten("6f1d0e01-7c1b-4b6e-9d0a-5f0c2f9e1a01", 17)
    assert short == "6f1d0e01…2f9e1a01"
    assert len(short) == 17
    assert formatting.shorten("short", 17) == "short"


def test_numbers_carry_their_noun_in_the_right_form() -> None:
    assert plural(1, "executor") == "1 executor"
    assert plural(12_345, "executor") == "12,345 executors"
    assert plural(0, "entry", "entries") == "0 entries"
    told = [period(secs) for secs in (0, 45, 75, 600, 5_400, 7_200, 86_400)]
    assert told == ["0 s", "45 s", "75 s", "10 min", "90 min", "2 h", "1 d"]


def test_nested_values_read_on_one_line() -> None:
    assert formatting.gist({"ids": ["a", "b"], "ok": True, "none": None, "deep": {"n": 1}}) == (
        "ids: a, b, ok: true, none: null, deep: {n: 1}"
    )
