"""The first part of the tour: the engine, the templates and the sidecar. It needs PostgreSQL and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

from tests.demo.stage import NotAsPromised, Stage
from tests.support.database import Database
from tests.support.postgres import PostgresServer, clean_environ
from tests.support.serving import ServingProcess

TABLES = ["audit_log", "dashboard", "dashboard_template", "schema_version", "share_token", "user_preferences"]


def curl(stage: Stage, process: ServingProcess, path: str) -> int:
    """Ask an endpoint, show the JSON that it answers, and return the HTTP status."""
    status, body = process.get(path)
    stage.command(f"curl -i localhost:{process.port}{path}")
    stage.answer(f"HTTP {status}\n{json.dumps(json.loads(body), indent=1)}")
    return status


def dashdb(stage: Stage, database: Database, *words: str) -> str:
    """Run and show a `dashdb` command on DATABASE, which has to succeed; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "controller", *words],
        env={**clean_environ(), **database.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    stage.command(f"dashdb {' '.join(words)}", done.stdout)
    if done.returncode != 0:
        raise NotAsPromised(f"dashdb {' '.join(words)} ended with exit code {done.returncode}")
    return done.stdout


def migrate(stage: Stage, postgres: PostgresServer, database: Database) -> None:
    """Plan, apply and look at the migrations."""
    stage.heading("The engine: what is to be done, do it, what was done")
    stage.say("DB_HOST, DB_NAME, DB_USER and DB_PASSWORD name an empty database.")
    planned = dashdb(stage, database, "migrate", "plan")
    stage.check("the plan names the first migration and changes nothing", "From version 0 to 1" in planned)
    dashdb(stage, database, "migrate", "up")
    listed = postgres.psql(database, sql="\\dt")
    stage.command(f"psql {database.name} -c '\\dt'", listed)
    stage.check("six tables", all(f" {table} " in listed for table in TABLES))
    again = dashdb(stage, database, "migrate", "up")
    stage.check("a second run finds nothing to do", "Nothing to do" in again)
    status = dashdb(stage, database, "migrate", "status")
    stage.check("the history says when, by whom and how long", "initial schema  applied" in status)


def seed_templates(stage: Stage, database: Database) -> None:
    """Seed the system templates twice."""
    stage.heading("The templates: dashboards for Perses, seeded and kept up to date")
    dashdb(stage, database, "templates", "seed")
    listed = dashdb(stage, database, "templates", "list")
    stage.check("four templates are current", listed.count("Current") == 4)
    again = dashdb(stage, database, "templates", "seed")
    stage.check("seeding again inserts nothing", "inserted" not in again)


def beside_a_backend(stage: Stage, postgres: PostgresServer, folder: Path) -> None:
    """Run the sidecar, with its log in FOLDER."""
    stage.heading("The sidecar: one database, migrated, seeded and watched, without a cluster")
    database = postgres.create_database("beside")
    options = ("serve", "--migrate", "--seed")
    sidecar = ServingProcess(options, folder / "sidecar.log", {**clean_environ(), **database.environ})
    stage.command(f"DB_HOST=... DB_NAME=beside dashdb {' '.join(options)} --listen 127.0.0.1:{sidecar.port}")
    with sidecar:
        stage.check("/ready answers 200", curl(stage, sidecar, "/ready") == 200)
        stage.check("/api/v1/health answers 200", curl(stage, sidecar, "/api/v1/health") == 200)
        listed = postgres.psql(database, sql="\\dt")
        stage.check("six tables there too", all(f" {table} " in listed for table in TABLES))
        stage.check("SIGTERM ends it with exit code 0", sidecar.stop() == 0)
