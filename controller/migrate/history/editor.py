"""Changes of the history without running a file: adoption from golang-migrate, baseline, force."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from controller.database.connection import Connection, OpenConnection
from controller.database.transaction import roll_back
from controller.errors import ConfigurationError, HistoryMismatch, MigrationLocked
from controller.migrate.files.migration import Migration, Migrations
from controller.migrate.history import write
from controller.migrate.history.encoding import replaced_characters
from controller.migrate.history.golang_migrate import lock_ids
from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.lock import LOCKED, MOVED, describe_holder, empty_guard, lock_only
from controller.migrate.history.lock_retry import HISTORY_LOCK, LockedByRunner, LockedByTable, retry_while_locked
from controller.migrate.history.read import locate_history, read_history_at
from controller.migrate.history.session import BEGIN, NO_LOCK, ROLLBACK_TIMEOUT, RunSettings, limits
from controller.migrate.plan.model import EMPTY, History, Origin, newest_version, shown_version
from controller.migrate.plan.replacement import made_of, standing_for

Waiting = Callable[[str, str], None]
"""Function that is called with what waits, and for whom."""


@dataclass(frozen=True, slots=True)
class HistoryEditor:
    """Editor that records versions in the history without running files.

    Attributes:
        waiting: function that is called with the session that blocks, after each try.
        record_catalog: function from the name of a schema to the SQL that records its catalog.
    """

    connection: Connection
    settings: RunSettings
    waiting: Waiting
    record_catalog: Callable[[str], str]

    async def baseline(self, migrations: Migrations, version: int) -> None:
        """Record all versions up to `version` as applied, in a database without a history.

        Raises:
            ConfigurationError: no file has that version.
            HistoryMismatch: the database has a history.
        """
        _check_known(migrations, version, smallest=1)
        location = await locate_history(self.connection, self.settings.schema)
        if location.has_history:
            raise HistoryMismatch(
                "This database has a history already, see dashdb migrate status. To correct it, use dashdb migrate "
                "force VERSION.",
                reason="HistoryExists",
            )
        present = made_of(migrations, version)
        await self._write(location, present, Origin.BASELINE, empty_guard(location), left=version)

    async def force(self, migrations: Migrations, version: int) -> None:
        """Record that the database is at `version` and that nothing is dirty; 0 clears the whole history.

        If a file has the number 0, it is that version, and the history cannot be cleared.

        Raises:
            ConfigurationError: no file has that version.
        """
        _check_known(migrations, version, smallest=0)
        version = version if version in {m.version for m in migrations} else EMPTY
        location = await locate_history(self.connection, self.settings.schema)
        history = await read_history_at(self.connection, location) if location.has_history else ()
        if version == EMPTY and not location.has_history and not location.has_golang_migrate:
            return
        recorded = {row.version: row.sha256 for row in history if row.applied and row.error is None}
        made = made_of(migrations, version)
        present = [m for m in made if not m.up.has_digest(recorded.get(m.version, ""))]
        absent = write.write_absent_above(location, version)
        await self._write(location, present, Origin.FORCE, lock_only(location), left=version, absent=absent)

    async def adopt(self, migrations: Migrations, location: HistoryLocation, history: History) -> None:
        """Record what golang-migrate applied; the caller must hold its locks, see `lock_out_golang_migrate`."""
        version = standing_for(migrations, history[0].version)
        present = made_of(migrations, version)
        await self._write(location, present, Origin.GOLANG_MIGRATE, empty_guard(location), left=version)

    async def _write(
        self,
        location: HistoryLocation,
        present: Sequence[Migration],
        origin: Origin,
        guard: str,
        *,
        left: int,
        absent: str = "",
    ) -> None:
        """Record versions as present, and the catalog, under the lock.

        Args:
            absent: SQL that records others as not applied.
            left: version of the database afterwards; if `EMPTY`, the table may be dropped.
        """
        drops_table = left == EMPTY and not location.keeps_history
        closing = write.drop_tables(location) if drops_table else self.record_catalog(location.schema)
        text = "".join(write.write_present(location, each, origin, host=self.settings.host) for each in present)
        before = BEGIN + limits(self.connection, self.settings) + guard + write.create_tables(location)
        replaced = await replaced_characters(self.connection, present)
        await self._execute(location, f"{before}{text}{absent}{closing}COMMIT;".translate(replaced))

    async def _execute(self, location: HistoryLocation, text: str) -> None:
        """Execute a whole transaction, again while a lock is held."""

        async def attempt(_: int) -> None:
            try:
                await self.connection.execute(text)
            except asyncpg.PostgresError as error:
                await roll_back(self.connection, seconds=ROLLBACK_TIMEOUT)
                if error.sqlstate == LOCKED:
                    raise LockedByRunner(await describe_holder(self.connection, location)) from None
                if error.sqlstate == MOVED:
                    raise MigrationLocked(
                        "Another runner has begun a history in the meantime. See dashdb migrate status.",
                        reason="MigrationOvertaken",
                    ) from None
                if isinstance(error, NO_LOCK):
                    raise LockedByTable(HISTORY_LOCK) from None
                raise

        def waiting(who: str) -> None:
            self.waiting("the history", who)

        await retry_while_locked(
            attempt, self.settings, waiting, given_up="Gave up waiting for {who}. Nothing was written."
        )


@asynccontextmanager
async def lock_out_golang_migrate(
    open_connection: OpenConnection, location: HistoryLocation, settings: RunSettings, waiting: Waiting
) -> AsyncIterator[None]:
    """Hold golang-migrate's two locks for the duration of a `with`, so that none of its runners begins.

    They are held over a second connection.

    Raises:
        MigrationLocked: a runner of golang-migrate held them for longer than the settings allow.
    """
    async with open_connection() as connection:
        ids = lock_ids(await connection.fetchval("SELECT pg_catalog.current_database()"), location.schema)

        async def attempt(_: int) -> None:
            # silent for as long as the files run over the other connection
            forever = "SET LOCAL idle_in_transaction_session_timeout = 0;\n"
            await connection.execute(BEGIN + limits(connection, settings) + forever)
            if not all([await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", each) for each in ids]):
                await roll_back(connection, seconds=ROLLBACK_TIMEOUT)
                raise LockedByRunner("golang-migrate, which is at work on this database")

        def report(who: str) -> None:
            waiting("adopting golang-migrate's history", who)

        try:
            await retry_while_locked(
                attempt, settings, report, given_up="Gave up waiting for {who}. Nothing was applied."
            )
            yield
        finally:
            await roll_back(connection, seconds=ROLLBACK_TIMEOUT)


def _check_known(migrations: Migrations, version: int, *, smallest: int) -> None:
    if version not in {m.version for m in migrations} and (version != 0 or smallest):
        raise ConfigurationError(
            f"Version {version} does not exist. The files go from {smallest or '0, the empty database,'} to "
            f"{shown_version(newest_version(migrations))}."
        )
