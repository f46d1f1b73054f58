"""Tables of the history, as people see them in psql, and what happens when one of them is lost."""

import pytest

from controller.database.connection import Connection
from controller.errors import HistoryMismatch, SchemaDirty
from controller.migrate.history.session import RunSettings
from tests.database.engine import run, run_alone
from tests.database.targets import target_to
from tests.support.postgres import PostgresServer

FILES = {"V1_a.up.sql": "CREATE TABLE a ()", "V1_a.down.sql": "DROP TABLE a", "V2_b.up.sql": "CREATE TABLE b ()"}


async def listed_in_psql(postgres: PostgresServer, owner: str, version: str, name: str) -> list[str]:
    """Lines of psql about a history whose version is half reverted, the longest of the states."""
    database = postgres.create_database("dashboards_in_psql", owner=owner)
    files = {
        f"{version}_{name}.up.sql": "CREATE TABLE a ()",
        f"{version}_{name}.down.sql": f"-- dashdb:no-transaction\nDROP TABLE a; SELECT missing -- {'x' * 999}",
    }
    pod = RunSettings(host="dashboards-backend-6f7d9c5b8d-x2x7q-dashboard-prod")
    try:
        await run_alone(target_to(database), files, settings=pod)
        with pytest.raises(SchemaDirty):
            await run_alone(target_to(database), files, to=0, settings=pod)
        return postgres.psql(database, sql="SELECT * FROM schema_version").splitlines()
    finally:
        postgres.drop_database(database)


@pytest.mark.parametrize("version", ["V001", "20260131120000"], ids=["number", "date"])
@pytest.mark.parametrize("name", ["add_labels", "add_labels_to_dashboards_and_to_each_of_their_panels_for_all"])
async def test_a_version_is_a_line_of_at_most_120_characters_in_psql(
    postgres: PostgresServer, version: str, name: str
) -> None:
    owner = "dashboards_owner_001"
    listed = await listed_in_psql(postgres, owner, version, name)
    assert len(owner) == 20
    assert [column.strip() for column in listed[0].split("|")] == [
        "version", "description", "state", "applied_at", "applied_by",
    ]  # fmt: skip
    assert listed[2].endswith(f"| {owner}")
    assert "| dirty down |" in listed[2]
    assert (len(listed), max(map(len, listed)) <= 120) == (5, True)  # header, rule, row, count, empty line


async def test_a_longer_role_is_recorded_whole_and_makes_the_line_longer_by_as_much(postgres: PostgresServer) -> None:
    owner = "o" * 63
    listed = await listed_in_psql(postgres, owner, "20260131120000", "add_labels" * 6)
    assert listed[2].endswith(f"| {owner}")
    assert max(map(len, listed)) <= 120 + len(owner) - 20


async def test_the_history_says_what_is_dirty(connection: Connection) -> None:
    stops = {"V1_a.up.sql": "-- dashdb:no-transaction\nCREATE TABLE a ();\nSELECT missing"}
    with pytest.raises(SchemaDirty):
        await run(connection, stops)
    assert await connection.fetchval("SELECT state FROM schema_version") == "dirty up"


@pytest.mark.parametrize(
    "lost", ["DROP TABLE schema_version", "DROP TABLE schema_version_detail", "DELETE FROM schema_version_detail"]
)
async def test_a_history_that_is_half_gone_stops_everything(connection: Connection, lost: str) -> None:
    await run(connection, FILES)
    await connection.execute(lost)
    with pytest.raises(HistoryMismatch, match="Bring back what is missing"):
        await run(connection, FILES)
