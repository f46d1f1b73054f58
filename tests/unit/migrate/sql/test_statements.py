"""Statements that cannot run inside a transaction, by PostgreSQL's pages of its commands."""

import pytest

from controller.errors import MigrationFileError
from controller.migrate.sql.statements import (
    concurrent_index,
    discards_all,
    may_be_of_partitions,
    may_commit,
    may_stay_in_part,
    runs_alone,
    waits_for_others,
)
from tests.unit.migrate.sql.one_statement import statement


@pytest.mark.parametrize(
    "text",
    [
        "CREATE INDEX CONCURRENTLY i ON t (n)",
        "create unique /* why */ index concurrently if not exists i on t (n)",
        "DROP INDEX CONCURRENTLY IF EXISTS i",
        "REINDEX (VERBOSE) TABLE CONCURRENTLY t",
        "REINDEX INDEX CONCURRENTLY i",
        "REINDEX DATABASE",
        "REINDEX (VERBOSE) DATABASE d",
        "REINDEX /* a /* b */ */ (VERBOSE, TABLESPACE x) -- c\r SCHEMA s",
        "REINDEX (VERBOSE, TABLESPACE x) TABLE CONCURRENTLY t",
        "REINDEX (CONCURRENTLY) TABLE t",
        "REINDEX (CONCURRENTLY on, VERBOSE off) TABLE t",
        "REINDEX SYSTEM",
        "REINDEX TABLE CONCURRENTLY t -- behind",
        "VACUUM",
        "VACUUM (ANALYZE) t",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY -- behind",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY /* behind /* it */ */",
        'alter table if exists only app."T" /* x */ detach -- y\r partition app . p /* z */ concurrently',
        "ALTER DATABASE d SET TABLESPACE s",
        "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
        "ALTER SUBSCRIPTION s ADD PUBLICATION a, b WITH (copy_data = off)",
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (n)",
        "DROP /* a /* b */ */ INDEX -- c\r CONCURRENTLY i",
        "CREATE DATABASE d",
        "DROP TABLESPACE s",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
        "CLUSTER",
        "CLUSTER VERBOSE",
        "CLUSTER (VERBOSE) -- all",
        "DISCARD ALL",
    ],
)
def test_these_run_alone(text: str) -> None:
    assert runs_alone(statement(text))


@pytest.mark.parametrize(
    "text",
    [
        "CREATE INDEX i ON t (n)",
        "CREATE TABLE concurrently (n int)",
        'CREATE INDEX "concurrently" ON t (n)',
        'REINDEX TABLE "concurrently"',
        "REINDEX (CONCURRENTLY off, VERBOSE) TABLE t",
        "REINDEX (VERBOSE, CONCURRENTLY 'false') TABLE t",
        "REINDEX (VERBOSE) TABLE t -- CONCURRENTLY",
        "ALTER TABLE t DETACH PARTITION p -- CONCURRENTLY",
        "ALTER TABLE t DETACH PARTITION p FINALIZE",
        'ALTER TABLE t DETACH PARTITION "concurrently"',
        "ALTER TABLE t ADD detach int, ADD concurrently int",
        "ALTER DATABASE d SET work_mem = '1MB'",
        "ALTER SUBSCRIPTION s DISABLE",
        "ALTER SUBSCRIPTION s SET PUBLICATION a WITH (refresh = false)",
        '"VACUUM"',
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
        "ALTER TABLE t DETACH PARTITION p",
        "ALTER TABLE t ALTER n SET DEFAULT 'DETACH PARTITION p CONCURRENTLY'",
        "CLUSTER t USING i",
        "CLUSTER (VERBOSE) t",
        "CLUSTER VERBOSE t",
        "REINDEX TABLE t",
        "SELECT 'VACUUM'",
        "ANALYZE t",
        "DISCARD TEMP",
    ],
)
def test_these_run_in_a_transaction(text: str) -> None:
    assert not runs_alone(statement(text))


