"""Which statements cannot run inside a transaction, as PostgreSQL's pages of its commands say."""

import pytest

from controller.errors import MigrationFileError
from controller.migrate.sql.lexer import Statement, split
from controller.migrate.sql.statements import (
    concurrent_index,
    may_commit,
    runs_alone,
    waits_for_others,
)


def statement(text: str) -> Statement:
    (one,) = split(text, file="V1_a.up.sql")
    return one


@pytest.mark.parametrize(
    "text",
    [
        "CREATE INDEX CONCURRENTLY i ON t (n)",
        "create unique /* why */ index concurrently if not exists i on t (n)",
        "DROP INDEX CONCURRENTLY IF EXISTS i",
        "REINDEX (VERBOSE) TABLE CONCURRENTLY t",
        "REINDEX INDEX CONCURRENTLY i",
        "REINDEX DATABASE",
        "VACUUM",
        "VACUUM (ANALYZE) t",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "CREATE DATABASE d",
        "DROP TABLESPACE s",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
        "CLUSTER",
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
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
        "ALTER TABLE t DETACH PARTITION p",
        "ALTER TABLE t ALTER n SET DEFAULT 'DETACH PARTITION p CONCURRENTLY'",
        "CLUSTER t USING i",
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
    assert not waits_for_others(statement("VACUUM t"))


@pytest.mark.parametrize(("text", "expected"), [("CALL p()", True), ("DO $$ BEGIN END $$", True), ("SELECT 1", False)])
def test_what_may_hold_a_commit_is_known(text: str, *, expected: bool) -> None:
    assert may_commit(statement(text)) is expected


@pytest.mark.parametrize(
    ("text", "name", "table"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (n)", "i", "t"),
        ('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I i" ON ONLY app."T" USING btree (n)', '"I i"', 'app."T"'),
        ("CREATE INDEX CONCURRENTLY /* a\nb */ i -- why\n ON app . t(n)", "i", "app.t"),
    ],
)
def test_a_concurrent_index_is_known_by_name_and_table(text: str, name: str, table: str) -> None:
    index = concurrent_index(statement(text), file="f")
    assert index is not None
    assert (index.name.sql, index.table.sql) == (name, table)


def test_other_statements_make_no_concurrent_index() -> None:
    assert concurrent_index(statement("CREATE INDEX i ON t (n)"), file="f") is None


def test_a_concurrent_index_without_a_name_is_refused() -> None:
    with pytest.raises(MigrationFileError, match=r"^f:1:1: an index that is made CONCURRENTLY needs a name"):
        concurrent_index(statement("CREATE INDEX CONCURRENTLY ON t (n)"), file="f")
