"""Statements that PostgreSQL refuses inside a transaction, in files that say nothing of it."""

import pytest

from tests.field.folder import Folder
from tests.support.database import quoted
from tests.support.pgbouncer import PgBouncer

FIRST = """
CREATE TABLE p (n int) PARTITION BY RANGE (n);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE INDEX p_n ON p (n);
CREATE TABLE t (n int PRIMARY KEY);
"""
HEAD = "-- dashdb:no-transaction\n"


@pytest.mark.parametrize(
    "text",
    [
        "REINDEX TABLE p",
        "REINDEX (VERBOSE) INDEX p_n",
        "CLUSTER p USING p_n",
        "CLUSTER VERBOSE t USING t_pkey",
        "REINDEX (VERBOSE) DATABASE {database}",
        "REINDEX (CONCURRENTLY OFF, VERBOSE) SCHEMA public",
        "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY",
        "ALTER TABLE p /* a */ DETACH -- b\n PARTITION p1 /* c */ CONCURRENTLY -- d\n;",
        'ALTER TABLE public.p DETACH PARTITION "p1" CONCURRENTLY /* behind */',
        "VACUUM t; REINDEX TABLE p; CREATE TABLE more ()",
    ],
)
def test_it_just_runs(folder: Folder, text: str) -> None:
    """Issue goose #292: without a mark in the file, none of these runs there."""
    folder.write({"1_a.up.sql": FIRST, "2_b.up.sql": text.replace("{database}", quoted(folder.database.name))})
    done = folder.dashdb("up")
    assert (done.exit_code, done.stderr.count("applied 2_b.up.sql")) == (0, 1)
    assert folder.dashdb("version").stdout == "2\n"


def test_another_database_is_moved(folder: Folder) -> None:
    other = folder.server.create_database(owner=folder.database.user)
    folder.ask(f"GRANT CREATE ON TABLESPACE pg_default TO {quoted(folder.database.user)}")
    text = f"ALTER /* a */ DATABASE {quoted(other.name)} SET TABLESPACE pg_default -- b"
    folder.write({"1_a.up.sql": text})
    done = folder.dashdb("up")
    folder.server.drop_database(other)
    assert done.exit_code == 0, done.stderr


def test_all_of_a_file_that_names_a_partitioned_table_runs_and_nothing_twice(folder: Folder) -> None:
    """Its text does not tell that it needs no transaction: it is begun in one, and again without."""
    folder.write(
        {"1_a.up.sql": FIRST, "2_b.up.sql": "INSERT INTO t VALUES (1); REINDEX TABLE p; INSERT INTO t VALUES (2);"}
    )
    assert folder.dashdb("up").exit_code == 0
    assert folder.ask("SELECT n FROM t ORDER BY 1") == "1\n2"


def test_such_a_file_that_stops_half_way_goes_on_where_it_stopped(folder: Folder) -> None:
    text = "INSERT INTO t VALUES (1); REINDEX TABLE p; SELECT {};"
    folder.write({"1_a.up.sql": FIRST, "2_b.up.sql": text.format("nothing")})
    assert folder.dashdb("up").exit_code == 3
    folder.write({"2_b.up.sql": text.format("'something'")})
    assert folder.dashdb("up").exit_code == 0
    assert folder.ask("SELECT n FROM t") == "1"


def test_such_a_file_is_refused_behind_a_pooler(folder: Folder) -> None:
    folder.write({"1_a.up.sql": FIRST, "2_b.up.sql": "REINDEX TABLE p"})
    with PgBouncer(folder.server) as pooler:
        behind = Folder(folder.server, pooler.before(folder.database), folder.path)
        refused = behind.dashdb("up", "--pooler", "pgbouncer")
        assert (refused.exit_code, "2_b.up.sql runs without a transaction" in refused.stderr) == (2, True)
        assert behind.dashdb("version", "--pooler", "pgbouncer").stdout == "1\n"


@pytest.mark.parametrize(
    "text",
    [
        "ALTER SYSTEM SET work_mem = '5MB'",
        "CREATE DATABASE other",
        "VACUUM nothing",
        "ALTER TABLE p DETACH PARTITION nothing CONCURRENTLY",
        "CREATE INDEX CONCURRENTLY i ON t (nothing)",
        f"{HEAD}CALL nothing()",
        f"{HEAD}INSERT INTO t VALUES (NULL)",
        f"{HEAD}CREATE TABLE t ()",
        f"{HEAD}DO 'nothing'",
    ],
)
def test_a_first_statement_that_was_refused_before_it_began_is_not_dirty(folder: Folder, text: str) -> None:
    """Issue golang-migrate #282: dirty, though nothing of the file is in the database."""
    folder.write({"1_a.up.sql": FIRST, "2_b.up.sql": text if text.startswith(HEAD) else f"{text};\nVACUUM t"})
    failed = folder.dashdb("up")
    assert (failed.exit_code, "Nothing of this file was applied" in failed.stderr) == (1, True)
    assert folder.dashdb("version").stdout == "1\n"
    folder.write({"2_b.up.sql": "SELECT 1"})
    assert folder.dashdb("up").exit_code == 0


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO p VALUES (1), (1); CREATE UNIQUE INDEX CONCURRENTLY i ON p1 (n)",
        f"{HEAD}DO $$ BEGIN INSERT INTO p VALUES (1); COMMIT; PERFORM nothing; END $$",
    ],
)
def test_one_that_failed_in_its_middle_is_dirty(folder: Folder, text: str) -> None:
    folder.write({"1_a.up.sql": FIRST, "2_b.up.sql": text})
    assert folder.dashdb("up").exit_code == 3
    assert folder.dashdb("version").stdout == "2 (dirty)\n"


def test_each_statement_runs_without_begin_where_a_file_asks_for_it(folder: Folder) -> None:
    """Each statement is a transaction of its own then: a savepoint needs one that was begun."""
    folder.write({"1_a.up.sql": FIRST, "2_b.up.sql": f"{HEAD}INSERT INTO t VALUES (1);\nSAVEPOINT s;"})
    failed = folder.dashdb("up")
    assert (failed.exit_code, "2_b.up.sql:3:1: " in failed.stderr, "25P01" in failed.stderr) == (3, True, True)
    folder.write(
        {"2_b.up.sql": f"{HEAD}INSERT INTO t VALUES (1);\nDO $$ BEGIN INSERT INTO t VALUES (2); COMMIT; END $$"}
    )
    assert folder.dashdb("up").exit_code == 0
    assert folder.ask("SELECT n FROM t ORDER BY 1") == "1\n2"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "DO $$ BEGIN COMMIT; END $$",
            "(it commits, which it cannot inside a transaction: write -- dashdb:no-transaction into the first line)",
        ),
        (
            "ALTER TYPE e ADD VALUE 'b'; CREATE TABLE u (e e DEFAULT 'b')",
            "(a new value of an enum can be used once it is committed: add it in a file of its own before this one)",
        ),
    ],
)
def test_what_can_only_run_after_a_commit_is_told_how(folder: Folder, text: str, hint: str) -> None:
    folder.write({"1_a.up.sql": f"{FIRST}CREATE TYPE e AS ENUM ('a')", "2_b.up.sql": text})
    failed = folder.dashdb("up")
    assert (failed.exit_code, hint in failed.stderr) == (1, True), failed.stderr
