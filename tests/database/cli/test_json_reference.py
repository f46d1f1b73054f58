"""The reference of the JSON lists every field that the commands print, and the commands print every field in it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.cli.failures import error_object
from controller.errors import MigrationFileError
from tests.database.programs import dashdb_here, write_migrations
from tests.database.targets import role
from tests.support.database import Database
from tests.support.json_reference import compare
from tests.support.postgres import PostgresServer
from tests.support.postgres_parts import client

ONLY_ELSEWHERE = {
    "migrations[].error": "dirty versions",
    "checks.database.error": "an unhealthy database",
    "checks.database.details.warning": "a degraded database",
    "checks.database.details.server_connections": "figures that a first check does not have",
    "checks.database.details.server_connection_limit": "figures that a first check does not have",
}
"""Fields that the databases of this module leave out, or leave empty."""


@pytest.fixture
def run(database: Database, tmp_path: Path) -> Callable[..., Any]:
    """Run a command with --json, and return the object that it prints."""
    write_migrations(tmp_path, {
        "V1_a.up.sql": "CREATE TABLE a (n int); INSERT INTO a VALUES (1)", "V1_a.down.sql": "DROP TABLE a",
        "V2_b.up.sql": "CREATE TABLE IF NOT EXISTS a (); ALTER TABLE a DROP COLUMN n",
        "V2_b.down.sql": "DO $$ BEGIN END $$; ALTER TABLE a ADD COLUMN n int",
    })  # fmt: skip

    def run_command(*arguments: str) -> Any:
        with_path = ("--path", str(tmp_path)) if arguments[0] == "migrate" else ()
        ended = dashdb_here(
            database.environ, *arguments, *with_path, *(() if arguments[0] == "health" else ("--json",))
        )
        assert ended.stdout, ended.stderr
        return json.loads(ended.stdout)

    return run_command


Run = Callable[..., Any]


def test_running_commands(run: Run) -> None:
    compare("dashdb migrate version", run("migrate", "version"))
    up = run("migrate", "up")
    compare("dashdb migrate up", up, run("migrate", "goto", "1", "--yes"))
    assert up["notices"]


def test_status(run: Run, tmp_path: Path) -> None:
    run("migrate", "up", "1")
    before = run("migrate", "status")
    (tmp_path / "V1_a.up.sql").write_text("SELECT 'edited'")
    compare("dashdb migrate status", before, run("migrate", "status"))


def test_plan_and_lint(run: Run) -> None:
    up = run("migrate", "plan", "--sql")
    run("migrate", "up", "1")
    compare("dashdb migrate plan", up, run("migrate", "plan", "0", "--sql"), run("migrate", "plan", "0"))
    compare("dashdb migrate lint", run("migrate", "lint"))
    compare("dashdb migrate show", run("migrate", "show", "1"))


def test_recorded_versions(run: Run) -> None:
    compare("dashdb migrate version", run("migrate", "baseline", "1"), run("migrate", "force", "2", "--yes"))


def test_drift(run: Run, postgres: PostgresServer, database: Database) -> None:
    run("migrate", "up")
    postgres.psql(database, sql="GRANT SELECT ON a TO PUBLIC")
    granted = run("migrate", "drift")
    postgres.psql(database, sql="CREATE TABLE by_hand (); DROP TABLE a")
    compare("dashdb migrate drift", granted, run("migrate", "drift"))


def test_verify(run: Run, postgres: PostgresServer, database: Database, tmp_path: Path) -> None:
    postgres.psql(postgres.superuser, sql=f'ALTER ROLE "{database.user}" CREATEDB')
    random = "DO $$ BEGIN EXECUTE format('CREATE TABLE %I ()', 'u' || (random() * 1e9)::int); END $$"
    undo = "DO $$ BEGIN EXECUTE (SELECT 'DROP TABLE ' || tablename FROM pg_tables WHERE tablename LIKE 'u%'); END $$"
    write_migrations(tmp_path, {"V1_a.up.sql": random, "V1_a.down.sql": undo, "V2_b.up.sql": "CREATE TABLE b ()"})
    (tmp_path / "V2_b.down.sql").write_text("SELECT 1")
    first = run("migrate", "verify")
    for path in tmp_path.iterdir():
        path.unlink()
    write_migrations(tmp_path, {"V1_a.up.sql": "CREATE TABLE a ()", "V2_b.up.sql": "CREATE TABLE b ()"})
    (tmp_path / "V3_ab.up.sql").write_text("-- dashdb:replaces 1-2\nCREATE TABLE a ()")
    compare("dashdb migrate verify", first, run("migrate", "verify"))


def test_squash(run: Run, postgres: PostgresServer, database: Database) -> None:
    postgres.psql(postgres.superuser, sql=f'ALTER ROLE "{database.user}" CREATEDB')
    compare("dashdb migrate squash", run("migrate", "squash", "2", "--pg-dump", str(client("pg_dump"))))


def test_create(run: Run) -> None:
    compare("dashdb migrate create", run("migrate", "create", "add_labels"))


def test_templates(database: Database) -> None:
    def run_packaged(*arguments: str) -> Any:
        return json.loads(dashdb_here(database.environ, *arguments, "--json").stdout)

    run_packaged("migrate", "up")
    compare("dashdb templates diff", run_packaged("templates", "diff"))
    compare("dashdb templates seed", run_packaged("templates", "seed", "--reset", "template-notebook"))
    compare("dashdb templates list", run_packaged("templates", "list"))


def test_roles(postgres: PostgresServer, database: Database) -> None:
    one, other = (role(postgres, database=database).user for _ in range(2))

    def run_packaged(*arguments: str) -> Any:
        return json.loads(dashdb_here(database.environ, *arguments, "--json").stdout)

    run_packaged("migrate", "up")
    printed = run_packaged("roles", "--application", one, "--read-only", other)
    compare("dashdb roles", printed, run_packaged("roles", "--application", one, "--apply"))


def test_health(run: Run) -> None:
    compare("dashdb health", run("health"), never=frozenset(ONLY_ELSEWHERE))


def test_errors(run: Run, tmp_path: Path) -> None:
    notice, refusal = "RAISE NOTICE 'so far' USING HINT = 'wait'", "RAISE 'no' USING DETAIL = 'x', HINT = 'y'"
    (tmp_path / "V2_b.up.sql").write_text(f"DO $$ BEGIN {notice}; {refusal}; END $$")
    refused = run("migrate", "up", "--log-level", "debug")
    compare("Errors", refused, run("migrate", "goto", "77"), error_object(MigrationFileError("V1.up.sql:2:3: no")))
    assert refused["postgresql"]["detail"] == "x"
