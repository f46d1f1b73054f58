"""A database that the real golang-migrate made is taken over: nothing runs twice, and its runners are waited for."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.errors import HistoryMismatch, MigrationLocked, SchemaDirty
from controller.migrate.history.golang_migrate import lock_ids
from controller.migrate.history.read import read_history
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import Origin
from tests.database.engine import IMPATIENT, run_alone, tables
from tests.database.programs import dashdb_here, write_migrations
from tests.database.silence import Notes
from tests.support.binaries import golang_migrate
from tests.support.database import Database
from tests.support.postgres import PostgresServer

THREE = {f"{n}_t{n}.up.sql": f"CREATE TABLE t{n} ()" for n in (1, 2, 3)}
THREE |= {f"{n}_t{n}.down.sql": f"DROP TABLE t{n}" for n in (1, 2, 3)}
GATE = {**THREE, "1_t1.up.sql": "CREATE TABLE t1 (); CREATE TABLE gate ()", "1_t1.down.sql": "DROP TABLE t1, gate"}
BEHIND_THE_GATE = {**GATE, "2_t2.up.sql": "LOCK TABLE gate; CREATE TABLE t2 ()"}


class Theirs:
    """Pair of runners, golang-migrate and ours, on one database and with the same folder."""

    def __init__(self, server: PostgresServer, database: Database, folder: Path) -> None:
        self.server = server
        self.database = database
        self.folder = folder

    def write(self, contents: dict[str, str]) -> None:
        write_migrations(self.folder, contents)

    def _command(self, *arguments: str) -> list[str]:
        return [str(golang_migrate()), "-path", str(self.folder), "-database", self.database.dsn, *arguments]

    def __call__(self, *arguments: str) -> int:
        return subprocess.run(self._command(*arguments), capture_output=True, check=False, timeout=60).returncode

    @contextmanager
    def at_work(self, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        process = subprocess.Popen(self._command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def ours(self, *arguments: str) -> Result:
        return dashdb_here(self.database.environ, "migrate", *arguments, "--path", str(self.folder))

    def asked(self, sql: str) -> list[str]:
        return self.server.psql(self.database, sql=sql, args=("-At",)).split()

    @property
    def row(self) -> list[str]:
        """Row of golang-migrate's own history table: version and dirty."""
        return self.asked("SELECT version, dirty FROM schema_migrations")

    @property
    def tables(self) -> list[str]:
        return self.asked("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")

    @property
    def history(self) -> list[str]:
        """Ours: version, state and why it counts."""
        return self.asked(
            "SELECT version, state, origin FROM schema_version JOIN schema_version_detail USING (version) ORDER BY 1"
        )

    def told(self, *arguments: str) -> Any:
        return json.loads(self.ours(*arguments, "--json").stdout)


@pytest.fixture
def theirs(postgres: PostgresServer, database: Database, tmp_path: Path) -> Theirs:
    theirs = Theirs(postgres, database, tmp_path)
    theirs.write(THREE)
    return theirs


def test_what_it_applied_is_not_applied_again(theirs: Theirs) -> None:
    assert theirs("up", "2") == 0
    assert theirs.ours("version").stdout == "2\n"
    assert [m["state"] for m in theirs.told("status")["migrations"]] == ["applied", "applied", "pending"]
    plan = theirs.told("plan")
    assert (plan["adopts_golang_migrate"], [s["version"] for s in plan["steps"]]) == (True, [3])
    assert theirs.tables == ["schema_migrations", "t1", "t2"], "looking changes nothing"
    done = theirs.ours("up")
    assert done.stdout.startswith(
        "Adopted the history of golang-migrate at version 2.\nThe schema is at version 3; 1 file in"
    )
    assert theirs.history == ["1|applied|golang-migrate", "2|applied|golang-migrate", "3|applied|run"]
    assert [m["state"] for m in theirs.told("status")["migrations"]] == ["applied"] * 3
    assert theirs.told("plan")["adopts_golang_migrate"] is False
    assert theirs.ours("up").stdout == "Nothing to do; the schema is at version 3.\n"
    assert theirs.row == ["2|f"], "what it says of itself stays its own"


def test_a_database_where_nothing_is_pending_is_taken_over_too(theirs: Theirs) -> None:
    assert theirs("up") == 0
    assert theirs.told("up")["adopted_golang_migrate"] is True
    assert len(theirs.history) == 3
    assert theirs.ours("up").stdout == "Nothing to do; the schema is at version 3.\n"


def test_what_was_taken_over_can_be_reverted_and_stays_so(theirs: Theirs) -> None:
    """An empty history is kept: without it, golang-migrate's word would count again."""
    assert theirs("up") == 0
    assert theirs.ours("down", "--all", "--yes").exit_code == 0
    assert theirs.tables == ["schema_migrations", "schema_version", "schema_version_detail"]
    assert theirs.ours("version").stdout == "none\n"
    done = theirs.told("up")
    assert (done["adopted_golang_migrate"], len(done["steps"])) == (False, 3)
    assert theirs.ours("force", "0", "--yes").exit_code == 0
    assert theirs.ours("version").stdout == "none\n"


