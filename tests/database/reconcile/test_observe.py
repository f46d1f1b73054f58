"""What one look of a turn finds in a real database: drift, and what a way back would take with it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest_asyncio

from controller.database.connection import Connection
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.secret import SecretData
from controller.database.target import Target
from controller.migrate.files.migration import Migrations
from controller.reconcile.limiter import Limiter
from controller.reconcile.memory import Session
from controller.reconcile.observe import FRESH, Surroundings, look
from controller.reconcile.observed import Observed
from controller.resource.spec import DashboardDatabaseSpec
from tests.database.engine import run
from tests.unit.migrate.folders import pairs
from tests.unit.reconcile.observations import spec

A = {"V1_a.up.sql": "CREATE TABLE a (n int, note text)", "V1_a.down.sql": "DROP TABLE a"}
B = {**A, "V2_b.up.sql": "CREATE TABLE b ()", "V2_b.down.sql": "ALTER TABLE a DROP COLUMN note; DROP TABLE b"}


class NoSecrets:
    async def read(self, name: str) -> SecretData | None:
        raise AssertionError(name)


class Onlooker:
    """Looks at one database as the operator does."""

    def __init__(self, target: Target) -> None:
        self.pool = Pool(target, PoolSettings())
        self.session = Session()

    async def see(
        self, files: dict[str, str], wanted: DashboardDatabaseSpec | None = None, *, before: Observed | None = None
    ) -> Observed:
        def migrations() -> Migrations:
            return pairs(files)

        around = Surroundings(NoSecrets(), migrations, None, Limiter(1))
        return await look(wanted or spec(), around, self.session, self.pool, before=before)

    def make_comparison_due(self) -> None:
        self.session.comparison.done(spec(), datetime.now(UTC) - timedelta(days=1))


@pytest_asyncio.fixture
async def onlooker(target: Target) -> AsyncIterator[Onlooker]:
    onlooker = Onlooker(target)
    yield onlooker
    await onlooker.pool.close()


async def test_what_was_changed_by_hand_is_seen_when_a_comparison_is_due(
    onlooker: Onlooker, connection: Connection
) -> None:
    await run(connection, A)
    onlooker.session.comparison.done(spec(), datetime.now(UTC))
    await connection.execute("ALTER TABLE a DROP COLUMN note; CREATE INDEX by_hand ON a (n)")
    assert (await onlooker.see(A)).drift == ()
    onlooker.make_comparison_due()
    assert (await onlooker.see(A)).drift == ("column a.note missing", "index by_hand on a added")
    assert (await onlooker.see(A)).drift == ("column a.note missing", "index by_hand on a added"), (
        "it is remembered between two comparisons"
    )
    await connection.execute("ALTER TABLE a ADD COLUMN note text; DROP INDEX by_hand")
    onlooker.make_comparison_due()
    assert (await onlooker.see(A)).drift == ()


async def test_where_no_catalog_was_recorded_there_is_no_drift_to_tell(
    onlooker: Onlooker, connection: Connection
) -> None:
    await run(connection, A)
    await connection.execute(
        "COMMENT ON CONSTRAINT schema_version_pkey ON schema_version IS NULL; CREATE TABLE by_hand ()"
    )
    onlooker.make_comparison_due()
    seen = await onlooker.see(A)
    assert (seen.drift, seen.connection_error, len(seen.history or ())) == ((), None, 1)


async def test_a_way_back_says_what_it_would_take_with_it(onlooker: Onlooker, connection: Connection) -> None:
    await run(connection, B)
    await connection.execute("INSERT INTO a VALUES (1, NULL)")
    seen = await onlooker.see(B, spec(schema={"targetVersion": 1}))
    assert seen.losses == ("a.note (empty)", "b (empty)")
    await connection.execute("UPDATE a SET note = 'something'")
    seen = await onlooker.see(B, spec(schema={"targetVersion": 1}))
    assert seen.losses == ("a.note (holds data)", "b (empty)")
    assert (await onlooker.see(B)).losses == ()


async def test_a_second_look_of_a_turn_asks_for_the_tables_and_not_for_the_server_again(
    onlooker: Onlooker, connection: Connection
) -> None:
    first = await onlooker.see(A)
    await run(connection, A)
    second = await onlooker.see(A, before=first)
    assert second.sample is first.sample
    assert (len(first.history or ()), len(second.history or ())) == (0, 1)


async def test_after_an_action_that_took_long_the_server_is_asked_again(onlooker: Onlooker) -> None:
    first = await onlooker.see(A)
    assert first.sample is not None
    stale = replace(first.sample, taken_at=first.sample.taken_at - FRESH)
    second = await onlooker.see(A, before=replace(first, sample=stale))
    assert second.sample is not stale
    assert second.sample is not first.sample
