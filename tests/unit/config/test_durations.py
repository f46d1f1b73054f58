"""Durations as Go writes them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.config.durations import parse_duration, parse_nanoseconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("0s", 0), ("10s", 10), ("5m", 300), ("1h30m", 5400), ("500ms", 0.5), ("1.5h", 5400), (".5s", 0.5),
        ("1.s", 1), ("1m1.5s", 61.5), ("100us", 1e-4), ("100µs", 1e-4), ("100μs", 1e-4), ("5ns", 5e-9),
        ("1h1ms", 3600.001), ("1s1s", 2), ("2562047h47m16s", 9223372036), ("+10s", 10), ("+0", 0),
    ],
)  # fmt: skip
def test_what_go_accepts(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "10", "s", "10 s", " 10s", "10s ", "-10s", "++10s", "-0", "10s+1s", "10S", "1d", "1h 30m", ".s",
     "1..5s", "1e3s", "10sec", "\u0661s", "\u0661µs", "1,5s", "10s\n", "inf", "nans"],
)  # fmt: skip
def test_what_go_refuses_and_what_is_negative(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration such as 500ms, 10s, 5m or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["2562048h", "9" * 5000 + "s", "9223372037s", "9223372036854775808ns"])
def test_what_go_cannot_count(text: str) -> None:
    with pytest.raises(ValueError, match="longer than 292 years"):
        parse_duration(text)


def test_no_nanosecond_is_lost() -> None:
    assert parse_nanoseconds("2562047h47m16.854775807s") == 2**63 - 1
    assert parse_nanoseconds("0.3s") == 300_000_000


@given(st.text())
def test_any_text_is_a_number_of_seconds_or_refused(text: str) -> None:
    try:
        assert math.isfinite(parse_duration(text))
    except ValueError as refused:
        assert "duration" in str(refused) or "longer" in str(refused)  # noqa: PT017
