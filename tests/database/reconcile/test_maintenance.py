"""A round of maintenance removes rows part by part, and each of its functions runs whatever came of the others."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from controller.database.connection import Connection
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.schema import locate_schema
from controller.database.target import Target
from controller.errors import ChangeNotPermitted, DashdbError
from controller.migrate.files.migration import Migrations
from controller.reconcile import act
from controller.reconcile.decide import Maintain
from tests.database.rows import insert
from tests.unit.reconcile.observations import desired

OLD_ROWS = """
SET dashdb.maintenance = 'on';
INSERT INTO audit_log (id, timestamp, user_id, action, resource_type, result)
SELECT n, now() - interval '40 days', 'ann', 'dashboard.view', 'Dashboard', 'success'
  FROM generate_series(1, 12000) AS n;
INSERT INTO share_token (dashboard_id, created_by, created_at, expires_at)
SELECT 'd', 'ann', now() - interval '40 days', now() - interval '39 days' FROM generate_series(1, 11000);
RESET dashdb.maintenance;
"""
LEFT = "SELECT (SELECT count(*) FROM audit_log), (SELECT count(*) FROM share_token)"


class Fence:
    """Fence that counts how often it was asked, and forbids everything from the Nth time on."""

    def __init__(self, forbids_at: int = 1000) -> None:
        self.asked, self.forbids_at = 0, forbids_at

    async def __call__(self) -> None:
        self.asked += 1
        if self.asked >= self.forbids_at:
            raise ChangeNotPermitted("another replica leads")


@pytest_asyncio.fixture
async def pool(target: Target, migrated_connection: Connection) -> AsyncIterator[Pool]:
    await insert(migrated_connection, "dashboard")
    await migrated_connection.execute(OLD_ROWS)
    pool = Pool(target, PoolSettings())
    yield pool
    await pool.close()


def no_migrations() -> Migrations:
    raise AssertionError("maintenance reads no migrations")


async def maintain(pool: Pool, connection: Connection, fence: Fence | None = None) -> None:
    schema = await locate_schema(connection, None)
    await act.act(Maintain(30), desired(), schema, pool, no_migrations, lambda _: None, fence or Fence())


async def test_all_that_is_old_goes_in_parts_of_at_most_5000(pool: Pool, migrated_connection: Connection) -> None:
    fence = Fence()
    await maintain(pool, migrated_connection, fence)
    assert tuple(await migrated_connection.fetchrow(LEFT)) == (0, 0)
    assert fence.asked == 4 + 4 + 4 + 2  # three parts of each table, three steps to a partition, two counts


async def test_a_round_that_ran_out_of_time_is_continued_by_the_next(
    pool: Pool, migrated_connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(act, "REMOVAL_SECONDS", 0.0)
    left = []
    for _ in range(3):
        await maintain(pool, migrated_connection)
        left.append(tuple(await migrated_connection.fetchrow(LEFT)))
    assert left == [(7000, 6000), (2000, 1000), (0, 0)]


async def test_a_replica_that_no_longer_leads_removes_no_further_part(
    pool: Pool, migrated_connection: Connection
) -> None:
    with pytest.raises(ChangeNotPermitted):
        await maintain(pool, migrated_connection, Fence(forbids_at=2))
    assert tuple(await migrated_connection.fetchrow(LEFT)) == (12000, 6000)


async def test_a_function_that_fails_keeps_no_other_from_running(pool: Pool, migrated_connection: Connection) -> None:
    await migrated_connection.execute("ALTER FUNCTION cleanup_expired_tokens() RENAME TO gone")
    with pytest.raises(DashdbError, match="cleanup_expired_tokens"):
        await maintain(pool, migrated_connection)
    assert tuple(await migrated_connection.fetchrow(LEFT)) == (0, 11000)
