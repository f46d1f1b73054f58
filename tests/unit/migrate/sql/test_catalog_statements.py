"""Statements that only write the catalog, and statements that may take long."""

import pytest

from controller.migrate.sql.catalog_statements import CatalogStatements
from controller.migrate.sql.lexer import split


def quick(sql: str) -> list[bool]:
    catalog = CatalogStatements()
    return [catalog.only_writes_catalog(each) for each in split(sql, file="f.sql")]


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE a (n int)",
        "CREATE TABLE IF NOT EXISTS a (n int)",
        "CREATE UNLOGGED TABLE a (n int)",
        "CREATE TABLE a (n int) PARTITION BY RANGE (n)",
        "CREATE TABLE a (LIKE b INCLUDING ALL) WITH (fillfactor = 70)",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "create /* a /* b */ */ view -- c\r v AS SELECT 1",
        "COMMENT ON TABLE a IS 'x'",
        "DROP TABLE a",
        "GRANT a TO b",
    ],
)
def test_definitions_are_quick(text: str) -> None:
    assert quick(text) == [True]


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE a AS SELECT 1",
        "CREATE TABLE a (n) AS SELECT 1",
        "CREATE TABLE a (n) /* x */ WITH (fillfactor = 70) AS -- y\r EXECUTE p",
        "CREATE UNLOGGED TABLE a (n) AS TABLE b",
        "CREATE TEMP TABLE a (n int)",
        "CREATE TABLE pg_temp.a (n int)",
        "CREATE SEQUENCE pg_temp.a",
        "CREATE SEQUENCE IF NOT EXISTS pg_temp /* x */ . a",
        'CREATE VIEW "pg_temp".a AS SELECT 1',
        'CREATE FUNCTION U&"pg\\005ftemp".f() RETURNS int LANGUAGE sql RETURN 1',
        "CREATE OR REPLACE FUNCTION pg_temp_3.f() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE TABLE a PARTITION OF b FOR VALUES IN (1)",
        "CREATE TABLE a PARTITION OF b (n NOT NULL) DEFAULT",
        "CREATE MATERIALIZED VIEW v AS SELECT 1",
        "SELECT 1 INTO a",
        "ALTER TABLE a ATTACH PARTITION b DEFAULT",
        "CREATE INDEX i ON a (n)",
        "CREATE INDEX CONCURRENTLY i ON a (n)",
        "DROP INDEX CONCURRENTLY i",
        "DROP OWNED BY a",
        "DROP DATABASE d",
        "CREATE OR REPLACE",
        '"COMMENT" ON',
    ],
)
def test_what_may_take_long_is_not(text: str) -> None:
    assert quick(text) == [False]


@pytest.mark.parametrize(
    ("table", "index"),
    [
        ("CREATE TABLE a (n int)", "CREATE INDEX i ON a (n)"),
        ("CREATE TABLE a (n int)", 'CREATE UNIQUE INDEX IF NOT EXISTS "I" ON ONLY "a" USING btree (n)'),
        ("CREATE TABLE a (n int)", "CREATE INDEX ON a (n)"),
        ("CREATE TABLE A (n int)", 'CREATE INDEX i ON U&"\\0061" (n)'),
        ("CREATE TABLE app . a (n int)", "CREATE INDEX i /* x /* y */ */ ON -- z\r APP.a (n)"),
        ("CREATE UNLOGGED TABLE a (n int)", "CREATE INDEX i ON a (n)"),
        ("CREATE TABLE a (n int); COMMENT ON TABLE a IS 'x'; CREATE TABLE b (n int)", "CREATE INDEX i ON a (n)"),
        ("CREATE TABLE b (n int) PARTITION BY LIST (n); CREATE TABLE a PARTITION OF b DEFAULT", "CREATE INDEX ON a(n)"),
        ("CREATE TABLE a (n int) PARTITION BY LIST (n); CREATE TABLE b PARTITION OF a DEFAULT", "CREATE INDEX ON a(n)"),
    ],
)  # fmt: skip
def test_an_index_of_a_table_that_was_just_made_is_quick(table: str, index: str) -> None:
    assert quick(f"{table}; {index}")[-1]


@pytest.mark.parametrize(
    "between",
    [
        "INSERT INTO a SELECT * FROM b",
        "COPY a FROM '/data'",
        "WITH x AS (INSERT INTO a VALUES (1) RETURNING n) SELECT * FROM x",
        "MERGE INTO a USING b ON true WHEN NOT MATCHED THEN INSERT VALUES (1)",
        "DO $$ BEGIN INSERT INTO a SELECT * FROM b; END $$",
        "SELECT fill()",
        "CALL fill()",
        "INSERT INTO other VALUES (1)",
        "ALTER TABLE a ATTACH PARTITION b DEFAULT",
        "ALTER TABLE b RENAME TO a",
        "SET search_path = other",
        "DROP TABLE a",
        "DROP SCHEMA app CASCADE",
    ],
)
def test_an_index_is_long_once_the_table_may_have_rows_or_be_another(between: str) -> None:
    assert not quick(f"CREATE TABLE a (n int); {between}; CREATE INDEX i ON a (n)")[-1]


@pytest.mark.parametrize(
    ("table", "index"),
    [
        ("CREATE TABLE IF NOT EXISTS a (n int)", "CREATE INDEX i ON a (n)"),
        ("CREATE TABLE a (n int)", "CREATE INDEX i ON app.a (n)"),
        ("CREATE TABLE app.a (n int)", "CREATE INDEX i ON a (n)"),
        ("CREATE TABLE app.a (n int)", "CREATE INDEX i ON other.a (n)"),
        ("CREATE TABLE a (n int)", 'CREATE INDEX i ON "A" (n)'),
        ("CREATE TABLE a (n) AS SELECT 1", "CREATE INDEX i ON a (n)"),
        ("CREATE TABLE a PARTITION OF b DEFAULT", "CREATE INDEX i ON a (n)"),
        ("CREATE TABLE IF NOT EXISTS b (n int); CREATE TABLE a PARTITION OF b DEFAULT", "CREATE INDEX i ON a (n)"),
        ("CREATE TABLE b (n int); SELECT f(); CREATE TABLE a PARTITION OF b DEFAULT", "CREATE INDEX i ON a (n)"),
        ("CREATE TEMP TABLE a AS SELECT 1; CREATE TABLE a (n int)", "CREATE INDEX i ON a (n)"),
        ("SELECT 1 INTO TEMP a; CREATE TABLE a (n int)", "CREATE INDEX i ON a (n)"),
        ("CREATE TABLE pg_temp.a (n int); CREATE TABLE a (n int)", "CREATE INDEX i ON a (n)"),
        ("CREATE TABLE a (n int)", "CREATE INDEX i ON"),
    ],
)
def test_an_index_of_any_other_table_is_long(table: str, index: str) -> None:
    assert not quick(f"{table}; {index}")[-1]


def test_a_table_that_is_made_after_rows_were_written_elsewhere_is_empty_all_the_same() -> None:
    rows = "INSERT INTO b VALUES (1); CREATE SCHEMA app; CREATE TABLE a (n int); CREATE INDEX i ON a (n)"
    assert quick(rows) == [False, False, True, True]
    assert quick("SELECT f(); CREATE TABLE app.a (n int); CREATE INDEX i ON app.a (n)") == [False, True, True]
