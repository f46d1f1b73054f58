"""Rows of what a plan would remove are counted within a time of its own, and no failure to count blocks a plan."""

import asyncio
import time

import pytest

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.errors import DatabaseUnavailable
from controller.migrate.catalog import row_counts
from controller.migrate.catalog.row_counts import MOST_COUNTED, count_rows
from controller.migrate.history.location import HistoryLocation
from controller.migrate.plan.data_loss import expected_losses
from controller.migrate.plan.model import Direction, Step
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.unit.migrate.folders import migrations

TABLES = """
    CREATE TABLE a (n int, "M" text);
    CREATE TABLE b (n int);
    CREATE TABLE child () INHERITS (a);
    INSERT INTO a VALUES (1, 'x'), (2, NULL);
    INSERT INTO child VALUES (3, 'y');
"""


async def counted(
    connection: Connection, down: str, *, schema: str = "public", seconds: float = row_counts.TIME_LIMIT
) -> list[str]:
    (migration,) = migrations("V1_a", V1_a_down=down)
    losses = expected_losses([Step(migration, Direction.DOWN)])
    location = HistoryLocation(schema, has_history=True, has_golang_migrate=False)
    return [loss.text for loss in await count_rows(connection, losses, location, seconds=seconds)]


@pytest.mark.parametrize(
    ("down", "expected"),
    [
        ("DROP TABLE a, b", ["a (3 rows)", "b (0 rows)"]),
        ("TRUNCATE ONLY a, ONLY b", ["a (2 rows)", "b (0 rows)"]),
        ("TRUNCATE a *, ONLY (child)", ["a (3 rows)", "child (1 row)"]),
        ('ALTER TABLE PUBLIC./* x */A DROP n, DROP "M"', ["PUBLIC.A.n (3 rows)", 'PUBLIC.A."M" (2 rows)']),
        ('ALTER TABLE ONLY U&"\\0061" DROP U&"!004D" UESCAPE \'!\'', ['"a"."M" (1 row)']),
    ],
)
async def test_rows_are_counted_of_what_is_named(connection: Connection, down: str, expected: list[str]) -> None:
    await connection.execute(TABLES)
    assert await counted(connection, down) == expected


async def test_more_than_anybody_reads_is_not_counted_to_the_end(connection: Connection) -> None:
    await connection.execute(f"CREATE TABLE a AS SELECT generate_series(0, {MOST_COUNTED + 5}) AS n")
    assert await counted(connection, "DELETE FROM a") == ["a (more than 10000 rows)"]


async def test_a_composite_value_with_an_empty_field_holds_data(connection: Connection) -> None:
    await connection.execute(
        "CREATE TYPE pair AS (x int, y int); CREATE TABLE a (p pair); INSERT INTO a VALUES (ROW(1, NULL)), (NULL)"
    )
    assert await counted(connection, "ALTER TABLE a DROP p") == ["a.p (1 row)"]


async def test_names_are_looked_up_in_the_schema_of_the_migrations(connection: Connection) -> None:
    await connection.execute('CREATE SCHEMA "S s"; CREATE TABLE "S s".a AS SELECT 1 AS n; CREATE TABLE a ()')
    assert await counted(connection, "DROP TABLE a", schema="S s") == ["a (1 row)"]


