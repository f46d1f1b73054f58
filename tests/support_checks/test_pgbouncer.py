"""The PgBouncer that other tests rely on pools transactions, and behaves as it promises."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.support import pgbouncer_parts
from tests.support.database import Database
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer
from tests.support.processes import SupportError
from tests.support_checks.test_leftovers import gone

BACKEND = "SELECT pg_backend_pid()"


@pytest.fixture(scope="module")
def pooler(server: PostgresServer) -> Iterator[PgBouncer]:
    with PgBouncer(server, pool_size=1) as running:
        yield running


@pytest.fixture
def database(server: PostgresServer, pooler: PgBouncer) -> Database:
    return pooler.before(server.create_database())


async def connect(database: Database) -> asyncpg.Connection:
    return await asyncpg.connect(database.dsn, timeout=5, statement_cache_size=0)


async def test_a_role_that_was_just_created_works_in_its_database(database: Database) -> None:
    connection = await connect(database)
    who = await connection.fetchrow("SELECT current_database(), current_user")
    assert tuple(who) == (database.name, database.user)
    await connection.close()


async def test_a_wrong_password_is_refused(database: Database) -> None:
    with pytest.raises(asyncpg.PostgresError, match=r"authentication failed"):
        await connect(replace(database, password="wrong"))


async def test_two_clients_share_one_session_of_the_server(database: Database, pooler: PgBouncer) -> None:
    first, second = await connect(database), await connect(database)
    assert await first.fetchval(BACKEND) == await second.fetchval(BACKEND)
    async with first.transaction():
        await first.fetchval(BACKEND)
        pools = [row for row in pooler.show("pools") if row["user"] == database.user]
        assert [(row["sv_active"], row["pool_mode"]) for row in pools] == [("1", "transaction")]
    await first.close()
    await second.close()


async def test_after_a_restart_new_connections_work_and_old_ones_are_gone(
    database: Database, pooler: PgBouncer
) -> None:
    before = await connect(database)
    pooler.stop()
    with pytest.raises(ConnectionRefusedError):
        await connect(database)
    pooler.start()
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
        await before.fetchval(BACKEND)
    after = await connect(database)
    assert await after.fetchval("SELECT 7") == 7
    await after.close()


async def test_it_reaches_a_server_that_wants_tls() -> None:
    with PostgresServer(18, tls=True) as server, PgBouncer(server) as pooler:
        connection = await connect(pooler.before(server.create_database()))
        assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
        await connection.close()


def test_leaving_the_with_statement_removes_it(server: PostgresServer) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with PgBouncer(server) as pooler:
        ours = {process.pid for process in psutil.Process().children(recursive=True)} - before
        assert ours
    assert all(gone(pid) for pid in ours)
    assert not pooler.folder.exists()


def test_without_apt_the_person_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHDB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pgbouncer_parts, "SYSTEM_FOLDERS", str(tmp_path))
    with pytest.raises(SupportError, match="PgBouncer is missing: install PgBouncer"):
        pgbouncer_parts.pgbouncer()


def test_what_the_package_manager_said_is_shown_and_nothing_half_done_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho 'E: the shelves are empty' >&2\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("DASHDB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pgbouncer_parts, "SYSTEM_FOLDERS", str(tmp_path))
    with pytest.raises(SupportError, match="the shelves are empty"):
        pgbouncer_parts.pgbouncer()
    assert not list((tmp_path / "cache").glob("pgbouncer*"))
