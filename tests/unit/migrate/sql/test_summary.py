"""A statement is shown in a few words, and nothing that may be data."""

import pytest

from controller.migrate.sql.summary import LONGEST_SUMMARY, summarise
from tests.unit.migrate.sql.one_statement import statement


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("DROP SCHEMA s CASCADE", "DROP SCHEMA s CASCADE"),
        ("UPDATE  a\n\tSET b = 'secret', c=E'\\'' WHERE n = 1234", "UPDATE a SET b = ..., c=... WHERE n = ..."),
        ("DO $$ BEGIN PERFORM 'secret'; END $$", "DO ..."),
        ("DO LANGUAGE plpgsql $x$ secret $x$ -- secret", "DO LANGUAGE plpgsql ..."),
        ("SELECT /* secret /* secret */ */ app.prune(12) -- secret", "SELECT app.prune(...)"),
        ('DROP TYPE "a\nb\u202e" CASCADE', 'DROP TYPE "a b " CASCADE'),
        ("SELECT prune(a), " + "b, " * 40 + "c", "SELECT prune(a), b, b, b, b, b, b, b, b, b, b, b, b, b, ..."),
        ("UPDATE " + "x" * 100 + " SET n = 1", "UPDATE ..."),
        (
            "SELECT X'12', B'1', U&'secret', N'secret', 'sec'\n'ret', $1, f()",
            "SELECT ..., ..., ..., ..., ... ..., $1, f()",
        ),
    ],
)
def test_a_summary_is_one_short_line_without_constants(text: str, summary: str) -> None:
    found = summarise(statement(text))
    assert found == summary
    assert len(found) <= LONGEST_SUMMARY
