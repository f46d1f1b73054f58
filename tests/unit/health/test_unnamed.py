"""Messages for readers who showed no right to know."""

import re
from pathlib import Path

import pytest

from controller.health.unnamed import _SENTENCES, NAMELESS, general_words, without_names
from tests.support.reasons import ONLY_FOR_COMMANDS, ONLY_FOR_EVENTS, all_reasons, shown_in_reports
from tests.unit.web.reports import DOWN, SLOW, report

ROOT = Path(__file__).parents[3]
NAMES = "database \"d\" at db:5432: user 'u'"


def test_a_message_that_may_name_somebody_becomes_general_words() -> None:
    shown = without_names(report(DOWN, reason="LoginRefused", message=NAMES))
    assert (shown.reason, shown.message) == ("LoginRefused", "The server refused the login.")
    assert shown.verdict.warning == "Nothing listens there."


def test_a_reason_that_nobody_thought_of_shows_nothing_of_its_message() -> None:
    assert general_words("NewReason", NAMES) == "The status of the resource, or the log, says more."


def test_figures_stay() -> None:
    assert without_names(report(SLOW)) == report(SLOW)
    assert without_names(report()).verdict.warning is None


@pytest.mark.parametrize("sentence", _SENTENCES.values())
def test_general_words_are_one_sentence(sentence: str) -> None:
    assert sentence.endswith(".")
    assert not re.search(r"[{}\"/]", sentence)


def test_every_reason_with_words_is_one_of_the_program() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "controller").rglob("*.py") if path.name != "unnamed.py")
    for reason in {*_SENTENCES, *NAMELESS} - {""}:
        assert f'"{reason}"' in sources, reason


def test_every_reason_that_a_report_may_show_has_words() -> None:
    shown = shown_in_reports()
    assert {"ConnectionRefused", "DiskFull", "DowngradeRefused", "TLSUnsupported"} <= shown
    assert shown - {*_SENTENCES, *NAMELESS} == set()


def test_no_reason_of_commands_or_events_alone_has_ceased_to_exist() -> None:
    assert all_reasons() >= ONLY_FOR_COMMANDS | ONLY_FOR_EVENTS
