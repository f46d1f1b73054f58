"""Versions whose whole effect is in the catalog of their schema are told from those that may do more."""

import pytest

from controller.migrate.files.migration import Migration
from controller.migrate.verify.visible import catalog_shows_all, outlasts_the_database
from tests.unit.migrate.folders import pairs


def version(up: str, down: str = "DROP TABLE t") -> Migration:
    (migration,) = pairs({"V1_t.up.sql": up, "V1_t.down.sql": down})
    return migration


@pytest.mark.parametrize(
    "up",
    [
        "CREATE TABLE t (n integer DEFAULT 1.5, CHECK (n > 0)); CREATE UNIQUE INDEX i ON t (n)",
        "CREATE UNLOGGED TABLE t (n integer)",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT s.n FROM other.s'",
        "create view v as select 1; comment on view v is 'x.y'",
        "ALTER TABLE t ADD COLUMN n text DEFAULT 'a.b'",
        "CREATE TYPE kind AS ENUM ('a'); CREATE DOMAIN d AS text; CREATE SEQUENCE s",
        "-- INSERT INTO t\nDROP INDEX IF EXISTS i",
    ],
)
def test_the_catalog_shows_what_is_made_in_the_schema(up: str) -> None:
    assert catalog_shows_all(version(up))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET n = 2",
        "SELECT setval('s', 7)",
        "DO $$ BEGIN EXECUTE 'CREATE TABLE u ()'; END $$",
        "CREATE SCHEMA x",
        "CREATE TABLE x.t (n integer)",
        "DROP TABLE x . t",
        'ALTER TABLE "x"."t" ADD COLUMN n text',
        "CREATE TABLE t AS SELECT 1 AS n",
        "CREATE MATERIALIZED VIEW m AS SELECT 1 AS n",
        "CREATE TEMP TABLE t (n integer)",
        "CREATE ROLE somebody",
        "ALTER ROLE somebody SET search_path = x",
        "CREATE EXTENSION hstore",
        "ALTER DATABASE d SET timezone = 'UTC'",
        "CREATE PUBLICATION p",
        "GRANT SELECT ON t TO PUBLIC",
        "SET search_path = x",
        "TRUNCATE t",
        "CALL f()",
    ],
)
def test_one_statement_that_may_do_more_is_enough_in_either_direction(statement: str) -> None:
    assert not catalog_shows_all(version(f"CREATE TABLE t (n integer); {statement}"))
    assert not catalog_shows_all(version("CREATE TABLE t (n integer)", f"{statement}; DROP TABLE t"))


def test_what_all_databases_of_a_server_share_outlasts_a_database() -> None:
    assert outlasts_the_database(version("DO $$ BEGIN CREATE ROLE a; END $$"))
    assert not outlasts_the_database(version("CREATE TABLE roles ()"))
