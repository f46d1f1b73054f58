"""Characters of files that the encoding of a database does not have.

Files are UTF-8, and PostgreSQL converts each message into the encoding of the database before it reads it, so that it
refuses a whole file for one character in a comment. In a comment, `?` is sent in its place; anywhere else, the file is
refused. https://www.postgresql.org/docs/current/multibyte.html
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

import asyncpg

from controller.database.connection import Connection
from controller.errors import MigrationFileError
from controller.migrate.files.migration import Migration, Script
from controller.migrate.sql.lexer import file_position

Replaced: TypeAlias = Mapping[int, str]
"""Characters to send for others, as `str.translate` takes them; empty in nearly all databases."""
_KEEPS_ALL = ("UTF8", "SQL_ASCII")
"""Encodings into which nothing has to be converted."""
_CONVERT = "SELECT pg_catalog.convert($1, 'UTF8', pg_catalog.getdatabaseencoding())"


async def replaced_characters(connection: Connection, migrations: Iterable[Migration]) -> Replaced:
    """Return `?` for each character of the migrations, and of their names, that the database does not have."""
    found = {c for migration in migrations for text in _texts(migration) if not text.isascii() for c in text}
    characters = sorted(c for c in found if not c.isascii())
    if not characters or await _encoding(connection) in _KEEPS_ALL:
        return {}
    if await _has(connection, "".join(characters)):
        return {}
    return {ord(character): "?" for character in characters if not await _has(connection, character)}


async def refuse_missing_characters(connection: Connection, scripts: Iterable[Script], missing: Replaced) -> None:
    """Raise MigrationFileError, with the place, for a character outside of comments that the database does not have."""
    for script in scripts if missing else ():
        if (place := first_outside_comments(script, [chr(code) for code in missing])) is not None:
            character = script.text[place]
            at = file_position(script.name, script.text, place)
            raise MigrationFileError(
                f"{at}: this database has the encoding {await _encoding(connection)}, in which there is no {character} "
                f"(U+{ord(character):04X}, {unicodedata.name(character, 'without a name')}). Write it without, or use "
                "a database with UTF8.",
                at=at,
            )


def first_outside_comments(script: Script, characters: Collection[str]) -> int | None:
    """Return the index in the text of the first of `characters` that is part of a statement and not of a comment."""
    pattern = re.compile("[" + "".join(map(re.escape, characters)) + "]")
    for statement in script.statements:
        if pattern.search(statement.source, statement.offset, statement.end):
            for token in statement.reader().rest():
                if match := pattern.search(statement.source, token.start, token.end):
                    return match.start()
    return None


def _texts(migration: Migration) -> tuple[str, ...]:
    return (migration.description, *(script.text for script in migration.scripts))


async def _encoding(connection: Connection) -> str:
    return str(await connection.fetchval("SELECT pg_catalog.getdatabaseencoding()"))


async def _has(connection: Connection, characters: str) -> bool:
    try:
        await connection.fetchval(_CONVERT, characters.encode())
    except asyncpg.UntranslatableCharacterError:
        return False
    return True
