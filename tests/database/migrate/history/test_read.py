"""Histories are the same whether they come in one answer or row by row, and another program's table is none."""

from datetime import UTC, datetime

import pytest

from controller.database.connection import Connection, forget_statements
from controller.database.questions import MOST_ROWS, ask
from controller.errors import HistoryMismatch, ProtocolViolation
from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.read import history_from, history_question, read_history, read_history_at
from tests.database.engine import run

LOCATION = HistoryLocation("public", has_history=True, has_golang_migrate=False)
LATER = """
WITH v AS (INSERT INTO schema_version SELECT (jsonb_populate_record(s, jsonb_build_object('version', n))).*
             FROM schema_version AS s, generate_series(2, {last}) AS n WHERE s.version = 1)
INSERT INTO schema_version_detail SELECT (jsonb_populate_record(d, jsonb_build_object('version', n))).*
  FROM schema_version_detail AS d, generate_series(2, {last}) AS n WHERE d.version = 1
"""


async def answer(connection: Connection) -> object:
    return (await ask(connection, history_question(LOCATION))).values[0]


@pytest.mark.parametrize(("rows", "in_one"), [(1, True), (MOST_ROWS, True), (MOST_ROWS + 1, False)])
async def test_a_history_is_the_same_in_one_answer_and_row_by_row(
    connection: Connection, rows: int, in_one: bool
) -> None:
    began = datetime.now(UTC)
    await run(connection, {"V1_a.up.sql": "CREATE TABLE a ()", "V1_a.down.sql": "DROP TABLE a"})
    await connection.execute(LATER.format(last=rows))
    whole = await answer(connection)
    assert (whole is not None) is in_one
    history = await read_history(connection)
    assert [row.version for row in history] == list(range(1, rows + 1))
    assert began < history[0].applied_at < datetime.now(UTC)
    if in_one:
        assert history_from(whole, LOCATION) == history


async def test_a_history_of_few_but_long_rows_is_read_row_by_row(connection: Connection) -> None:
    await run(connection, {"V1_a.up.sql": "CREATE TABLE a ()"})
    await connection.execute("UPDATE schema_version SET description = repeat('long ', 20000)")
    assert await answer(connection) is None
    assert len((await read_history(connection))[0].description) == 100000


async def alter(connection: Connection, change: str) -> None:
    """Put copies in place of the tables, which have neither keys nor checks, and make a change to them."""
    await run(connection, {"V1_a.up.sql": "CREATE TABLE a ()"})
    for table in ("schema_version_detail", "schema_version"):
        await connection.execute(f"CREATE TABLE copy AS TABLE {table}; DROP TABLE {table} CASCADE")
        await connection.execute(f"ALTER TABLE copy RENAME TO {table}")
    await connection.execute(change)
    forget_statements(connection)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER applied_at TYPE text USING 'now'",
        "ALTER applied_at TYPE timestamp",
        "ALTER applied_at TYPE bool USING true",
        "ALTER duration_ms TYPE numeric USING 0.5",
        "ALTER sha256 TYPE int USING 1",
    ],
)
async def test_an_answer_with_values_of_other_types_is_no_history_of_ours(connection: Connection, change: str) -> None:
    await alter(connection, f"ALTER TABLE schema_version_detail {change}")
    with pytest.raises(HistoryMismatch) as caught:
        history_from(await answer(connection), LOCATION)
    assert caught.value.reason == "HistoryTableForeign"


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE schema_version ALTER version TYPE text",
        "ALTER TABLE schema_version ALTER state TYPE int USING 1",
        "ALTER TABLE schema_version_detail ALTER sha256 TYPE int USING 1",
        "ALTER TABLE schema_version_detail DROP sha256",
        "DROP TABLE schema_version_detail CASCADE",
    ],
)
async def test_a_table_with_other_columns_is_no_history_of_ours(connection: Connection, change: str) -> None:
    await alter(connection, change)
    with pytest.raises(HistoryMismatch) as caught:
        await read_history_at(connection, LOCATION)
    assert caught.value.reason == "HistoryTableForeign"


@pytest.mark.parametrize("answer", [5, [5], [{}], {"applied_at": 1}])
def test_an_answer_that_holds_no_rows_of_a_history_is_refused(answer: object) -> None:
    with pytest.raises(ProtocolViolation):
        history_from(answer, LOCATION)
