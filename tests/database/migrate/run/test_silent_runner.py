"""A runner that falls silent in the middle of a file: its machine is lost, or its process is stopped."""

import time
from typing import Any

import pytest

from controller.database.connection import connected
from controller.database.target import Target
from controller.errors import DatabaseUnavailable
from controller.migrate.history import session
from controller.migrate.plan.model import Step
from controller.migrate.sql.lexer import Statement
from tests.database.engine import history, run_alone, tables
from tests.database.silence import Silence
from tests.support.processes import wait_until_async

FILE = {"V1_a.up.sql": "CREATE TABLE a ();\nSELECT pg_sleep(0.01);\nCREATE TABLE b ();\nSELECT pg_sleep(0.01);"}
STEPWISE = {"V1_a.up.sql": "-- dashdb:no-transaction\nCREATE TABLE a ();\nCREATE TABLE b ();\n"}
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


class Stopped(Silence):
    """Progress that stops the process before the second statement, as SIGSTOP does, for SECONDS."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def statement(self, step: Step, number: int, statement: Statement) -> None:
        if number > 1:
            time.sleep(self.seconds)
            self.seconds = 0.0


@pytest.mark.parametrize(
    ("files", "left"), [(FILE, []), (STEPWISE, ["a", "schema_version", "schema_version_detail"])], ids=["one", "none"]
)
async def test_it_loses_its_lock_and_changes_nothing_when_it_goes_on(
    target: Target, files: dict[str, str], left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "SILENT_SECONDS", 0.2)
    with pytest.raises(DatabaseUnavailable):
        await run_alone(target, files, progress=Stopped(1.0))
    async with connected(target) as connection:

        async def free() -> bool:
            return bool(await connection.fetchval(LOCKS) == 0)

        await wait_until_async(free, what="no lock is left", seconds=10)
        assert await tables(connection) == left
        await run_alone(target, files)
        assert await tables(connection) == ["a", "b", "schema_version", "schema_version_detail"]
        assert await history(connection) == [(1, "up")]


async def test_a_runner_is_silent_for_no_longer_than_that(target: Target) -> None:
    shown: dict[str, Any] = {}
    async with connected(target) as connection:
        for scope in ("LOCAL", "SESSION"):
            await connection.execute("BEGIN; " + session.limits(connection, session.RunSettings(), scope=scope))
            for name in ("idle_in_transaction_session_timeout", "idle_session_timeout"):
                shown[f"{scope} {name}"] = await connection.fetchval(f"SHOW {name}")
            await connection.execute("ROLLBACK")
    assert shown == {
        "LOCAL idle_in_transaction_session_timeout": "1min",
        "LOCAL idle_session_timeout": "0",
        "SESSION idle_in_transaction_session_timeout": "1min",
        "SESSION idle_session_timeout": "1min",
    }
