"""Names and values come out of SQL text as they went in, whatever the session's settings are."""

import pytest

from controller.database.connection import Connection
from controller.database.quoting import identifier, literal

NASTY = ["it's", 'say "x"', "back\\slash'; DROP TABLE t; --", "\\", "", "$$ $1 %s {x}", "é\n\t\u2028", "E'x'"]


@pytest.mark.parametrize("conforming", ["on", "off"])
async def test_a_value_comes_back_as_it_was(connection: Connection, conforming: str) -> None:
    await connection.execute(f"SET standard_conforming_strings = {conforming}; SET escape_string_warning = off")
    for value in NASTY:
        assert await connection.fetchval(f"SELECT {literal(value)}") == value
    assert await connection.fetchval(f"SELECT {literal(None)} IS NULL")
    assert await connection.fetchval(f"SELECT {literal(-7)}") == -7


async def test_a_name_comes_back_as_it_was(connection: Connection) -> None:
    for name in filter(None, NASTY):
        row = await connection.fetchrow(f"SELECT 1 AS {identifier(name)}")
        assert list(row.keys()) == [name]
