"""A runner asks before each file whether it may go on, and leaves nothing half done where it may not."""

import asyncio
from functools import partial

import pytest

from controller.database.connection import connected
from controller.database.target import Target
from controller.errors import MigrationLocked, NotLeading
from controller.migrate.history.session import RunSettings
from controller.migrate.run.runner import Runner
from tests.database.engine import IMPATIENT, history, take_lock
from tests.database.silence import Silence
from tests.unit.migrate.folders import pairs

SLOW = {f"V{n}_t{n}.up.sql": f"CREATE TABLE t{n} ();\nSELECT pg_sleep(0.01);" for n in (1, 2, 3)}
"""Each is a message, or several, of its own."""
SHORT = {f"V{n}_t{n}.up.sql": f"CREATE TABLE t{n} ();" for n in (1, 2, 3)}
"""All are one message."""
STEPWISE = {**SLOW, "V2_t2.up.sql": "-- dashdb:no-transaction\nCREATE TABLE t2 ();\nVACUUM t1;\n"}
ADOPTED = (
    "CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO schema_migrations VALUES (1, false)"
)


class Fence:
    """Fence that allows so many changes, and counts the questions."""

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self.asked = 0

    async def __call__(self) -> None:
        self.asked += 1
        if self.asked > self.allowed:
            raise NotLeading("Another replica leads now.")


async def run(
    target: Target, files: dict[str, str], fence: "Fence", settings: RunSettings | None = None
) -> list[tuple[int, str]]:
    """Run FILES as far as the FENCE allows; return the history afterwards."""
    async with connected(target) as connection:
        runner = Runner(connection, settings or RunSettings(), Silence(), partial(connected, target), fence)
        try:
            await runner.run(pairs(files), None)
        except NotLeading:
            assert not connection.is_in_transaction()
        return await history(connection)


@pytest.mark.parametrize("files", [SLOW, STEPWISE], ids=["in transactions", "one without"])
@pytest.mark.parametrize("allowed", [0, 1, 2])
async def test_it_stops_before_the_first_file_that_it_may_not_run(
    target: Target, files: dict[str, str], allowed: int
) -> None:
    fence = Fence(allowed)
    assert await run(target, files, fence) == [(n, "up") for n in range(1, allowed + 1)]
    assert fence.asked == allowed + 1
    assert await run(target, files, Fence(3)) == [(1, "up"), (2, "up"), (3, "up")], "another runner does the rest"


async def test_files_that_travel_together_need_one_answer(target: Target) -> None:
    assert await run(target, SHORT, Fence(0)) == []
    fence = Fence(1)
    assert len(await run(target, SHORT, fence)) == 3
    assert fence.asked == 1


async def test_it_asks_again_before_each_try_of_a_file_that_waits_for_a_lock(target: Target) -> None:
    async with connected(target) as other:
        await other.execute("BEGIN")
        await take_lock(other)
        fence = Fence(10**6)
        with pytest.raises(MigrationLocked):
            await run(target, SLOW, fence, IMPATIENT)
        assert fence.asked > 1
        waiting = asyncio.create_task(run(target, SLOW, Fence(2)))
        assert await waiting == [], "refused while it waited"


async def test_it_asks_before_it_records_what_golang_migrate_applied(target: Target) -> None:
    async with connected(target) as connection:
        await connection.execute(ADOPTED)
    assert await run(target, SLOW, Fence(0)) == []