def test_what_works_beside_everybody_may_wait_for_long() -> None:
    assert waits_for_others(statement("CREATE INDEX CONCURRENTLY i ON t (n)"))
    assert waits_for_others(statement("REINDEX (VERBOSE, TABLESPACE x) INDEX CONCURRENTLY i"))
    assert waits_for_others(statement("ALTER TABLE /* a */ ONLY (t) DETACH PARTITION app.p CONCURRENTLY -- b"))
    assert not waits_for_others(statement("ALTER TABLE t DETACH PARTITION p"))
    assert not waits_for_others(statement("VACUUM t"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("REINDEX TABLE t", True),
        ("CLUSTER t USING i", True),
        ("VACUUM t", False),
        ("ALTER TABLE t CLUSTER ON i", False),
    ],
)
def test_what_depends_on_partitions_is_known(text: str, *, expected: bool) -> None:
    assert may_be_of_partitions(statement(text)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("VACUUM t", True),
        ("REINDEX TABLE t", True),
        ("CALL p()", True),
        ("DROP INDEX CONCURRENTLY i", True),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", True),
        ("ALTER SYSTEM SET work_mem = '5MB'", False),
        ("CREATE DATABASE d", False),
        ("INSERT INTO t VALUES (1)", False),
    ],
)
def test_what_may_stay_in_part_is_known(text: str, *, expected: bool) -> None:
    assert may_stay_in_part(statement(text)) is expected


def test_discard_all_is_known_from_the_others() -> None:
    assert discards_all(statement("discard /* a */ ALL"))
    assert not discards_all(statement("DISCARD TEMP"))


@pytest.mark.parametrize(("text", "expected"), [("CALL p()", True), ("DO $$ BEGIN END $$", True), ("SELECT 1", False)])
def test_what_may_hold_a_commit_is_known(text: str, *, expected: bool) -> None:
    assert may_commit(statement(text)) is expected


@pytest.mark.parametrize(
    ("text", "name", "table"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (n)", "i", "t"),
        ('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I i" ON ONLY app."T" USING btree (n)', '"I i"', 'app."T"'),
        ("CREATE INDEX CONCURRENTLY /* a\nb */ i -- why\n ON app . t(n)", "i", "app.t"),
        ("CREATE INDEX CONCURRENTLY i -- why\rON t (n)", "i", "t"),
        ("CREATE INDEX CONCURRENTLY /* a /* b */ c */ i ON t (n)", "i", "t"),
        ('CREATE INDEX CONCURRENTLY U&"d\\0061t" ON t (n)', '"dat"', "t"),
        ('CREATE INDEX CONCURRENTLY u&"d!0061t" UESCAPE \'!\' ON U&"t\\0061" (n)', '"dat"', '"ta"'),
        ("CREATE INDEX CONCURRENTLY i ON db.app.t (n)", "i", "db.app.t"),
        ("CREATE INDEX CONCURRENTLY if ON t (n)", "if", "t"),
        (
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS concurrently_built ON app.order (n)",
            "concurrently_built",
            "app.order",
        ),
        ("CREATE INDEX CONCURRENTLY values ON t (n)", "values", "t"),
        ("CREATE INDEX CONCURRENTLY a$1 ON straße (n)", "a$1", "straße"),
        ('CREATE INDEX CONCURRENTLY "on" ON t (n)', '"on"', "t"),
    ],
)
def test_a_concurrent_index_is_known_by_name_and_table(text: str, name: str, table: str) -> None:
    index = concurrent_index(statement(text), file="f")
    assert index is not None
    assert (index.name.sql, index.table.sql) == (name, table)


def test_other_statements_make_no_concurrent_index() -> None:
    assert concurrent_index(statement("CREATE INDEX i ON t (n)"), file="f") is None


def test_a_concurrent_index_without_a_name_is_refused() -> None:
    for text in ("CREATE INDEX CONCURRENTLY ON t (n)", "CREATE INDEX CONCURRENTLY /* on */ ON ONLY t (n)"):
        with pytest.raises(MigrationFileError, match=r"^f:1:1: an index that is made CONCURRENTLY needs a name"):
            concurrent_index(statement(text), file="f")
