"""Detection of versions that change only what the catalog shows, or more than their database. Pure."""

import re

from controller.migrate.files.migration import Migration
from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.statements import CHANGES, OF_THE_SERVER

_OF_THE_SERVER = re.compile(rf"\b(?:{'|'.join(CHANGES)})\s+(?:{'|'.join(OF_THE_SERVER)})\b", re.IGNORECASE)

_OBJECTS = (
    "domain", "function", "index", "policy", "procedure", "rule", "sequence", "table", "trigger", "type", "unique",
    "unlogged", "view",
)  # fmt: skip
"""Words after CREATE, ALTER or DROP for what belongs to a schema; not `temp`, and not what has rows from the start."""


def catalog_shows_all(migration: Migration) -> bool:
    """Return whether all that the files of a version change is in the catalog of its schema; in doubt, False.

    It shows no rows, and neither other schemas nor what belongs to no schema, such as roles and extensions.
    """
    return all(_shows_all(statement) for script in migration.scripts for statement in script.statements)


def _shows_all(statement: Statement) -> bool:
    reader = statement.reader()
    if not reader.take_words("comment", "on"):
        if not reader.take_any_word(*CHANGES):
            return False
        reader.take_words("or", "replace")
        of_table = reader.copy().take_any_word("table", "unlogged")
        if not reader.take_any_word(*_OBJECTS):
            return False
        if of_table and any(token.is_word("as", "select", "execute") for token in reader.copy().outer_rest()):
            return False
    return not any(token.is_operator(".") for token in reader.rest())


def outlasts_the_database(migration: Migration) -> bool:
    """Return whether a file may change what all databases of a server share, which only one may do at a time.

    Also inside a DO block, where `changes_the_server` does not look: one scratch database too few costs only time.
    """
    return any(_OF_THE_SERVER.search(script.text) for script in migration.scripts)
