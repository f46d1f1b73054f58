"""Partitions of audit_log: one until rows are to be removed, then a month each, without keeping inserts waiting."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.migrate.catalog.inventory import inventory_query
from controller.migrate.catalog.snapshot import read_live
from tests.database.rows import insert, insert_as_it_was
from tests.database.schema.test_audit import application

__all__ = ["application"]

PARTITIONS = "SELECT partition::text, starts, ends FROM audit_log_partitions()"
PATIENCE = 10


@pytest_asyncio.fixture
async def other(target: Target, migrated_connection: Connection) -> AsyncIterator[Connection]:
    """Another session of the owner."""
    async with connected(target) as connection:
        yield connection


async def partitions(connection: Connection) -> list[tuple[str, date | None, date | None]]:
    return [tuple(row) for row in await connection.fetch(PARTITIONS)]


async def split(connection: Connection, month: date) -> int:
    """Return the number of steps that it took to make a partition from MONTH on."""
    steps = 0
    while await connection.fetchval("SELECT partition_audit_log($1)", month):
        steps += 1
    return steps


async def record(connection: Connection, day: date) -> str:
    """Return the partition of a row that the owner brings back from DAY."""
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    row = await insert_as_it_was(
        connection, "audit_log", returning="tableoid::regclass::text", recorded_on=day, timestamp=at
    )
    return str(row[0])


async def found(connection: Connection) -> tuple[str, dict[str, str]]:
    """Return what a look and a comparison of the catalog find."""
    async with connection.transaction():
        await connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        digest = await connection.fetchval(inventory_query("public"))
    return digest, dict((await read_live(connection, "public")).objects)


def following_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


async def test_there_is_one_partition_for_all_days_at_first(migrated_connection: Connection) -> None:
    assert await partitions(migrated_connection) == [("audit_log_from_start", None, None)]


async def test_a_partition_for_the_next_month_is_made_in_three_steps_and_once(migrated_connection: Connection) -> None:
    before = await insert(migrated_connection, "audit_log")
    today = datetime.now(UTC).date()
    month = following_month(today + timedelta(days=7))
    steps = [await migrated_connection.fetchval("SELECT partition_audit_log()") for _ in range(5)]
    assert steps == [1, 1, 1, 0, 0]
    assert await partitions(migrated_connection) == [
        ("audit_log_from_start", None, month),
        (f"audit_log_from_{month:%Y_%m}", month, None),
    ]
    assert await migrated_connection.fetchval("SELECT id FROM audit_log") == before["id"]
    assert (await insert(migrated_connection, "audit_log"))["id"] == before["id"] + 1


async def test_rows_are_kept_by_the_day_on_which_they_were_recorded(migrated_connection: Connection) -> None:
    for month in (date(2026, 1, 1), date(2026, 2, 1)):
        await split(migrated_connection, month)
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 1, 31), date(2026, 2, 1), date(2031, 7, 1)]
    assert [await record(migrated_connection, day) for day in days] == [
        "audit_log_from_start", "audit_log_from_2026_01", "audit_log_from_2026_01", "audit_log_from_2026_02",
        "audit_log_from_2026_02",
    ]  # fmt: skip


@pytest.mark.parametrize("steps", [1, 2])
async def test_a_partition_that_was_begun_is_ended_where_it_was_meant_to(
    migrated_connection: Connection, steps: int
) -> None:
    for _ in range(steps):
        await migrated_connection.fetchval("SELECT partition_audit_log('2027-03-01')")
    later = await split(migrated_connection, date(2027, 5, 1))
    assert later == 3 - steps + 3
    assert [ends for _, _, ends in await partitions(migrated_connection)] == [date(2027, 3, 1), date(2027, 5, 1), None]


async def test_no_row_is_refused_while_a_partition_is_made(migrated_connection: Connection) -> None:
    month = following_month(datetime.now(UTC).date() + timedelta(days=7))
    for number in range(4):
        assert (await insert(migrated_connection, "audit_log"))["id"] == number + 1
        await migrated_connection.fetchval("SELECT partition_audit_log($1)", month)


async def test_no_partition_begins_in_the_past_of_a_table_with_rows(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "audit_log")
    with pytest.raises(asyncpg.InvalidParameterValueError, match="no partition can begin with 2026-01-01"):
        await migrated_connection.fetchval("SELECT partition_audit_log('2026-01-01')")
    await insert(migrated_connection, "audit_log")


@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET user_id = 'nobody'", "TRUNCATE {}"])
async def test_a_new_partition_is_append_only_too(migrated_connection: Connection, change: str) -> None:
    await split(migrated_connection, date(2026, 1, 1))
    await record(migrated_connection, date(2026, 1, 1))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await migrated_connection.execute(change.format("audit_log_from_2026_01"))


async def test_an_application_cannot_choose_the_partition_of_its_row(application: Connection) -> None:
    for day in (date(2020, 1, 1), date(2100, 1, 1)):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="recorded_on of an audit row is set") as refused:
            await insert(application, "audit_log", recorded_on=day)
        assert refused.value.hint == "Leave the column out of the INSERT."


async def test_an_application_cannot_make_or_remove_a_partition(application: Connection) -> None:
    for call in ("partition_audit_log('2026-01-01')", "partition_audit_log()"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await application.fetchval(f"SELECT {call}")


async def test_a_month_that_is_over_is_dropped_whole(migrated_connection: Connection) -> None:
    for month in (date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)):
        await split(migrated_connection, month)
    for day in (1, 2, 3):
        await record(migrated_connection, date(2026, 1, day))
    await record(migrated_connection, date(2026, 2, 28))
    await migrated_connection.execute("ANALYZE audit_log")
    retention = (datetime.now(UTC).date() - date(2026, 2, 1)).days
    removed = [await migrated_connection.fetchval("SELECT purge_audit_log($1)", retention) for _ in range(3)]
    assert removed == [1, 3, 0]  # the first, which holds nothing, counts as one
    assert [name for name, _, _ in await partitions(migrated_connection)] == [
        "audit_log_from_2026_02",
        "audit_log_from_2026_03",
    ]
    assert await migrated_connection.fetchval("SELECT count(*) FROM audit_log") == 1


async def test_a_partition_with_one_day_to_keep_loses_only_its_old_rows(migrated_connection: Connection) -> None:
    await split(migrated_connection, date(2026, 2, 1))
    for day in (1, 30, 31):
        await record(migrated_connection, date(2026, 1, day))
    retention = (datetime.now(UTC).date() - date(2026, 1, 31)).days
    await migrated_connection.fetchval("SELECT purge_audit_log($1)", retention)
    left = await migrated_connection.fetch("SELECT recorded_on FROM audit_log WHERE recorded_on < '2026-01-31'")
    assert left == []
    assert len(await partitions(migrated_connection)) == 2


async def test_a_reader_delays_the_work_and_no_insert_waits_for_it(
    migrated_connection: Connection, other: Connection, target: Target
) -> None:
    await split(migrated_connection, date(2026, 1, 1))
    await split(migrated_connection, date(2026, 2, 1))
    await record(migrated_connection, date(2025, 1, 1))
    async with connected(target) as reader, reader.transaction():
        await reader.fetch("SELECT * FROM audit_log")
        for call, answer in (("purge_audit_log(1)", 1), ("partition_audit_log('2100-01-01')", 0)):
            inserted, answered = await asyncio.wait_for(
                asyncio.gather(insert(other, "audit_log"), migrated_connection.fetchval(f"SELECT {call}")), PATIENCE
            )
            assert inserted["user_id"] == "ann"
            assert answered == answer
        assert len(await partitions(migrated_connection)) == 3
    assert await migrated_connection.fetchval("SELECT purge_audit_log(1)") == 1
    assert len(await partitions(migrated_connection)) == 2


async def test_a_name_that_another_table_has_is_passed_over(migrated_connection: Connection) -> None:
    await migrated_connection.execute(
        "CREATE TABLE audit_log_from_2026_01 (); CREATE TYPE audit_log_from_2026_01_2 AS ()"
    )
    await split(migrated_connection, date(2026, 1, 1))
    assert (await partitions(migrated_connection))[1][0] == "audit_log_from_2026_01_3"


async def test_partitions_are_neither_drift_nor_damage(migrated_connection: Connection) -> None:
    before = await found(migrated_connection)
    await split(migrated_connection, date(2026, 1, 1))
    assert await found(migrated_connection) == before
    await migrated_connection.execute("ALTER TABLE audit_log DETACH PARTITION audit_log_from_2026_01")
    assert "last partition on audit_log" in before[1].keys() - (await found(migrated_connection))[1].keys()
    assert {new for new in (await found(migrated_connection))[1] if new not in before[1]} >= {
        "table audit_log_from_2026_01",
        "column audit_log_from_2026_01.id",
    }
