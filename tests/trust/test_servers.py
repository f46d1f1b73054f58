"""Promises about hostile database servers, whatever they answer."""

import asyncio
import json
import socket
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from controller.database.auth_messages import MOST_ITERATIONS
from controller.database.connection import connect
from controller.database.resolver import THREADS
from controller.database.target import SslMode, Target
from controller.errors import DatabaseUnavailable
from controller.health.store import ReportStore
from controller.web.server import application, serving
from tests.database.programs import dashdb_here, write_migrations
from tests.support import hostile
from tests.support.database import Database
from tests.support.hostile import Script, hostile_server
from tests.support.postgres import PostgresServer

MEBIBYTES = 16
"""Limit of the memory that three connections to a hostile server cost, one after the other."""
HOSTILE_NAME = "evil\x1b[2J\x1b]0;title\x07\u202etxt.exe\r\nReady: True " + "x" * 2000


async def cost(script: Script, query: str) -> dict[str, Any]:
    """Return what SCRIPT costs a process of its own that connects and asks QUERY."""
    async with hostile_server(script) as port, asyncio.timeout(60):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.trust.victim", str(port), query, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(output)
    return found


@pytest.mark.parametrize("answer", hostile.ANSWERS)
async def test_no_answer_costs_more_than_16_mebibytes_and_each_has_its_reason(answer: str) -> None:
    script, reason = hostile.ANSWERS[answer]
    found = await cost(script, "prepared")
    assert found["reasons"] == [reason] * 3
    assert found["mebibytes"] <= MEBIBYTES
    assert found["descriptors"] == 0


@pytest.mark.parametrize(
    "answer", ["a row of a gigabyte", "rows of a megabyte without end", "small rows without end", "notices without end"]
)
async def test_the_answer_to_a_migration_is_dropped_as_it_arrives(answer: str) -> None:
    found = await cost(hostile.ANSWERS[answer][0], "text")
    assert set(found["reasons"]) <= {"Timeout", "ProtocolViolation"}
    assert found["mebibytes"] <= MEBIBYTES
    assert found["descriptors"] == 0


@pytest.mark.parametrize("login", hostile.LOGINS)
async def test_a_session_without_a_version_or_with_another_encoding_is_closed(login: str) -> None:
    script, reason = hostile.LOGINS[login]
    found = await cost(script, "prepared")
    assert found["reasons"] == [reason] * 3
    assert found["descriptors"] == 0


def test_a_migration_of_the_user_may_bring_a_large_result(database: Database, tmp_path: Path) -> None:
    write_migrations(
        tmp_path,
        {"V1_large.up.sql": "SELECT repeat('x', 50000000); SELECT repeat('x', 1000) FROM generate_series(1, 20000);"},
    )
    done = dashdb_here(database.environ, "migrate", "up", "--path", str(tmp_path))
    assert done.exit_code == 0, done.output


async def test_more_than_100_000_rounds_of_hashing_are_refused() -> None:
    assert MOST_ITERATIONS == 100_000
    async with hostile_server(hostile.scram_challenge(100_001)) as port:
        with pytest.raises(DatabaseUnavailable) as caught:
            await connect(target_at("127.0.0.1", port))
    assert caught.value.reason == "LoginTooCostly"


async def test_names_that_nobody_answers_do_not_hold_up_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every thread of the resolver with as many namespaces; `/metrics` has its own."""
    asked, end = threading.Semaphore(0), threading.Event()
    real = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **options: Any) -> Any:
        if not host.endswith(".mute"):
            return real(host, *rest, **options)
        asked.release()
        end.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with serving(application(ReportStore(), lambda: None, version="1"), "127.0.0.1", 0) as port:
        dials = [asyncio.create_task(connect(target_at(f"{n}.mute", 5432, tenant=str(n)))) for n in range(2 * THREADS)]
        for _ in range(THREADS):
            assert await asyncio.to_thread(asked.acquire, timeout=10)
        for _ in range(5):
            assert await asyncio.to_thread(_status, f"http://127.0.0.1:{port}/metrics") == 200
        end.set()
        ended = await asyncio.gather(*dials, return_exceptions=True)
    assert {type(each) for each in ended} == {DatabaseUnavailable}


def target_at(host: str, port: int, tenant: str = "") -> Target:
    return Target(
        host=host, port=port, database="perses", user="ann", password="h0rse", ssl_mode=SslMode.DISABLE,
        connect_timeout=20, tenant=tenant,
    )  # fmt: skip


def _status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:
        status: int = answer.status
        return status


@pytest.mark.parametrize(
    "command",
    [("migrate", "status"), ("migrate", "version"), ("migrate", "plan"), ("migrate", "up"), ("migrate", "drift"),
     ("templates", "list"), ("templates", "diff"), ("templates", "seed"), ("health",)],
    ids=" ".join,
)  # fmt: skip
def test_no_text_of_a_database_moves_the_cursor_or_forges_a_line(
    command: tuple[str, ...], postgres: PostgresServer, database: Database
) -> None:
    assert dashdb_here(database.environ, "migrate", "up").exit_code == 0
    assert dashdb_here(database.environ, "templates", "seed").exit_code == 0
    plant(postgres, database)
    shown = dashdb_here(database.environ, *command).output
    assert all(line.isprintable() and len(line) <= 1100 for line in shown.splitlines()), ascii(shown)
    assert not any(line.startswith("Ready: True") for line in shown.splitlines())


def plant(postgres: PostgresServer, database: Database) -> None:
    """Put the name into all that the commands show of a database."""
    name = HOSTILE_NAME.replace("'", "''")
    statements = [
        "ALTER TABLE schema_version DISABLE TRIGGER USER",
        f"UPDATE schema_version SET description = left('{name}', 100), applied_by = left('{name}', 60)",
        f'CREATE TABLE "{HOSTILE_NAME[:40]}" (n integer)',
        f"UPDATE dashboard_template SET description = '{name}' WHERE name = (SELECT min(name) FROM dashboard_template)",
        "UPDATE dashboard_template SET doc = jsonb_build_object('title', '\u202e\u2028'), version = '0.0.1' "
        "WHERE name = (SELECT max(name) FROM dashboard_template)",
    ]
    for statement in statements:
        postgres.psql(database, sql=statement)
