"""The rules of table dashboard, kept by the database whoever writes."""

import asyncio
from typing import Any

import asyncpg
import pytest

from controller.database.connection import Connection
from tests.database.rows import insert

STALE = "is at version"
BACK = "cannot go from"


async def the_dashboard(connection: Connection) -> dict[str, Any]:
    return dict(await connection.fetchrow("SELECT * FROM dashboard WHERE id = 'd'"))


async def test_a_new_dashboard_has_the_promised_defaults(migrated_connection: Connection) -> None:
    row = await insert(migrated_connection, "dashboard")
    assert (row["version"], row["state"], row["refresh_interval"]) == (1, "active", 15)
    assert (row["time_range_default"], row["template_id"]) == ("last_1h", None)
    assert row["created_at"] == row["updated_at"]


@pytest.mark.parametrize("named", ["", ", version = version + 1", ", version = $1"])
async def test_an_update_ends_one_higher_whether_it_names_the_version_or_not(
    migrated_connection: Connection, named: str
) -> None:
    await insert(migrated_connection, "dashboard")
    for expected in (2, 3):
        parameters = [expected] if "$1" in named else []
        await migrated_connection.execute(f"UPDATE dashboard SET name = 'x'{named} WHERE id = 'd'", *parameters)
        assert (await the_dashboard(migrated_connection))["version"] == expected


async def test_an_upsert_and_a_merge_are_held_to_the_version_too(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "dashboard")
    row = "INSERT INTO dashboard AS d (id, name, project, doc, created_by, updated_by, version)"
    row += " VALUES ('d', 'D', 'p', '{}', 'bob', 'bob', $1) ON CONFLICT (id) DO UPDATE SET version = EXCLUDED.version"
    merge = "MERGE INTO dashboard AS d USING (SELECT $1::integer AS version) AS s ON d.id = 'd'"
    merge += " WHEN MATCHED THEN UPDATE SET version = s.version"
    for statement, follows in ((row, 2), (merge, 3)):
        for stale in (follows - 1, follows + 1):
            with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match=STALE):
                await migrated_connection.execute(statement, stale)
        await migrated_connection.execute(statement, follows)
        assert (await the_dashboard(migrated_connection))["version"] == follows


@pytest.mark.parametrize("named", ["", ", version = 1"])
async def test_after_the_largest_version_comes_1(migrated_connection: Connection, named: str) -> None:
    await insert(migrated_connection, "dashboard", version=2147483646)
    await migrated_connection.execute("UPDATE dashboard SET name = 'x', version = 2147483647")
    await migrated_connection.execute(f"UPDATE dashboard SET name = 'y'{named}")
    assert (await the_dashboard(migrated_connection))["version"] == 1
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match=STALE):
        await migrated_connection.execute("UPDATE dashboard SET version = 2147483647")


@pytest.mark.parametrize("carried", [1, 2, 3, 5, 0, -3, None])
async def test_a_stale_or_invented_version_is_refused_and_changes_nothing(
    migrated_connection: Connection, carried: int | None
) -> None:
    await insert(migrated_connection, "dashboard")
    await migrated_connection.execute("UPDATE dashboard SET name = 'two'")
    await migrated_connection.execute("UPDATE dashboard SET name = 'three'")
    before = await the_dashboard(migrated_connection)
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match=STALE) as caught:
        await migrated_connection.execute("UPDATE dashboard SET name = 'mine', version = $1", carried)
    assert "read it again" in str(caught.value.hint)
    assert await the_dashboard(migrated_connection) == before


async def test_of_two_editors_who_read_the_same_version_one_is_refused(
    migrated_connection: Connection, second_connection: Connection
) -> None:
    await insert(migrated_connection, "dashboard")
    edit = "UPDATE dashboard SET updated_by = $1, version = 2 WHERE id = 'd'"
    results = await asyncio.gather(
        migrated_connection.execute(edit, "ann"), second_connection.execute(edit, "bob"), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["ObjectNotInPrerequisiteStateError", "str"]
    assert (await the_dashboard(migrated_connection))["version"] == 2


@pytest.mark.parametrize(("before", "after"), [("draft", "active"), ("draft", "archived"), ("active", "archived")])
async def test_the_state_goes_forward(migrated_connection: Connection, before: str, after: str) -> None:
    await insert(migrated_connection, "dashboard", state=before)
    await migrated_connection.execute("UPDATE dashboard SET state = $1", after)
    assert (await the_dashboard(migrated_connection))["state"] == after


@pytest.mark.parametrize(("before", "after"), [("active", "draft"), ("archived", "active"), ("archived", "draft")])
async def test_the_state_never_goes_back(migrated_connection: Connection, before: str, after: str) -> None:
    await insert(migrated_connection, "dashboard", state=before)
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match=BACK):
        await migrated_connection.execute("UPDATE dashboard SET state = $1", after)
    assert (await the_dashboard(migrated_connection))["state"] == before


@pytest.mark.parametrize(
    "column",
    [
        {"state": "gone"},
        {"refresh_interval": 4},
        {"refresh_interval": 301},
        {"time_range_default": "last_2h"},
        {"version": 0},
        {"doc": "[]"},
        {"id": ""},
        {"name": ""},
        {"project": ""},
    ],
    ids=str,
)
async def test_what_is_out_of_bounds_is_refused(migrated_connection: Connection, column: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(migrated_connection, "dashboard", **column)
    await insert(migrated_connection, "dashboard")
    if "version" not in column:
        (name, value) = column.popitem()
        with pytest.raises(asyncpg.CheckViolationError):
            await migrated_connection.execute(f"UPDATE dashboard SET {name} = $1", value)


@pytest.mark.parametrize(
    "column",
    [{"refresh_interval": 5}, {"refresh_interval": 300}]
    + [{"time_range_default": f"last_{span}"} for span in ("5m", "15m", "1h", "6h", "24h", "7d", "30d")],
    ids=str,
)
async def test_bounds_themselves_are_taken(migrated_connection: Connection, column: dict[str, Any]) -> None:
    await insert(migrated_connection, "dashboard", **column)


async def test_a_name_is_unique_in_its_project_only(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "dashboard")
    await insert(migrated_connection, "dashboard", id="other", project="other")
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(migrated_connection, "dashboard", id="second")


async def test_the_time_of_the_last_change_is_kept_whatever_the_client_writes(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "dashboard", updated_at="=now() - interval '1 day'")
    before = await the_dashboard(migrated_connection)
    await migrated_connection.execute("UPDATE dashboard SET name = 'x', updated_at = 'epoch'")
    after = await the_dashboard(migrated_connection)
    assert after["updated_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]


async def test_a_deleted_template_leaves_its_dashboards(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "dashboard_template")
    await insert(migrated_connection, "dashboard", template_id="t")
    await migrated_connection.execute("DELETE FROM dashboard_template")
    assert (await the_dashboard(migrated_connection))["template_id"] is None


async def test_a_template_that_does_not_exist_is_refused(migrated_connection: Connection) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await insert(migrated_connection, "dashboard", template_id="none")
