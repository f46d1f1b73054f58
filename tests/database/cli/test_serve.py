"""`dashdb serve` as a process of its own beside a real PostgreSQL: how it starts, what it says, how it ends."""

import asyncio
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from controller.migrate.files.folder import packaged_folder
from tests.database.engine import take_lock
from tests.database.programs import dashdb_here, environ, sleepers, write_migrations
from tests.database.targets import role
from tests.support.certificates import Certificates
from tests.support.database import Database
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.serving import ServingProcess

TABLES = [
    "audit_log", "audit_log_from_start", "dashboard", "dashboard_template", "schema_version", "schema_version_detail",
    "share_token", "user_preferences",
]  # fmt: skip
PATHS = ("/", "/ready", "/api/v1/health", "/metrics/health", "/metrics")
Serve = Callable[..., ServingProcess]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a sidecar with options and variables of its own, in short time limits; ended with the test."""
    with ExitStack() as stack:

        def begin(*options: str, wait: bool = True, **variables: str) -> ServingProcess:
            limits = {"DB_CONNECT_TIMEOUT": "1s", "DB_QUERY_TIMEOUT": "2s"}
            log = tmp_path / f"log-{len(list(tmp_path.glob('log-*')))}"
            sidecar = ServingProcess(["serve", *options], log, environ({**limits, **variables}))
            stack.callback(sidecar.kill)
            sidecar.start(wait=wait)
            return sidecar

        yield begin


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """Start a server that only one test uses, and may stop or freeze."""
    with PostgresServer(18) as server:
        yield server


def tables(server: PostgresServer, database: Database) -> list[str]:
    return server.psql(database, sql="SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
                       args=("-At",)).split()  # fmt: skip


def applied(server: PostgresServer, database: Database) -> list[str]:
    return server.psql(database, sql="SELECT version FROM schema_version ORDER BY 1", args=("-At",)).split()


def templates(server: PostgresServer, database: Database) -> int:
    return int(server.psql(database, sql="SELECT count(*) FROM dashboard_template WHERE is_system", args=("-At",)))


def why_not_ready(sidecar: ServingProcess) -> str:
    status, body = sidecar.get("/ready")
    assert status == 503
    return str(json.loads(body)["reason"])


def more_often(sidecar: ServingProcess, text: str, *, than: int) -> bool:
    return sidecar.log.count(text) > than


def wait_for_reason(sidecar: ServingProcess, reason: str) -> None:
    def said() -> bool:
        answer = sidecar.get_json("/ready")
        return not answer["ready"] and answer["reason"].startswith(f"{reason}: ")

    wait_until(lambda: sidecar.is_alive() and said(), what=f"it says {reason}", seconds=20)


def test_it_migrates_and_seeds_and_is_ready(serve: Serve, postgres: PostgresServer, database: Database) -> None:
    sidecar = serve("--migrate", "--seed", **database.environ)
    assert tables(postgres, database) == TABLES
    assert templates(postgres, database) == 4
    assert sidecar.get_json("/ready") == {"ready": True}
    health = sidecar.get_json("/api/v1/health")
    assert (health["status"], health["checks"]["database"]["status"]) == ("healthy", "pass")
    details = health["checks"]["database"]["details"]
    pool, server = (
        details["in_use_connections"] / 50,
        details["server_connections"] / details["server_connection_limit"],
    )
    assert details["utilization_percent"] == round(100 * max(pool, server), 1)
    metrics = sidecar.get("/metrics")[1]
    labels = f'name="{database.name}",namespace=""'
    assert f"dashdb_schema_version{{{labels}}} 1.0" in metrics
    assert f"dashdb_schema_pending_migrations{{{labels}}} 0.0" in metrics
    assert f'dashdb_templates{{{labels},state="Current"}} 4.0' in metrics
    assert f'href="/databases/{database.name}">{database.name}<' in sidecar.get("/")[1]
    assert "<h2>Conditions</h2>" in sidecar.get(f"/databases/{database.name}")[1]


async def test_a_migration_is_logged_as_started_once_the_lock_of_another_runner_is_free(
    serve: Serve, database: Database
) -> None:
    other = await asyncpg.connect(database.dsn)
    await other.execute("BEGIN")
    await take_lock(other)
    sidecar = serve("--migrate", wait=False, **database.environ)
    wait_until(lambda: '"migration waits"' in sidecar.log, what="it waits for the lock", seconds=20)
    assert '"migration started"' not in sidecar.log
    await other.close()
    wait_until(lambda: '"migration finished"' in sidecar.log, what="it has run the file", seconds=20)
    assert sidecar.log.count('"migration started"') == 1


def test_without_being_asked_it_changes_nothing(serve: Serve, postgres: PostgresServer, database: Database) -> None:
    sidecar = serve(**database.environ)
    assert tables(postgres, database) == []
    assert 'dashdb_schema_pending_migrations{name="' + database.name in sidecar.get("/metrics")[1]


def test_a_history_that_cannot_be_read_is_told_in_the_log_and_hides_nothing_else(
    serve: Serve, database: Database
) -> None:
    sidecar = serve("--schema", "nowhere", **database.environ)
    assert sidecar.get("/ready")[0] == 200
    assert sidecar.log.count('"reason": "SchemaMissing"') == 1
    assert "dashdb_schema_version{" not in sidecar.get("/metrics")[1]


def test_it_is_alive_while_the_database_is_down_and_heals_when_that_comes(
    serve: Serve, own_server: PostgresServer
) -> None:
    database = own_server.create_database()
    own_server.stop()
    sidecar = serve("--migrate", "--seed", wait=False, **database.environ)
    wait_for_reason(sidecar, "ConnectionRefused")
    assert sidecar.get("/api/v1/health")[0] == 503
    own_server.start()
    sidecar.wait_ready()
    assert templates(own_server, database) == 4


def test_nothing_vouches_for_a_database_before_it_is_checked(serve: Serve, own_server: PostgresServer) -> None:
    database = own_server.create_database()
    own_server.freeze()
    sidecar = serve(wait=False, **database.environ, DB_CONNECT_TIMEOUT="30s")
    wait_until(sidecar.is_alive, what="it is alive", seconds=20)
    assert why_not_ready(sidecar) == "Starting: The database was not checked yet."
    status, health = sidecar.get("/api/v1/health")
    assert (status, json.loads(health)["status"]) == (503, "unhealthy")
    assert sidecar.get_json("/metrics/health")["database_healthy"] is False
    assert f'dashdb_database_up{{name="{database.name}",namespace=""}} 0.0' in sidecar.get("/metrics")[1]
    own_server.thaw()
    sidecar.wait_ready()


def test_an_outage_is_said_and_passes(serve: Serve, own_server: PostgresServer) -> None:
    database = own_server.create_database()
    sidecar = serve("--migrate", **database.environ)
    own_server.freeze()
    wait_for_reason(sidecar, "Timeout")
    own_server.thaw()
    sidecar.wait_ready()
    assert applied(own_server, database) == ["1"]


def test_a_server_that_hangs_is_told_long_before_the_timeouts_of_queries_and_logins(
    serve: Serve, own_server: PostgresServer
) -> None:
    sidecar = serve(
        "--migrate", DB_QUERY_TIMEOUT="300s", DB_CONNECT_TIMEOUT="300s", **own_server.create_database().environ
    )
    own_server.freeze()
    wait_until(lambda: not sidecar.is_ready(), what="the server is said to hang", seconds=25)
    assert why_not_ready(sidecar).startswith("Timeout:")
    own_server.thaw()
    wait_until(sidecar.is_ready, what="it is ready again", seconds=25)


def test_a_database_that_was_replaced_is_migrated_and_seeded_again(
    serve: Serve, postgres: PostgresServer, database: Database
) -> None:
    serve("--migrate", "--seed", **database.environ)
    postgres.drop_database(database)
    postgres.create_database(database.name, owner=database.user)
    wait_until(lambda: tables(postgres, database) == TABLES, what="the tables are back", seconds=30)
    wait_until(lambda: templates(postgres, database) == 4, what="the templates are back", seconds=30)


def test_a_database_that_was_restored_in_place_is_migrated_and_seeded_again(
    serve: Serve, postgres: PostgresServer, database: Database
) -> None:
    serve("--migrate", "--seed", **database.environ)
    postgres.psql(database, sql="DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    wait_until(lambda: tables(postgres, database) == TABLES, what="the tables are back", seconds=30)
    wait_until(lambda: templates(postgres, database) == 4, what="the templates are back", seconds=30)


def test_a_database_that_was_restored_is_not_ready_until_it_is_migrated(
    serve: Serve, postgres: PostgresServer, database: Database, tmp_path: Path
) -> None:
    shutil.copytree(packaged_folder(), tmp_path, dirs_exist_ok=True)
    sidecar = serve("--migrate", "--path", str(tmp_path), **database.environ)
    write_migrations(tmp_path, {"V002_b.up.sql": "SELECT pg_sleep(8);"})
    postgres.psql(database, sql="DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    wait_for_reason(sidecar, "Migrating")
    assert sidecar.get_json("/api/v1/health")["status"] == "healthy"
    sidecar.wait_ready()
    assert applied(postgres, database) == ["1", "2"]


async def test_a_locked_table_or_a_conflict_does_not_take_a_backend_out_of_service(
    serve: Serve, database: Database
) -> None:
    sidecar = await asyncio.to_thread(serve, "--migrate", "--seed", **database.environ, DB_QUERY_TIMEOUT="500ms")
    beside = await asyncpg.connect(database.dsn)
    try:
        for lock in ("dashboard_template", "schema_version"):
            await beside.execute(f"BEGIN; LOCK TABLE {lock}")
            noticed = partial(more_often, sidecar, '"reason": "Timeout"', than=sidecar.log.count('"reason": "Timeout"'))
            await asyncio.to_thread(wait_until, noticed, what="the lock is noticed", seconds=30)
            assert sidecar.is_ready()
            await beside.execute("COMMIT")
        await beside.execute("BEGIN; SET LOCAL dashdb.maintenance = 'on'")
        await beside.execute("DELETE FROM dashboard_template WHERE id = 'template-notebook'")
        await beside.execute(
            "INSERT INTO dashboard_template (id, name, category, doc, created_by) "
            "VALUES ('template-notebook', 'Mine', 'custom', '{}', 'ann'); COMMIT"
        )
        await asyncio.to_thread(
            wait_until, lambda: "TemplateConflict" in sidecar.log, what="the conflict is noticed", seconds=30
        )
        assert sidecar.is_ready()
    finally:
        await beside.close()


def test_a_template_in_conflict_from_the_start_does_not_keep_a_backend_waiting(
    serve: Serve, postgres: PostgresServer, database: Database
) -> None:
    first = serve("--migrate", **database.environ)
    assert first.stop() == 0
    row = "('mine', 'Notebook', 'custom', '{}', 'ann')"
    postgres.psql(database, sql=f"INSERT INTO dashboard_template (id, name, category, doc, created_by) VALUES {row}")
    sidecar = serve("--migrate", "--seed", **database.environ)
    assert templates(postgres, database) == 3
    assert "TemplateConflict" in sidecar.log


def test_a_migration_that_fails_is_told_and_taken_up_once_it_is_mended(
    serve: Serve, postgres: PostgresServer, database: Database, tmp_path: Path
) -> None:
    folder = write_migrations(tmp_path, {"V001_a.up.sql": "CREATE TABLE a ();\nSELECT nonsense;\n"})
    sidecar = serve("--migrate", "--path", str(folder), wait=False, **database.environ)
    wait_for_reason(sidecar, "MigrationFailed")
    assert "V001_a.up.sql:2:8: " in sidecar.log
    assert why_not_ready(sidecar) == "MigrationFailed: PostgreSQL refused a statement of a migration."
    assert tables(postgres, database) == []
    (folder / "V001_a.up.sql").write_text("CREATE TABLE a ();\n")
    sidecar.wait_ready()
    assert tables(postgres, database) == ["a", "schema_version", "schema_version_detail"]


def test_a_certificate_authority_that_is_renewed_in_place_is_taken_up(
    serve: Serve, tls_postgres: PostgresServer, certificates: Certificates, tmp_path: Path
) -> None:
    database = tls_postgres.create_database()
    authority = tmp_path / "ca.crt"
    shutil.copy(certificates.ca, authority)
    url = database.dsn.replace("sslmode=require", f"sslmode=verify-ca&sslrootcert={authority}")
    sidecar = serve(wait=False, DATABASE_URL=url)
    wait_for_reason(sidecar, "CertificateNotTrusted")
    authority.write_text(tls_postgres.ca_pem)
    sidecar.wait_ready()
    assert "connection settings changed" in sidecar.log


def test_the_login_of_the_service_is_enough_to_report(
    serve: Serve, postgres: PostgresServer, database: Database
) -> None:
    service = role(postgres, database=database)
    for command in ("migrate up", "templates seed", f"roles --application {service.user} --apply"):
        assert dashdb_here(database.environ, *command.split()).exit_code == 0
    sidecar = serve(**service.environ)
    wait_until(lambda: '"healthy"' in sidecar.get("/api/v1/health")[1], what="it is healthy", seconds=20)


def test_it_works_through_pgbouncer(serve: Serve, postgres: PostgresServer, database: Database) -> None:
    with PgBouncer(postgres) as pooler:
        serve("--migrate", "--seed", "--pooler", "pgbouncer", **pooler.before(database).environ)
        assert templates(postgres, database) == 4


def test_of_several_that_start_at_once_one_migrates_and_all_are_ready(
    serve: Serve, postgres: PostgresServer, database: Database
) -> None:
    sidecars = [serve("--migrate", "--seed", wait=False, **database.environ) for _ in range(3)]
    for sidecar in sidecars:
        sidecar.wait_ready()
    assert applied(postgres, database) == ["1"]
    assert sum('"file": "V001_initial_schema.up.sql", "duration_seconds"' in s.log for s in sidecars) == 1


def test_a_database_that_refuses_writes_is_unhealthy(
    serve: Serve, postgres: PostgresServer, database: Database
) -> None:
    postgres.psql(postgres.superuser, sql=f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
    sidecar = serve(wait=False, **database.environ)
    wait_for_reason(sidecar, "ReadOnly")


def test_nothing_that_it_says_holds_the_password(serve: Serve, own_server: PostgresServer) -> None:
    database = own_server.create_database()
    sidecar = serve("--migrate", "--seed", "--log-level", "debug", **database.environ)
    said = "".join(sidecar.get(path)[1] for path in PATHS)
    own_server.psql(own_server.superuser, sql=f"ALTER ROLE \"{database.user}\" PASSWORD 'another'")
    own_server.stop()
    own_server.start()
    wait_for_reason(sidecar, "AuthenticationFailed")
    said += "".join(sidecar.get(path)[1] for path in PATHS) + sidecar.log
    assert "AuthenticationFailed" in said
    assert database.password not in said


def test_every_line_of_its_log_is_a_json_object(serve: Serve, database: Database) -> None:
    sidecar = serve("--migrate", "--seed", **database.environ)
    assert sidecar.stop() == 0
    lines = [json.loads(line) for line in sidecar.log.splitlines()]
    assert all({"level", "time", "message"} <= set(line) for line in lines)
    messages = {line["message"] for line in lines}
    assert {"listening", "action done", "Connected; schema and templates are as wanted.", "stopping"} <= messages
    assert {"SchemaMigrated", "TemplatesWritten", "Ready"} <= {line.get("reason") for line in lines}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_rolls_a_migration_back_and_ends_it_in_good_order(
    serve: Serve, postgres: PostgresServer, database: Database, tmp_path: Path, number: signal.Signals
) -> None:
    folder = write_migrations(tmp_path, {"V001_a.up.sql": "CREATE TABLE a (); SELECT pg_sleep(600);"})
    sidecar = serve("--migrate", "--path", str(folder), wait=False, **database.environ)
    wait_until(lambda: sleepers(postgres, database.name) == 1, what="the migration sleeps", seconds=20)
    sidecar.signal(number)
    assert sidecar.ended() == 0
    assert tables(postgres, database) == []
    assert sleepers(postgres, database.name) == 0


def test_it_ends_in_good_order_although_the_server_hangs(serve: Serve, own_server: PostgresServer) -> None:
    sidecar = serve("--migrate", **own_server.create_database().environ)
    own_server.freeze()
    wait_for_reason(sidecar, "Timeout")
    assert sidecar.stop() == 0


def test_a_second_signal_ends_it_at_once(serve: Serve, own_server: PostgresServer, tmp_path: Path) -> None:
    database = own_server.create_database()
    folder = write_migrations(tmp_path, {"V001_a.up.sql": "SELECT pg_sleep(600);"})
    sidecar = serve("--migrate", "--path", str(folder), wait=False, **database.environ)
    wait_until(lambda: sleepers(own_server, database.name) == 1, what="the migration sleeps", seconds=20)
    own_server.freeze()  # rolling back now takes until its deadline
    sidecar.signal(signal.SIGTERM)
    wait_until(lambda: '"stopping"' in sidecar.log, what="it has begun to stop", seconds=10)
    sidecar.signal(signal.SIGTERM)
    assert sidecar.ended() == 128 + signal.SIGTERM


def test_killed_in_the_middle_it_goes_on_after_a_restart(
    serve: Serve, postgres: PostgresServer, database: Database, tmp_path: Path
) -> None:
    shutil.copytree(packaged_folder(), tmp_path, dirs_exist_ok=True)
    folder = write_migrations(tmp_path, {"V002_b.up.sql": "CREATE TABLE b (); SELECT pg_sleep(600);"})
    sidecar = serve("--migrate", "--seed", "--path", str(folder), wait=False, **database.environ)
    wait_until(lambda: sleepers(postgres, database.name) == 1, what="the migration sleeps", seconds=20)
    sidecar.kill()
    (folder / "V002_b.up.sql").write_text("CREATE TABLE b ();")
    sidecar.start()
    assert applied(postgres, database) == ["1", "2"]
    assert templates(postgres, database) == 4


def test_a_certificate_that_cannot_be_used_is_said_at_once(serve: Serve, database: Database, tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    url = database.dsn.replace("sslmode=disable", f"sslmode=verify-ca&sslrootcert={authority}")
    sidecar = serve(wait=False, DATABASE_URL=url)
    assert sidecar.ended() == 2
    assert json.loads(sidecar.log.splitlines()[-1])["error"] == "CACertificateInvalid"
