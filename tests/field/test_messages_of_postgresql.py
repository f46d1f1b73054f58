"""PostgreSQL's own words reach whoever runs a migration, and nobody else gets row data from them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from controller.database.connection import Connection
from controller.errors import MigrationFailed
from tests.database.engine import run
from tests.database.programs import dashdb_here, write_migrations
from tests.support.database import Database

SETTLE = """
CREATE FUNCTION settle(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'settling %', n;
    RAISE WARNING E'two\\nlines \\x1b[2J';
    RAISE EXCEPTION 'orders of % are not settled', n USING HINT = 'Run settle_all().', DETAIL = 'ann owes 7';
END $$;
SELECT settle(3);
"""
Up = Callable[..., Result]


@pytest.fixture
def up(database: Database, tmp_path: Path) -> Up:
    """Run `dashdb migrate up` with the texts of up files."""

    def run_up(*options: str, **texts: str) -> Result:
        write_migrations(tmp_path, {f"{name}.up.sql": text for name, text in texts.items()})
        return dashdb_here(database.environ, "migrate", "up", "--path", str(tmp_path), *options)

    return run_up


def reported(ended: Result) -> Any:
    return json.loads(ended.stdout)


def test_what_the_author_raises_is_read_by_whoever_runs_the_file(up: Up) -> None:
    """Reported as sourcegraph 45711: the hint said what to do, and was left out of the message."""
    ended = up(V1_settle=SETTLE)
    assert ended.exit_code == 1
    lines = ended.stderr.splitlines()
    assert "MigrationFailed: V1_settle.up.sql:8:1: orders of 3 are not settled (SQLSTATE P0001 raise)" in ended.stderr
    assert "  HINT:  Run settle_all()." in lines
    assert "  CONTEXT:  PL/pgSQL function settle(integer) line 5 at RAISE" in lines
    assert "ann owes 7" not in ended.output


def test_detail_with_its_rows_needs_the_debug_level(up: Up) -> None:
    assert "  DETAIL:  ann owes 7" in up("--log-level", "debug", V1_settle=SETTLE).stderr.splitlines()
    assert reported(up("--json", V1_settle=SETTLE))["postgresql"]["detail"] is None
    assert reported(up("--json", "--log-level", "debug", V1_settle=SETTLE))["postgresql"]["detail"] == "ann owes 7"


def test_the_machine_gets_place_code_message_hint_and_context(up: Up) -> None:
    error = reported(up("--json", V1_settle=SETTLE))
    assert {name: error[name] for name in ("error", "file", "line", "column", "sqlstate")} == {
        "error": "MigrationFailed", "file": "V1_settle.up.sql", "line": 8, "column": 1, "sqlstate": "P0001",
    }  # fmt: skip
    assert error["postgresql"] == {
        "message": "orders of 3 are not settled",
        "hint": "Run settle_all().",
        "context": ["PL/pgSQL function settle(integer) line 5 at RAISE"],
        "dependents": [],
        "detail": None,
    }
    assert [(each["severity"], each["file"]) for each in error["notices"]] == [
        ("NOTICE", "V1_settle.up.sql"),
        ("WARNING", "V1_settle.up.sql"),
    ]


def test_notices_come_once_and_cannot_steer_a_terminal(up: Up) -> None:
    """The file runs twice, first in one message, then statement by statement; what it raised is shown once."""
    said = up(V1_settle=SETTLE).stderr
    assert said.count("V1_settle.up.sql: NOTICE:  settling 3") == 1
    assert "V1_settle.up.sql: WARNING:  two\n    lines \N{REPLACEMENT CHARACTER}[2J\n" in said
    assert "\x1b[2J" not in said


def test_each_notice_of_several_files_in_one_message_has_its_file(up: Up) -> None:
    ended = up(
        "--json", V1_a="CREATE TABLE a ()", V2_b="CREATE TABLE IF NOT EXISTS a ()", V3_c="DROP TABLE IF EXISTS gone"
    )
    assert [(each["file"], each["message"]) for each in reported(ended)["notices"]] == [
        ("V2_b.up.sql", 'relation "a" already exists, skipping'),
        ("V3_c.up.sql", 'table "gone" does not exist, skipping'),
    ]


def test_more_notices_than_a_person_reads_are_counted(up: Up) -> None:
    raises = "DO $$ BEGIN FOR n IN 1..5000 LOOP RAISE NOTICE 'row %', n; END LOOP; END $$"
    ended = up("--json", V1_many=raises)
    done = reported(ended)
    assert (len(done["notices"]), done["notices_left_out"]) == (100, 4900)
    assert done["notices"][99]["message"] == "row 100"


def test_a_warning_is_shown_where_only_warnings_are_asked_for(up: Up) -> None:
    said = up("--log-level", "warning", V1_settle=SETTLE).stderr
    assert ("NOTICE" in said, "WARNING" in said) == (False, True)


def test_the_objects_that_stand_in_the_way_of_a_drop_are_named(up: Up) -> None:
    """Messages that say `other objects depend on it` leave open which they are."""
    made = "CREATE TABLE a (); CREATE VIEW v AS SELECT * FROM a; CREATE VIEW w AS SELECT * FROM v"
    ended = up("--json", V1_a=made, V2_b="DROP TABLE a")
    assert reported(ended)["postgresql"]["dependents"] == ["view v depends on table a", "view w depends on view v"]
    assert "  DEPENDS:  view w depends on view v\n" in up(V2_b="DROP TABLE a").stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SELECT missing", 'column "missing" does not exist'),
        ("DROP TABLE gone", 'table "gone" does not exist'),
        ("DO $$ BEGIN RAISE 'not yet'; END $$", "not yet"),
        ("SET statement_timeout = 10; SELECT pg_sleep(60)", "canceling statement due to statement timeout"),
        ("SELECT 'h0rse'::int", None),
        ("CREATE TABLE t (n text PRIMARY KEY); INSERT INTO t VALUES (repeat('h0rse', 2)), (repeat('h0rse', 2))", None),
        ("CREATE TABLE t (n int CHECK (n < 5)); INSERT INTO t VALUES (7)", None),
    ],
)
async def test_status_repeats_the_message_only_where_it_holds_no_row_data(
    connection: Connection, text: str, told: str | None
) -> None:
    with pytest.raises(MigrationFailed) as caught:
        await run(connection, {"V1_a.up.sql": text})
    message, report = caught.value.message, caught.value.report
    assert report is not None
    assert report.message
    if told is None:
        assert report.message not in message
        assert f"PostgreSQL refused this with SQLSTATE {report.sqlstate}" in message
    else:
        assert f"{told} (SQLSTATE {report.sqlstate}" in message
        assert report.message == told