def test_reverting_takes_over_first(theirs: Theirs) -> None:
    assert theirs("up") == 0
    assert theirs.ours("down", "1", "--yes").exit_code == 0
    assert theirs.history == ["1|applied|golang-migrate", "2|applied|golang-migrate", "3|reverted|run"]
    assert theirs.tables == ["schema_migrations", "schema_version", "schema_version_detail", "t1", "t2"]


@pytest.mark.parametrize("verbs", [("up", "down"), ("up", "drop")])
def test_a_database_that_it_emptied_is_an_empty_one(theirs: Theirs, verbs: tuple[str, str]) -> None:
    assert theirs(verbs[0]) == 0
    assert theirs(verbs[1], *(["-all"] if verbs[1] == "down" else ["-f"])) == 0
    done = theirs.told("up")
    assert (done["adopted_golang_migrate"], len(done["steps"])) == (False, 3)


async def test_our_locks_are_the_ones_that_it_takes(
    theirs: Theirs, database: Database, target: Target, connection: Connection
) -> None:
    theirs.write(BEHIND_THE_GATE)
    assert theirs("up", "1") == 0
    async with connected(target) as gate:
        await gate.execute("BEGIN; LOCK TABLE gate")
        with theirs.at_work("up"):
            await at_the_gate(connection)
            held = await connection.fetchval(
                "SELECT classid::bigint << 32 | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            assert held in lock_ids(database.name, "public")


async def at_the_gate(connection: Connection) -> None:
    """Wait until a session waits for the table."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'gate'::regclass"
    async with asyncio.timeout(20):
        while await connection.fetchval(waiting) != 1:  # noqa: ASYNC110 - a server has no events
            await asyncio.sleep(0.01)


class _Waits(Notes):
    def __init__(self) -> None:
        super().__init__()
        self.event = asyncio.Event()

    def waiting(self, what: str, why: str) -> None:
        super().waiting(what, why)
        self.event.set()


async def test_its_runner_is_waited_for_and_what_it_did_then_counts(
    theirs: Theirs, target: Target, connection: Connection
) -> None:
    theirs.write(BEHIND_THE_GATE)
    assert theirs("up", "1") == 0
    notes = _Waits()
    async with connected(target) as gate:
        await gate.execute("BEGIN; LOCK TABLE gate")
        with theirs.at_work("up", "1") as process:
            await at_the_gate(connection)
            ours = asyncio.create_task(run_alone(target, BEHIND_THE_GATE, progress=notes))
            async with asyncio.timeout(20):
                await notes.event.wait()
            await gate.execute("ROLLBACK")
            done = await ours
            await asyncio.to_thread(process.wait, 20)
    assert notes.waits[0] == "golang-migrate, which is at work on this database"
    assert (done.adopts, [s.migration.version for s in done.steps]) == (True, [3])
    assert await asyncio.to_thread(lambda: theirs.row) == ["2|f"]
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_a_runner_of_it_that_does_not_end_is_exit_4(
    theirs: Theirs, target: Target, connection: Connection
) -> None:
    theirs.write(BEHIND_THE_GATE)
    assert theirs("up", "1") == 0
    async with connected(target) as gate:
        await gate.execute("BEGIN; LOCK TABLE gate")
        with theirs.at_work("up"):
            await at_the_gate(connection)
            with pytest.raises(
                MigrationLocked, match=r"Gave up waiting for golang-migrate.*Nothing was applied"
            ) as caught:
                await run_alone(target, BEHIND_THE_GATE, settings=IMPATIENT)
    assert caught.value.exit_code == 4
    assert "schema_version" not in await tables(connection)


async def test_its_runners_wait_while_we_take_over(theirs: Theirs, target: Target, connection: Connection) -> None:
    assert theirs("up", "1") == 0
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    async with connected(target) as other:
        await other.execute("BEGIN")
        ids = lock_ids(theirs.database.name, "public")
        for each in ids:
            await other.execute(f"SELECT pg_advisory_xact_lock({each})")
        with theirs.at_work("up") as process:
            async with asyncio.timeout(20):
                while await connection.fetchval(waiting) != 1:  # noqa: ASYNC110 - a server has no events
                    await asyncio.sleep(0.01)
            assert await asyncio.to_thread(lambda: theirs.row) == ["1|f"]
            await other.execute("ROLLBACK")
            assert await asyncio.to_thread(process.wait, 20) == 0


FAILING = {**THREE, "2_t2.up.sql": "CREATE TABLE t2 (); SELECT nothing"}


@pytest.mark.parametrize("version", [1, 2])
def test_dirty_is_for_a_person_and_force_is_the_way_out(theirs: Theirs, version: int) -> None:
    theirs.write(FAILING)
    assert theirs("up") == 1
    assert theirs.row == ["2|t"]
    refused = theirs.ours("up")
    assert refused.exit_code == 3
    assert "golang-migrate left it dirty, which means one of two things" in refused.stderr
    assert "dashdb migrate force VERSION" in refused.stderr
    assert theirs.ours("version").stdout == "2 (dirty)\n"
    assert (theirs.ours("plan").exit_code, theirs.ours("down", "1", "--yes").exit_code) == (3, 3)
    assert [m["state"] for m in theirs.told("status")["migrations"]] == ["applied", "dirty", "pending"]
    assert theirs.tables == ["schema_migrations", "t1"], "golang-migrate's file was rolled back as a whole"
    theirs.write(THREE)
    assert theirs.ours("force", str(version), "--yes").exit_code == 0
    assert [s["version"] for s in theirs.told("up")["steps"]] == [2, 3][version - 1 :]


def test_where_its_very_first_file_failed_the_way_out_is_0(theirs: Theirs) -> None:
    theirs.write({**THREE, "1_t1.up.sql": "SELECT nothing"})
    assert theirs("up") == 1
    assert theirs.ours("up").exit_code == 3
    assert theirs.ours("force", "0", "--yes").stdout == "none\n"
    theirs.write(THREE)
    assert len(theirs.told("up")["steps"]) == 3


def test_where_the_way_back_of_its_first_file_failed_it_is_dirty_too(theirs: Theirs) -> None:
    theirs.write({**THREE, "1_t1.down.sql": "SELECT nothing"})
    assert theirs("up", "1") == 0
    assert theirs("down", "1") == 1
    assert theirs.ours("up").exit_code == 3
    assert theirs.ours("force", "1", "--yes").stdout == "1\n"
    assert len(theirs.told("up")["steps"]) == 2


def test_a_version_that_no_file_has_is_refused(theirs: Theirs) -> None:
    assert theirs("up") == 0
    for path in theirs.folder.glob("3_*"):
        path.unlink()
    refused = theirs.ours("up")
    assert (refused.exit_code, "golang-migrate applied version 3" in refused.stderr) == (5, True)


@pytest.mark.parametrize(
    "table", ["(version varchar PRIMARY KEY)", "(version bigint PRIMARY KEY, inserted_at timestamp)"]
)
async def test_a_table_of_that_name_that_is_not_its_own_is_left_alone(
    target: Target, connection: Connection, table: str
) -> None:
    """Rails and Ecto have one too."""
    await connection.execute(
        f"CREATE TABLE schema_migrations {table}; INSERT INTO schema_migrations VALUES ('20260101')"
    )
    done = await run_alone(target, THREE)
    assert (done.adopts, len(done.steps)) == (False, 3)
    assert await connection.fetchval("SELECT count(*) FROM schema_migrations") == 1


@pytest.mark.parametrize("row", ["NULL::bigint AS version, false AS dirty", "'1' AS version, false AS dirty"])
async def test_a_table_with_other_values_is_not_its_own(row: str, target: Target, connection: Connection) -> None:
    await connection.execute(f"CREATE TABLE schema_migrations AS SELECT {row}")
    with pytest.raises(HistoryMismatch, match="not golang-migrate's") as caught:
        await run_alone(target, THREE)
    assert caught.value.reason == "HistoryTableForeign"


async def test_a_table_with_several_rows_is_not_its_own(target: Target, connection: Connection) -> None:
    await connection.execute("CREATE TABLE schema_migrations (version bigint, dirty boolean)")
    await connection.execute("INSERT INTO schema_migrations VALUES (1, false), (2, false)")
    with pytest.raises(HistoryMismatch, match="more than one row") as caught:
        await run_alone(target, THREE)
    assert caught.value.reason == "HistoryTableForeign"


async def test_runners_that_take_over_together_do_so_once(
    theirs: Theirs, target: Target, connection: Connection
) -> None:
    assert theirs("up", "1") == 0
    plans = await asyncio.gather(*(run_alone(target, THREE, settings=RunSettings()) for _ in range(4)))
    assert sorted(s.migration.version for plan in plans for s in plan.steps) == [2, 3]
    origins = [row.origin for row in await read_history(connection)]
    assert origins == [Origin.GOLANG_MIGRATE, Origin.RUN, Origin.RUN]


async def test_dirty_without_a_runner_at_work_is_told_at_once(theirs: Theirs, target: Target) -> None:
    theirs.write(FAILING)
    assert theirs("up") == 1
    with pytest.raises(SchemaDirty, match="golang-migrate left it dirty"):
        await run_alone(target, FAILING, settings=RunSettings(runner_wait=0))
