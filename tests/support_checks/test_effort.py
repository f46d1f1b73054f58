"""The short and the long form of the tests that repeat."""

import pytest
from hypothesis import settings

from tests.support.effort import Effort, effort, examples, rounds


def test_the_short_form_is_what_runs_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHDB_TESTS", raising=False)
    assert effort() is Effort.SHORT
    assert (rounds(short=2, long=9), examples(100)) == (2, 100)


def test_the_long_form_repeats_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHDB_TESTS", "long")
    assert (rounds(short=2, long=9), examples(100)) == (9, 1000)


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHDB_TESTS", "Long")
    with pytest.raises(ValueError, match="write short or long"):
        effort()


def test_hypothesis_follows() -> None:
    assert settings().max_examples == examples(100)
