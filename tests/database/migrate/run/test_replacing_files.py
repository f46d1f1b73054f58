"""Files that replace several versions: recorded where these are applied, run where none is."""

import pytest

from controller.database.connection import Connection
from controller.errors import HistoryMismatch, ProtocolViolation
from controller.migrate.catalog.drift import read_drift
from controller.migrate.catalog.snapshot import record_statements
from controller.migrate.history.editor import HistoryEditor
from controller.migrate.history.read import read_history
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import Origin
from tests.database.engine import run, tables
from tests.database.silence import Notes
from tests.unit.migrate.folders import pairs

STEPS = {
    "V1_a.up.sql": "CREATE TABLE a (n int)", "V1_a.down.sql": "DROP TABLE a",
    "V2_b.up.sql": "CREATE TABLE b (n int)", "V2_b.down.sql": "DROP TABLE b",
}  # fmt: skip
BOTH = "CREATE TABLE a (n int); CREATE TABLE b (n int)"
ONE = {"V3_ab.up.sql": f"-- dashdb:replaces 1-2\n{BOTH}", "V3_ab.down.sql": "DROP TABLE a, b"}
LATER = {"V4_c.up.sql": "CREATE TABLE c ()", "V4_c.down.sql": "DROP TABLE c"}
STATES = (
    "SELECT version, state, origin, replaces FROM schema_version JOIN schema_version_detail USING (version) ORDER BY 1"
)


async def states(connection: Connection) -> list[tuple[int, str, str, str | None]]:
    return [tuple(row) for row in await connection.fetch(STATES)]


async def own_tables(connection: Connection) -> list[str]:
    return [name for name in await tables(connection) if len(name) == 1]


@pytest.mark.parametrize("left", [{}, STEPS], ids=["gone", "kept"])
async def test_it_is_recorded_where_all_are_applied_and_runs_nothing(
    connection: Connection, left: dict[str, str]
) -> None:
    await run(connection, STEPS)
    await connection.execute("INSERT INTO a VALUES (1)")
    notes = Notes()
    await run(connection, {**left, **ONE, **LATER}, progress=notes)
    assert notes.done == ["V3_ab.up.sql", "V4_c.up.sql"]
    assert await connection.fetchval("SELECT n FROM a") == 1
    assert await states(connection) == [
        (1, "replaced", "run", None), (2, "replaced", "run", None),
        (3, "applied", "replacement", "1-2"), (4, "applied", "run", None),
    ]  # fmt: skip
    assert (await read_drift(connection)).differences == ()


@pytest.mark.parametrize("left", [{}, STEPS], ids=["gone", "kept"])
async def test_it_runs_in_their_place_on_an_empty_database(connection: Connection, left: dict[str, str]) -> None:
    await run(connection, {**left, **ONE, **LATER})
    assert await own_tables(connection) == ["a", "b", "c"]
    assert await states(connection) == [(3, "applied", "run", "1-2"), (4, "applied", "run", None)]


@pytest.mark.parametrize("before", [STEPS, {}], ids=["recorded", "run"])
async def test_it_is_reverted_and_applied_again_as_one(connection: Connection, before: dict[str, str]) -> None:
    if before:
        await run(connection, before)
    files = {**STEPS, **ONE, **LATER}
    await run(connection, files)
    await run(connection, files, 3)
    await connection.execute("CREATE TABLE schema_migrations (version bigint, dirty boolean)")  # keeps an empty history
    await run(connection, files, 0)
    assert await own_tables(connection) == []
    assert not any(row.applied for row in await read_history(connection))
    notes = Notes()
    await run(connection, files, progress=notes)
    assert notes.done == ["V3_ab.up.sql", "V4_c.up.sql"]
    assert await own_tables(connection) == ["a", "b", "c"]


async def test_a_part_of_them_stops_everything_until_the_rest_is_applied(connection: Connection) -> None:
    files = {**STEPS, **ONE, **LATER}
    await run(connection, STEPS, 1)
    with pytest.raises(HistoryMismatch, match=r"of which 1 are applied here and 2 are not.*dashdb migrate goto 2"):
        await run(connection, files)
    assert await own_tables(connection) == ["a"]
    await run(connection, files, 2)
    await run(connection, files)
    assert [row[:2] for row in await states(connection)][2:] == [(3, "applied"), (4, "applied")]


async def test_it_is_recorded_below_a_version_that_is_applied(connection: Connection) -> None:
    dates = {"20260101_a.up.sql": STEPS["V1_a.up.sql"], "20260201_b.up.sql": STEPS["V2_b.up.sql"]}
    later = {"20260301_c.up.sql": LATER["V4_c.up.sql"]}
    await run(connection, {**dates, **later})
    one = {"20260202_ab.up.sql": f"-- dashdb:replaces 20260101, 20260201\n{BOTH}"}
    done = await run(connection, {**one, **later})
    assert (done.target, [step.recorded for step in done.steps]) == (20260301, [True])
    assert (await run(connection, {**one, **later})).empty
    assert (await read_drift(connection)).version == 20260301


@pytest.mark.parametrize("text", ["1-99999999", "all", "2-1", ""])
async def test_a_history_that_replaces_anything_is_no_history(connection: Connection, text: str) -> None:
    await run(connection, {**ONE, **LATER})
    await connection.execute("UPDATE schema_version_detail SET replaces = $1", text)
    with pytest.raises(ProtocolViolation, match="the question for the history"):
        await read_history(connection)


async def test_a_file_without_a_transaction_may_stand_for_others(connection: Connection) -> None:
    text = f"-- dashdb:replaces 1-2\n-- dashdb:no-transaction\n{BOTH}"
    await run(connection, {"V3_ab.up.sql": text})
    assert await states(connection) == [(3, "applied", "run", "1-2")]


@pytest.mark.parametrize("before", [STEPS, {}], ids=["recorded", "empty"])
async def test_a_person_records_it_as_one(connection: Connection, before: dict[str, str]) -> None:
    if before:
        await run(connection, before)
    editor = HistoryEditor(connection, RunSettings(), lambda *_: None, record_statements)
    await editor.force(pairs({**STEPS, **ONE}), 3)
    applied = [(row.version, row.origin) for row in await read_history(connection) if row.applied]
    assert applied == [(3, Origin.FORCE)]
    await editor.force(pairs({**STEPS, **ONE}), 1)
    assert [row.version for row in await read_history(connection) if row.applied] == [1]


async def test_a_baseline_records_it_as_one(connection: Connection) -> None:
    await connection.execute(BOTH)
    editor = HistoryEditor(connection, RunSettings(), lambda *_: None, record_statements)
    await editor.baseline(pairs({**STEPS, **ONE, **LATER}), 3)
    assert await states(connection) == [(3, "applied", "baseline", "1-2")]
    await run(connection, {**ONE, **LATER})
    assert await own_tables(connection) == ["a", "b", "c"]
