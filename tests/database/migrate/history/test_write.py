"""Tables of the history, as people see them in psql, and what happens when one of them is lost."""

import pytest

from controller.database.connection import Connection
from controller.errors import HistoryMismatch, SchemaDirty
from controller.migrate.history.session import RunSettings
from tests.database.engine import run, run_alone
from tests.database.targets import target_to
from tests.support.postgres import PostgresServer

FILES = {"V1_a.up.sql": "CREATE TABLE a ()", "V1_a.down.sql": "DROP TABLE a", "V2_b.up.sql": "CREATE TABLE b ()"}


@pytest.mark.parametrize("version", ["V001", "20260131120000"], ids=["number", "date"])
async def test_a_version_is_a_line_of_at_most_120_characters_in_psql(postgres: PostgresServer, version: str) -> None:
    owner = "dashboards_owner_001"
    database = postgres.create_database("dashboards_in_psql", owner=owner)
    name = "add_labels_to_dashboards_and_their_panel"
    files = {
        f"{version}_{name}.up.sql": "CREATE TABLE a ()",
        f"{version}_{name}.down.sql": "DROP TABLE a -- " + "x" * 999,
    }
    pod = RunSettings(host="dashboards-backend-6f7d9c5b8d-x2x7q-dashboard-prod")
    await run_alone(target_to(database), files, settings=pod)
    listed = postgres.psql(database, sql="SELECT * FROM schema_version").splitlines()
    postgres.drop_database(database)
    assert (len(owner), len(name), len(pod.host)) == (20, 40, 50)
    assert [column.strip() for column in listed[0].split("|")] == [
        "version", "description", "state", "applied_at", "applied_by",
    ]  # fmt: skip
    assert listed[2].endswith(f"| {owner}")
    assert (len(listed), max(map(len, listed)) <= 120) == (5, True)  # header, rule, row, count, empty line


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
