"""Summary of a statement in a few words, for people. Pure."""

from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.token_stream import Kind

LONGEST_SUMMARY = 60
"""Limit of a summary, in characters."""
_LEFT_OUT = "..."


def summarise(statement: Statement) -> str:
    """Return the first words of the statement in one line, without comments and constants, which may hold data."""
    text, end = "", statement.offset
    for token in statement.reader().rest():
        constant = token.kind in (Kind.STRING, Kind.NUMBER)
        gap = " " if text and token.start > end else ""
        longer = text + gap + (_LEFT_OUT if constant else _printable(statement.source[token.start : token.end]))
        if len(longer) > LONGEST_SUMMARY - len(_LEFT_OUT) - 1:
            return f"{text} {_LEFT_OUT}".strip()
        text, end = longer, token.end
    return text


def _printable(text: str) -> str:
    """Return the text with a blank for each character that would disturb a line, such as a line end."""
    return "".join(character if character.isprintable() else " " for character in text)