FAILURES = {
    "a missing table": ("SELECT 1", "DROP TABLE IF EXISTS missing"),
    "a missing column": ("CREATE TABLE t ()", "ALTER TABLE t DROP missing"),
    "a missing schema": ("SELECT 1", "DROP TABLE missing.t"),
    "another database": ("SELECT 1", "DROP TABLE other.public.t"),
    "a view that raises": ("CREATE VIEW t AS SELECT 1 / (random() * 0)::int AS n", "DELETE FROM t"),
    "a view that takes long": ("CREATE VIEW t AS SELECT pg_sleep(60)::text AS n", "DELETE FROM t"),
    "an index": ("CREATE TABLE x (n int); CREATE INDEX t ON x (n)", "DROP TABLE t"),
    "rows that a policy hides": (
        "CREATE TABLE t AS SELECT 1 AS n; ALTER TABLE t ENABLE ROW LEVEL SECURITY; "
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
        "DELETE FROM t",
    ),
    "no right": ("CREATE TABLE t (); REVOKE ALL ON t FROM CURRENT_USER", "DELETE FROM t"),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_table_that_cannot_be_counted_is_shown_and_the_next_one_is_counted(
    connection: Connection, failure: str
) -> None:
    made, down = FAILURES[failure]
    await connection.execute(f"{made}; CREATE TABLE next_one AS SELECT 1 AS n")
    found = await counted(connection, f"{down}; DELETE FROM next_one; UPDATE t SET n = 'x'")
    assert found[0].endswith("(rows not counted)")
    assert found[1:] == ["next_one (1 row)", "may lose data: UPDATE t SET n = ..., line 1"]
    assert await connection.fetchval("SELECT 1") == 1
    assert await connection.fetchval("SHOW row_security") == "on"


async def test_a_locked_table_holds_a_plan_up_for_a_moment_only(target: Target, connection: Connection) -> None:
    await connection.execute("CREATE TABLE a (); CREATE TABLE b ()")
    async with connected(target) as other:
        await other.execute("BEGIN; LOCK TABLE a")
        began = time.monotonic()
        assert await counted(connection, "DROP TABLE a, b") == ["a (rows not counted)", "b (0 rows)"]
        assert time.monotonic() - began < row_counts.TIME_LIMIT
        await other.execute("ROLLBACK")


async def test_all_tables_together_have_one_limit(target: Target, connection: Connection) -> None:
    names = [f"t{n}" for n in range(20)]
    await connection.execute("".join(f"CREATE TABLE {name} ();" for name in names))
    async with connected(target) as other:
        await other.execute("BEGIN;" + "".join(f"LOCK TABLE {name};" for name in names))
        began = time.monotonic()
        found = await counted(connection, f"DROP TABLE {', '.join(names)}", seconds=1.0)
        assert time.monotonic() - began < 1.3
        await other.execute("ROLLBACK")
    assert found == [f"{name} (rows not counted)" for name in names]


async def test_a_count_that_takes_too_long_is_ended_by_the_server(connection: Connection) -> None:
    await connection.execute("CREATE TABLE a AS SELECT n, NULL::int AS m FROM generate_series(1, 3000000) AS n")
    began = time.monotonic()
    assert await counted(connection, "ALTER TABLE a DROP m", seconds=0.13) == ["a.m (rows not counted)"]
    assert time.monotonic() - began < 0.5
    assert await connection.fetchval("SELECT 1") == 1


async def test_the_transaction_is_read_only_and_ends(connection: Connection) -> None:
    await connection.execute(TABLES)
    seen: list[str] = []
    connection.add_query_logger(lambda record: seen.append(record.query))
    await counted(connection, "DROP TABLE a")
    assert seen[0].startswith("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;")
    assert not connection.is_in_transaction()


async def test_a_connection_that_breaks_is_told_as_what_it_is(
    target: Target, connection: Connection, database: Database, postgres: PostgresServer
) -> None:
    await connection.execute("CREATE TABLE a (); CREATE TABLE b ()")
    await connection.execute("BEGIN; LOCK TABLE a")

    async def count() -> None:
        async with connected(target) as doomed:
            asyncio.get_running_loop().call_later(0.1, end, doomed.get_server_pid())
            await counted(doomed, "DROP TABLE a, b")

    def end(pid: int) -> None:
        postgres.psql(database, sql=f"SELECT pg_terminate_backend({pid})")

    with pytest.raises(DatabaseUnavailable) as broken:
        await count()
    assert broken.value.reason == "ConnectionLost"
