"""`dashdb migrate` against a real database: what it does, what it prints where, and its exit codes."""

import json
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from controller.cli import root
from controller.migrate.files import lint as linter
from tests.database.programs import write_migrations
from tests.support.database import Database
from tests.support.postgres import PostgresServer

THREE = {f"V{n}_t{n}.up.sql": f"CREATE TABLE t{n} ()" for n in (1, 2, 3)}
THREE |= {f"V{n}_t{n}.down.sql": f"DROP TABLE t{n}" for n in (1, 2, 3)}


class Commands:
    """Runs `dashdb migrate`, in this process, on one database and one folder."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder

    def __call__(self, *arguments: str, **environ: str | None) -> Result:
        return CliRunner().invoke(
            root, ["migrate", *arguments, "--path", str(self.folder)], env={"DATABASE_URL": None, **environ}
        )

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)


@pytest.fixture
def migrate(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    for name, value in database.environ.items():
        monkeypatch.setenv(name, value)
    return Commands(database, write_migrations(tmp_path, THREE))


def tables(server: PostgresServer, database: Database) -> list[str]:
    listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    return server.psql(database, sql=listed, args=("-At",)).split()


def test_up_applies_all_and_a_second_one_has_nothing_to_do(migrate: Commands) -> None:
    first, second = migrate("up"), migrate("up")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout.startswith("The schema is at version 3; 3 files in ")
    assert [line.rpartition(" (")[0] for line in first.stderr.splitlines()] == [
        f"applied V{n}_t{n}.up.sql" for n in (1, 2, 3)
    ]
    assert (second.stdout, second.stderr) == ("Nothing to do; the schema is at version 3.\n", "")


def test_up_and_down_by_number(migrate: Commands) -> None:
    assert migrate("version").stdout == "none\n"
    assert migrate("up", "1").stdout.startswith("The schema is at version 1; 1 file in")
    assert migrate("up", "99").exit_code == 0
    assert migrate("version").stdout == "3\n"
    assert migrate("down", "2", "--yes").stdout.startswith("The schema is at version 1; 2 files in")
    assert migrate("down", "99", "--yes").exit_code == 0
    assert migrate("version").stdout == "none\n"
    assert migrate("down", "--all", "--yes").stdout == "Nothing to do; the schema is at version 0.\n"


def test_the_machine_reads_one_object_on_stdout_and_nothing_else_is_said(migrate: Commands) -> None:
    assert migrate.json("version") == {"version": None, "dirty": False}
    up = migrate("up", "2", "--json")
    assert up.stderr == ""
    done = json.loads(up.stdout)
    assert (done["from"], done["to"]) == (0, 2)
    assert [(s["version"], s["file"], s["direction"]) for s in done["steps"]] == [
        (1, "V1_t1.up.sql", "up"),
        (2, "V2_t2.up.sql", "up"),
    ]
    status = migrate.json("status")
    assert status["current"] == 2
    assert [(m["version"], m["state"]) for m in status["migrations"]] == [
        (1, "applied"),
        (2, "applied"),
        (3, "pending"),
    ]
    assert migrate.json("down", "1", "--yes")["to"] == 1


def test_status_shows_each_version_on_one_line_even_in_a_pipe(migrate: Commands) -> None:
    migrate("up")
    migrate("down", "1", "--yes")
    long_name = "V4_" + "a_very_long_description_" * 4 + "[red]x[/].up.sql"
    write_migrations(migrate.folder, {long_name.replace("/", ""): "SELECT 1"})
    shown = migrate("status")
    assert shown.exit_code == 0
    states = [line.split() for line in shown.stdout.splitlines()[1:]]
    assert [line[0] for line in states] == ["1", "2", "3", "4"]
    assert "[red]x[]" in shown.stdout
    assert [word for line in states for word in ("applied", "reverted", "pending") if word in line] == [
        "applied", "applied", "reverted", "pending",
    ]  # fmt: skip
    assert migrate.database.user in shown.stdout


def test_status_can_tell_by_its_exit_code_that_something_is_pending(migrate: Commands) -> None:
    assert migrate("status").exit_code == 0
    assert migrate("status", "--exit-code").exit_code == 8
    migrate("up")
    assert migrate("status", "--exit-code").exit_code == 0


@pytest.mark.parametrize("arguments", [("down", "1"), ("down", "--all")])
def test_reverting_without_a_terminal_needs_yes(
    migrate: Commands, postgres: PostgresServer, database: Database, arguments: tuple[str, ...]
) -> None:
    migrate("up")
    before = tables(postgres, database)
    refused = migrate(*arguments)
    assert refused.exit_code == 2
    assert "Add --yes" in refused.stderr
    assert tables(postgres, database) == before


@pytest.mark.parametrize("arguments", [("down",), ("down", "1", "--all"), ("up", "0"), ("up", "-1"), ("up", "x")])
def test_what_makes_no_sense_is_a_usage_error(migrate: Commands, arguments: tuple[str, ...]) -> None:
    assert migrate(*arguments).exit_code == 2


def test_a_refused_statement_is_exit_1_with_its_file_and_line(migrate: Commands) -> None:
    (migrate.folder / "V2_t2.up.sql").write_text("SELECT 1;\nSELECT nothing;\n")
    failed = migrate("up")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "MigrationFailed: V2_t2.up.sql:2:8: " in failed.stderr
    assert migrate("version").stdout == "1\n"


def test_an_error_for_the_machine_is_an_object_on_stdout(migrate: Commands) -> None:
    (migrate.folder / "V2_t2.up.sql").write_text("SELECT nothing;")
    failed = migrate("up", "--json")
    told = json.loads(failed.stdout)
    assert (failed.exit_code, told["exit_code"], told["error"]) == (1, 1, "MigrationFailed")
    assert failed.stderr == ""


def test_a_dirty_version_is_exit_3_and_shown_until_its_cause_is_mended(migrate: Commands) -> None:
    (migrate.folder / "V2_t2.up.sql").write_text("-- dashdb:no-transaction\nCREATE TABLE t2 ();\nSELECT nothing;")
    refused = migrate("up")
    assert refused.exit_code == 3
    assert "Version 2 stopped half-way while going up, at statement 2 of 2: V2_t2.up.sql:3:" in refused.stderr
    assert "continue with dashdb migrate up" in refused.stderr
    assert migrate("version").stdout == "2 (dirty)\n"
    assert [m["state"] for m in migrate.json("status")["migrations"]] == ["applied", "dirty", "pending"]
    assert "Version 2 is half done: statement 2 of 2: V2_t2.up.sql:3:" in migrate("status").stdout
    assert migrate("down", "1", "--yes").exit_code == 3
    (migrate.folder / "V2_t2.up.sql").write_text("-- dashdb:no-transaction\nCREATE TABLE t2 ();\nSELECT 1;")
    assert migrate("up").exit_code == 0
    assert migrate("version").stdout == "3\n"


def test_an_edited_file_is_exit_5(migrate: Commands) -> None:
    migrate("up", "2")
    (migrate.folder / "V2_t2.up.sql").write_text("SELECT 'edited'")
    refused = migrate("up")
    assert (refused.exit_code, "V2_t2.up.sql was edited" in refused.stderr) == (5, True)
    status = migrate("status", "--exit-code")
    assert status.exit_code == 5
    assert [line.split()[2] for line in status.stdout.splitlines()[1:4]] == ["applied", "edited", "pending"]
    assert "up would refuse: V2_t2.up.sql was edited after it had been applied" in status.stdout
    found = migrate.json("status")
    assert (found["migrations"][1]["state"], found["problem"]["error"]) == ("edited", "ChecksumMismatch")
    assert datetime.fromisoformat(found["migrations"][1]["applied_at"]).utcoffset() == timedelta(0)


def test_a_database_ahead_of_the_files_is_exit_6_only_where_the_files_are_needed(migrate: Commands) -> None:
    migrate("up")
    for path in migrate.folder.glob("V3_*"):
        path.unlink()
    assert migrate("up").stdout == "Nothing to do; the schema is at version 3.\n"
    assert migrate("down", "1", "--yes").exit_code == 6
    assert migrate("status", "--exit-code").exit_code == 0
    last = migrate.json("status")["migrations"][2]
    assert (last["state"], last["file"]) == ("applied", None)
    assert "applied, file unknown" in migrate("status").stdout


def test_plan_shows_a_files_own_begin_and_commit_as_little_as_they_are_run(migrate: Commands) -> None:
    (migrate.folder / "V1_t1.up.sql").write_text("BEGIN;\nCREATE TABLE a ();\nCOMMIT;\n")
    shown = migrate("plan", "--sql").stdout
    assert "CREATE TABLE a ();" in shown
    assert "BEGIN" not in shown
    assert "COMMIT" not in shown
    assert "BEGIN" not in migrate.json("plan", "--sql")["steps"][0]["sql"]


def test_the_sql_of_a_plan_is_what_runs(migrate: Commands, postgres: PostgresServer, database: Database) -> None:
    migrate("up", "1")
    (migrate.folder / "V3_t3.up.sql").write_text(
        "-- dashdb:no-transaction\nCREATE TABLE t3 (); -- why;\nVACUUM t3 -- x;"
    )
    shown = migrate("plan", "--sql").stdout
    assert "\n-- V2_t2.up.sql (up), in one transaction with its row in schema_version\nCREATE TABLE t2 ()\n;\n" in shown
    assert "\n-- V3_t3.up.sql (up), without a transaction\n-- dashdb:no-transaction\n" in shown
    assert tables(postgres, database) == ["schema_version", "schema_version_detail", "t1"]
    steps = migrate.json("plan", "--sql")["steps"]
    assert [step["sql"] for step in steps][:1] == ["CREATE TABLE t2 ()\n;"]
    assert "sql" not in migrate.json("plan")["steps"][0]
    postgres.psql(database, sql=shown)
    assert tables(postgres, database) == ["schema_version", "schema_version_detail", "t1", "t2", "t3"]


def test_the_sql_of_a_plan_begins_where_a_file_stopped(migrate: Commands) -> None:
    (migrate.folder / "V1_t1.up.sql").write_text("-- dashdb:no-transaction\nCREATE TABLE t1 ();\nSELECT missing;")
    assert migrate("up").exit_code == 3
    first = migrate.json("plan", "--sql")["steps"][0]
    assert (first["resume_at"], first["sql"]) == (1, "SELECT missing;")


def test_a_plan_needs_no_squawk_and_says_what_was_not_checked(
    migrate: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(linter, "distribution", missing)
    planned = migrate("plan")
    assert (planned.exit_code, planned.stdout.count("apply ")) == (0, 3)
    assert planned.stderr.startswith("Not all rules were checked. The linter squawk is not installed;")
    assert migrate("lint").exit_code == 2
