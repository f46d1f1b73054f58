"""PostgreSQL's own parser has the last word on what one statement is."""

import asyncpg
import pytest

from tests.support.postgres import PostgresServer
from tests.unit.migrate.sql.whole_statements import WHOLE


@pytest.mark.parametrize("statement", WHOLE)
async def test_what_is_not_cut_is_one_statement_to_postgresql(
    connection: asyncpg.Connection, postgres: PostgresServer, statement: str
) -> None:
    """Tables that do not exist are no matter: parsing comes first, and refuses two statements at once."""
    refused = None
    try:
        await connection.prepare(statement)
    except asyncpg.PostgresError as error:
        refused = error
    is_known = "1_000" not in statement or postgres.release >= 16  # underscores in numbers came with 16
    assert isinstance(refused, asyncpg.PostgresSyntaxError) is not is_known


async def test_postgresql_tells_two_statements_from_one(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await connection.prepare("SELECT 1; SELECT 2")
