"""Texts of the two files that replace several versions. Pure."""

from collections.abc import Collection, Iterable

from controller.migrate.files.migration import Migrations, Script
from controller.migrate.files.replaces import DIRECTIVE, format_versions
from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.statements import waits_for_others

_UP = """-- Makes what these versions made, as one.
--
-- dashdb:replaces {versions}
--
-- Recorded and not run where all of these versions are applied. Their files may be removed once every database has it.
-- squawk-ignore-file {rules} -- as the versions that it replaces made them; the tables are new and empty here

{statements}
"""
_DOWN = """-- Removes what {up} made: the down migrations of the versions that it replaces, from the last to the first.

{statements}
"""
_RULES = (
    "prefer-text-field", "prefer-bigint-over-int", "prefer-bigint-over-smallint", "prefer-identity", "ban-char-field",
    "prefer-timestamptz", "adding-foreign-key-constraint", "constraint-missing-not-valid", "adding-not-nullable-field",
    "disallowed-unique-constraint", "require-concurrent-index-creation", "changing-column-type",
    "adding-field-with-default", "ban-alter-identity",
)  # fmt: skip
"""Rules of squawk that new and empty tables cannot break, and those about choices that the replaced versions made."""


def up_text(statements: Iterable[str], replaces: Collection[int]) -> str:
    """Return the text of the up file, made of the statements that pg_dump wrote."""
    return _up("\n\n".join(f"{statement};" for statement in statements), replaces)


def up_text_of_files(migrations: Migrations, replaces: Collection[int]) -> str:
    """Return the text of the up file, made of the up migrations, in order."""
    return _up(_one_after_another(each.up for each in migrations), replaces)


def down_text(migrations: Migrations, up: str) -> str:
    """Return the text of the down file: the down migrations, from the last to the first."""
    bodies = _one_after_another(each.down for each in reversed(migrations) if each.down)
    return _DOWN.format(up=up, statements=bodies)


def _up(statements: str, replaces: Collection[int]) -> str:
    return _UP.format(versions=format_versions(replaces), rules=", ".join(_RULES), statements=statements)


def _one_after_another(scripts: Iterable[Script]) -> str:
    return "\n\n".join(f"-- {script.name}\n{_to_run(script)}" for script in scripts)


def _to_run(script: Script) -> str:
    """Return the text of a script for a part of one transaction, its last statement with a semicolon.

    Without CONCURRENTLY: going down, the tables go as well, and going up, they are new. Without the comments of a file
    with a line for us, such as `-- dashdb:no-transaction`, which would be read as one of the whole.
    """
    statements, text = script.statements, script.text.strip()
    if script.has_transactions or DIRECTIVE in text or any(map(waits_for_others, statements)):
        return "\n".join(f"{_at_once(statement)};" for statement in statements)
    ended = not statements or script.text.startswith(";", statements[-1].end)
    return text if ended else f"{text}\n;"


def _at_once(statement: Statement) -> str:
    """Return the text of a statement without the word CONCURRENTLY that makes it run alone."""
    text = statement.text
    if waits_for_others(statement):
        word = next((token for token in statement.reader().rest() if token.is_word("concurrently")), None)
        if word is not None:
            text = statement.source[statement.offset : word.start] + statement.source[word.end : statement.end].lstrip()
    return text
