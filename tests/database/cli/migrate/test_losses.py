"""Warnings of `plan` and `down` about the data that down migrations would delete."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.database.cli.migrate.test_exit_codes import OnTerminal
from tests.database.programs import dashdb_here, write_migrations
from tests.support.database import Database

UP = "CREATE TABLE a (n int); CREATE TABLE b (n int); INSERT INTO a VALUES (1), (2)"
DOWN = """TRUNCATE ONLY a, ONLY b;
UPDATE a SET n = 123456;
DO $$ BEGIN DROP TABLE a, b; END $$;
"""


@pytest.fixture
def folder(database: Database, tmp_path: Path) -> str:
    folder = str(write_migrations(tmp_path, {"V1_a.up.sql": UP, "V1_a.down.sql": DOWN}))
    assert dashdb_here(database.environ, "migrate", "up", "--path", folder).exit_code == 0
    return folder


def plan(database: Database, folder: str, *options: str) -> Any:
    return dashdb_here(database.environ, "migrate", "plan", "0", "--path", folder, *options)


def test_a_plan_lists_tables_with_their_rows_and_what_is_not_understood(database: Database, folder: str) -> None:
    shown = plan(database, folder)
    assert shown.exit_code == 0
    assert [line for line in shown.stdout.splitlines() if "lose" in line] == [
        "loses  a (2 rows)",
        "loses  b (0 rows)",
        "may lose data: UPDATE a SET n = ..., line 2 of V1_a.down.sql",
        "may lose data: DO ..., line 3 of V1_a.down.sql",
    ]


def test_a_machine_reads_both_kinds(database: Database, folder: str) -> None:
    losses = json.loads(plan(database, folder, "--json").stdout)["losses"]
    assert {tuple(loss) for loss in losses} == {("table", "column", "rows", "statement", "line", "file")}
    assert [{name: value for name, value in loss.items() if value is not None} for loss in losses] == [
        {"table": "a", "rows": 2},
        {"table": "b", "rows": 0},
        {"statement": "UPDATE a SET n = ...", "line": 2, "file": "V1_a.down.sql"},
        {"statement": "DO ...", "line": 3, "file": "V1_a.down.sql"},
    ]


def test_whoever_is_asked_on_a_terminal_sees_them_and_can_go_on(database: Database, folder: str) -> None:
    terminal = OnTerminal(database, Path(folder))
    assert [line.strip() for line in terminal.question.splitlines()][:4] == [
        "would be lost: a (2 rows)",
        "would be lost: b (0 rows)",
        "may lose data: UPDATE a SET n = ..., line 2 of V1_a.down.sql",
        "may lose data: DO ..., line 3 of V1_a.down.sql",
    ]
    terminal.type("y\n")
    code, _ = terminal.end()
    assert code == 0


def test_what_cannot_be_counted_is_shown_and_blocks_nothing(database: Database, tmp_path: Path) -> None:
    down = "TRUNCATE v; DROP TABLE IF EXISTS gone"
    up = "CREATE VIEW v AS SELECT 1 AS n"
    folder = str(write_migrations(tmp_path, {"V1_a.up.sql": up, "V1_a.down.sql": down}))
    assert dashdb_here(database.environ, "migrate", "up", "--path", folder).exit_code == 0
    shown = plan(database, folder)
    assert shown.exit_code == 0
    assert "loses  v (rows not counted)\nloses  gone (rows not counted)\n" in shown.stdout
