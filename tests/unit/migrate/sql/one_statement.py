"""A statement for tests that look at one."""

from controller.migrate.sql.lexer import Statement, split


def statement(text: str) -> Statement:
    """TEXT as the only statement of a file."""
    (one,) = split(text, file="V1_a.up.sql")
    return one
