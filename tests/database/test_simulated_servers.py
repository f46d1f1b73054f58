"""Simulated servers answer the operator's own code as the real database did, for as many databases as are named."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.simulated.record import recorded
from benchmarks.simulated.scram import password_of
from benchmarks.simulated.servers import SimulatedServers, replaying
from controller.database.connection import connected
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.target import SslMode, Target
from controller.desired import Desired
from controller.errors import DatabaseUnavailable
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.reconcile.memory import Memory
from controller.reconcile.reconcile import Dependencies, reconcile
from controller.reconcile.result import ReconcileResult
from controller.reconcile.turns import Turns
from tests.support.database import Database

FILES = read_folder(packaged_folder())


def simulated_target(port: int, name: str) -> Target:
    return Target("127.0.0.1", port, name, "ann", password_of("ann"), SslMode.DISABLE)


async def reconciled(target: Target, memory: Memory) -> ReconcileResult:
    pool = Pool(target, PoolSettings())
    try:
        dependencies = Dependencies(lambda: FILES, Turns(), "team", lambda _: None)
        return await reconcile(Desired(target), pool, dependencies, memory)
    finally:
        await pool.close()


async def test_each_database_is_ready_at_once_and_again_and_with_drift_and_maintenance(
    database: Database, tmp_path: Path
) -> None:
    unknown = tmp_path / "unknown"
    unknown.touch()
    recording = await recorded(database)
    async with replaying(recording, 2, unknown) as ports:
        identities = []
        for port, name in ((ports[0], "one"), (ports[0], "two"), (ports[1], "one")):
            target = simulated_target(port, name)
            first = await reconciled(target, Memory())
            assert first.ready
            assert first.memory.settled is not None
            identities.append(first.memory.identity)
            again = await reconciled(target, first.memory)
            assert again.memory.settled is not None
            assert again.memory.settled.schema == first.memory.settled.schema
            now = datetime.now(UTC)
            last = await reconciled(target, replace(again.memory, comparison_due=now, maintenance_due=now))
            assert (last.ready, last.observed.drift, last.events) == (True, None, ())
            assert last.memory.comparison_due is not None
            assert last.memory.comparison_due > now
        assert len(set(identities)) == 3
        assert await reconciled(simulated_target(ports[0], "one"), Memory()) is not None
    assert SimulatedServers(ports, unknown).unknown() == []


async def test_a_request_that_was_not_recorded_fails_and_is_kept(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = tmp_path / "unknown"
    unknown.touch()
    recording = await recorded(database)
    async with replaying(recording, 1, unknown) as ports:
        target = simulated_target(ports[0], "one")
        for ask in ("execute", "fetchval"):
            with pytest.raises(DatabaseUnavailable):
                async with connected(target) as connection:
                    await getattr(connection, ask)("SELECT 'another'")
        asked = SimulatedServers(ports, unknown).unknown()
    assert [text.split("\n")[0].strip() for text in asked] == ["QSELECT 'another'", "PSELECT 'another'"]
    assert capsys.readouterr().err.count("not recorded: ") == 2
