"""Troubleshooting and the exit codes of help texts: complete, and nothing in them that does not exist."""

import re
from pathlib import Path

import click
import pytest

from controller.cli import root as dashdb
from controller.cli.kubectl import root as kubectl_dashdb
from controller.cli.migrate import command as migrate
from controller.cli.templates.commands import command as templates
from controller.exit_codes import ExitCode
from tests.support.reasons import ONLY_FOR_COMMANDS, all_reasons

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "troubleshooting.md").read_text()
ENTRIES = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=\n\n### |\Z)", PAGE, re.MULTILINE | re.DOTALL))
"""Text of each entry by its reason."""
NOTHING_TO_DO = {reason for reason, text in ENTRIES.items() if text.startswith("Nothing to do")}


def test_every_reason_has_an_entry() -> None:
    assert sorted(all_reasons() - ENTRIES.keys()) == []


def test_every_entry_is_a_reason_of_the_program() -> None:
    assert sorted(ENTRIES.keys() - all_reasons()) == []


def test_no_reason_has_two_entries_and_all_are_in_the_order_of_the_alphabet() -> None:
    headings = re.findall(r"^### (.*)$", PAGE, re.MULTILINE)
    assert headings == sorted(set(headings), key=str.lower)


@pytest.mark.parametrize("reason", sorted(ENTRIES.keys() - NOTHING_TO_DO))
def test_an_entry_says_what_is_felt_how_to_confirm_and_how_to_mend(reason: str) -> None:
    felt, *rest = re.split(r"^- (?=Confirm|Mend)", ENTRIES[reason].strip(), flags=re.MULTILINE)
    assert felt.strip().endswith(".")
    assert [part.partition(":")[0] for part in rest] == ["Confirm", "Mend"]
    assert re.search(r"`[^`]+`", rest[0]), "a command confirms it"


@pytest.mark.parametrize("reason", sorted(ENTRIES))
def test_an_entry_is_short(reason: str) -> None:
    assert len(ENTRIES[reason].strip().splitlines()) <= 5


def test_every_entry_with_something_to_do_is_found_by_what_one_sees() -> None:
    table = PAGE[PAGE.index("## By what you see") : PAGE.index("## Reasons")]
    linked = re.findall(r"\[(\w+)\]\(#(\w+)\)", table)
    assert all(anchor == reason.lower() for reason, anchor in linked)
    seen = [reason for reason, _ in linked]
    assert len(seen) == len(set(seen))
    assert ENTRIES.keys() - NOTHING_TO_DO - ONLY_FOR_COMMANDS <= set(seen) <= ENTRIES.keys()


def test_a_reason_of_commands_alone_says_so() -> None:
    for reason in ONLY_FOR_COMMANDS:
        assert ENTRIES[reason].startswith("Only of `"), reason


@pytest.mark.parametrize("group", [dashdb, kubectl_dashdb, migrate, templates], ids=lambda group: str(group.name))
def test_every_exit_code_in_a_help_text_is_one_of_the_program(group: click.Group) -> None:
    context = click.Context(group)
    found = [group, *filter(None, (group.get_command(context, name) for name in group.list_commands(context)))]
    told = [
        re.findall(r"(?:Exit codes:|,)\s+(\d+) ", each.help or "")
        for each in found
        if "Exit codes:" in (each.help or "")
    ]
    assert told
    assert {int(code) for codes_of_one in told for code in codes_of_one} <= set(ExitCode)
