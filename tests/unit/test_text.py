"""Texts of servers and files are fit to be shown: short, on one line, and without marks that a terminal obeys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.text import ELLIPSIS, MESSAGE_LENGTH, one_line, printable

HOSTILE = [
    "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\x00", "\x7f", "\u202e", "\u2066", "\u200f", "\u2028", "\u2029",
    "\x85", "\ud800", "\ufeff", "\u200b", "\U000e0041",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_mark_that_a_terminal_obeys_is_left(text: str) -> None:
    for shown in (one_line(f"a{text}b"), printable(f"a{text}b")):
        assert shown.startswith("a")
        assert shown.endswith("b")
        assert shown.isprintable()


@given(st.text(), st.integers(1, 50))
def test_whatever_comes_is_one_line_of_a_limited_length(text: str, most: int) -> None:
    shown = one_line(text, most)
    assert len(shown) == min(len(text), most)
    assert len(shown.splitlines()) <= 1
    assert (shown[-1:] == ELLIPSIS) or len(text) <= most
    assert "\x1b" not in shown


@pytest.mark.parametrize("text", ["", "plain", "Größe 日本語 ½ €", "x" * MESSAGE_LENGTH])
def test_what_is_fit_stays_as_it_is(text: str) -> None:
    assert one_line(text) == text
    assert printable(text) == text


def test_our_own_lines_stay_lines() -> None:
    assert printable("one\n\ttwo\x1b[0m\n") == "one\n\ttwo\N{REPLACEMENT CHARACTER}[0m\n"
    assert one_line("one\n\ttwo") == "one  two"
