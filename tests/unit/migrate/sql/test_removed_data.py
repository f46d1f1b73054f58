"""Tables and columns that a statement removes, and statements that may remove more."""

import pytest

from controller.migrate.sql.query_effects import MOST_READ
from controller.migrate.sql.removed_data import Removal, removed_data
from tests.unit.migrate.sql.one_statement import statement


def named(removal: Removal) -> list[str]:
    return [
        ("ONLY " if each.only else "") + each.table.sql + (f".{each.column.sql}" if each.column else "")
        for each in removal.named
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TRUNCATE ONLY a, ONLY b", ["ONLY a", "ONLY b"]),
        ("TRUNCATE a *, b", ["a", "b"]),
        ("TRUNCATE TABLE ONLY (a), app.b* RESTART IDENTITY RESTRICT", ["ONLY a", "app.b"]),
        ("TRUNCATE a CONTINUE IDENTITY", ["a"]),
        ("DROP TABLE a, b CASCADE", ["a", "b"]),
        ('DROP TABLE IF EXISTS "x.y"."z;"', ['"x.y"."z;"']),
        ("DROP /* a /* b */ c */ TABLE -- d\r IF /* e */ EXISTS a /* , b */ , c -- , d", ["a", "c"]),
        ("DROP TABLE if, cascade CASCADE", ["if", "cascade"]),
        ('DROP TABLE U&"d\\0061t", U&"!0061" UESCAPE \'!\', db.app."T"', ['"dat"', '"a"', 'db.app."T"']),
        ("DELETE FROM ONLY a *", ["ONLY a"]),
        ("DELETE FROM a * AS x USING b WHERE x.n = b.n AND prune(x.n) RETURNING *", ["a"]),
        ("DELETE FROM ONLY (app.a)", ["ONLY app.a"]),
        ("ALTER TABLE IF EXISTS ONLY a * DROP n", ["ONLY a.n"]),
        ("ALTER TABLE t ADD b text DEFAULT ' DROP c '", []),
        ("ALTER TABLE t ADD b text DEFAULT $$, DROP c$$, DROP /* x, DROP d */ e", ["t.e"]),
        (
            "ALTER TABLE t DROP CONSTRAINT x, DROP COLUMN y, DROP IF EXISTS z CASCADE, ALTER c DROP DEFAULT, "
            "ALTER c DROP NOT NULL, ALTER COLUMN c DROP EXPRESSION IF EXISTS, ADD CHECK (a IN (1, 2)), "
            'ALTER c DROP IDENTITY, DROP "CONSTRAINT", DROP COLUMN IF EXISTS "a,b"',
            ["t.y", "t.z", 't."CONSTRAINT"', 't."a,b"'],
        ),
        (
            "ALTER TABLE t DROP if, DROP expression, ADD x int[] DEFAULT ARRAY[1, 2], DROP q",
            ["t.if", "t.expression", "t.q"],
        ),
        ("ALTER TABLE t ADD x numeric(10, 2), ADD CHECK (x > ((1, 2)).f), DROP y", ["t.y"]),
        ("ALTER TABLE t ALTER CONSTRAINT type DEFERRABLE, ALTER n SET STATISTICS 10", []),
        ("ALTER TABLE t DETACH PARTITION p", []),
        ("ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b", []),
        ("ALTER TABLE t RENAME drop TO n", []),
        ("EXPLAIN (COSTS off, ANALYZE) DELETE FROM ONLY a", ["ONLY a"]),
    ],
)
def test_tables_and_columns_are_named(text: str, expected: list[str]) -> None:
    removal = removed_data(statement(text))
    assert named(removal) == expected
    assert removal.understood


HARMLESS = [
    "DROP INDEX i",
    "DROP INDEX CONCURRENTLY IF EXISTS i CASCADE",
    "DROP FUNCTION f(int), g()",
    "DROP TRIGGER t ON a CASCADE",
    "DROP VIEW v",
    "DROP MATERIALIZED VIEW v",
    "DROP TYPE t",
    "DROP DOMAIN d RESTRICT",
    "DROP SCHEMA s",
    "DROP SEQUENCE s",
    "DROP POLICY p ON t",
    "DROP ROLE r",
    "DROP FOREIGN TABLE f",
    'DROP EXTENSION IF EXISTS pg_trgm, "uuid-ossp"',
    'DROP SCHEMA "cascade"',
    "COMMENT ON TABLE a IS 'DROP TABLE a'",
    "GRANT DELETE ON a TO b",
    "REVOKE UPDATE ON a FROM b",
    "SET search_path = x",
    "LOCK TABLE a",
    "ANALYZE a",
    "REFRESH MATERIALIZED VIEW v",
    "PREPARE p AS DELETE FROM a",
    "CREATE TABLE a (n int)",
    "CREATE TABLE a AS SELECT lower(n) FROM b",
    "CREATE INDEX i ON a (f(n))",
    "CREATE VIEW v AS SELECT f()",
    "CREATE MATERIALIZED VIEW v AS SELECT count(*) FROM a",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM a'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC DELETE FROM a; SELECT 1; END",
    "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a)",
    "CREATE TRIGGER t BEFORE DELETE ON a FOR EACH ROW EXECUTE FUNCTION f()",
    "ALTER TYPE t ADD VALUE 'x'",
    "ALTER TYPE t ADD ATTRIBUTE drop int",
    "ALTER SEQUENCE s RESTART",
    "ALTER VIEW v RENAME TO w",
    "ALTER EXTENSION x SET SCHEMA s",
    "ALTER INDEX i RENAME TO j",
    "ALTER POLICY p ON t USING (f())",
    "SELECT 1",
    "SELECT 'DROP TABLE a'",
    "SELECT count(*), max(n) FROM a WHERE n IN (1) FOR NO KEY UPDATE",
    "SELECT setval('s', 1)",
    "SELECT pg_catalog.set_config('search_path', '', false)",
    'SELECT "lower"(n) FROM a',
    "SELECT x.a FROM (VALUES (1, 2)) x(a, b) JOIN t AS y(c) ON (true)",
    "SELECT n::numeric(10, 2), n::geometry(1) FROM a",
    "SELECT a.update, n AS delete FROM a",
    "WITH RECURSIVE c (n) AS (SELECT 1) SELECT * FROM c",
    "VALUES (now())",
    "TABLE a",
    "(SELECT 1)",
    "SELECT n INTO b FROM a",
    "SELECT DISTINCT ON (a) b, lower(c) FROM d",
    "INSERT INTO a VALUES (1, now())",
    'INSERT INTO a ("update", delete) VALUES (1, 2) ON CONFLICT (n) DO NOTHING',
    "INSERT INTO app.a AS x (n) OVERRIDING SYSTEM VALUE SELECT n FROM b",
    "INSERT INTO a DEFAULT VALUES",
    "INSERT INTO a (SELECT n FROM b)",
    "COPY a (n) FROM '/data'",
    "COPY (SELECT n FROM a) TO '/data'",
    "EXPLAIN DELETE FROM a",
    "EXPLAIN (COSTS off) DELETE FROM a",
    "EXPLAIN ANALYZE SELECT 1",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_takes_nothing_away_is_passed_over(text: str) -> None:
    assert removed_data(statement(text)) == Removal()


DOUBTFUL = [
    "DROP SCHEMA s CASCADE",
    "DROP SCHEMA IF EXISTS s, t CASCADE -- behind",
    "DROP TYPE t CASCADE",
    "DROP DOMAIN d CASCADE",
    "DROP EXTENSION hstore CASCADE",
    "DROP EXTENSION pg_cron",
    "DROP FUNCTION f(int) CASCADE",
    "DROP VIEW v CASCADE",
    "DROP SERVER s CASCADE",
    "DROP OWNED BY a",
    "DROP DATABASE d",
    "DROP TABLE",
    "DROP TABLE a b",
    "TRUNCATE a CASCADE",
    "TRUNCATE a, ONLY b RESTART IDENTITY /* x */ CASCADE",
    "TRUNCATE",
    "DELETE a",
    "WITH d AS (DELETE FROM a RETURNING *) SELECT * FROM d",
    "WITH d AS (SELECT 1) DELETE FROM a",
    "WITH d AS (SELECT 1) UPDATE a SET n = 1",
    "WITH d AS (INSERT INTO a VALUES (1) RETURNING *) SELECT * FROM d",
    "UPDATE a SET n = 1",
    "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE",
    "CALL p()",
    "DO $$ BEGIN END $$",
    "do language plpgsql 'BEGIN END'",
    "EXECUTE p",
    "LOAD 'x'",
    "ALTER TABLE a ALTER n TYPE int USING n::int",
    "ALTER TABLE a ADD m int, ALTER COLUMN n SET DATA TYPE int",
    "ALTER TABLE a ALTER type /* x */ TYPE int",
    "ALTER TYPE t DROP ATTRIBUTE a",
    "ALTER EXTENSION x UPDATE TO '2'",
    "ALTER TYPE t ADD ATTRIBUTE a int, ALTER ATTRIBUTE b TYPE int",
    "INSERT INTO a VALUES (1) ON CONFLICT (n) DO UPDATE SET n = 2",
    "INSERT INTO a SELECT prune(n) FROM b",
    "INSERT INTO a WITH d AS (DELETE FROM b RETURNING *) SELECT * FROM d",
    "INSERT INTO a (SELECT prune())",
    "SELECT prune()",
    "SELECT 1, (prune (1))",
    "(SELECT prune())",
    "SELECT * FROM app.prune()",
    "SELECT app.count(1)",
    "SELECT db.pg_catalog.prune(1)",
    "SELECT pg_catalog.lo_unlink(1)",
    'SELECT "Prune"(1)',
    'SELECT "in"(1)',
    "SELECT /* x */ prune /* /* y */ */ -- z\r ()",
    "VALUES (prune())",
    "CREATE TABLE a AS SELECT prune()",
    "CREATE TABLE a (n) AS WITH d AS (DELETE FROM b RETURNING *) SELECT * FROM d",
    "CREATE TEMP TABLE a AS EXECUTE p",
    "CREATE MATERIALIZED VIEW v AS SELECT prune()",
    "COPY (DELETE FROM a RETURNING *) TO '/data'",
    "EXPLAIN ANALYZE UPDATE a SET n = 1",
    "EXPLAIN (VERBOSE, ANALYZE) EXECUTE p",
    "EXPLAIN ANALYZE VERBOSE SELECT prune()",
    "SELECT DISTINCT ON (a) prune(b) FROM c",
    "1",
]


@pytest.mark.parametrize("text", DOUBTFUL)
def test_what_may_remove_more_than_it_names_is_not_understood(text: str) -> None:
    assert not removed_data(statement(text)).understood


def test_what_a_statement_names_is_kept_though_it_may_remove_more() -> None:
    assert named(removed_data(statement("TRUNCATE a, b CASCADE"))) == ["a", "b"]
    assert named(removed_data(statement("ALTER TABLE a DROP n, ALTER m TYPE int"))) == ["a.n"]


def test_rows_of_a_large_insert_are_passed_and_what_follows_is_read() -> None:
    rows = ", ".join(["(1, 'DELETE', ((((now())))))"] * (MOST_READ // 20))
    assert removed_data(statement(f"INSERT INTO a (n) VALUES {rows}")).understood
    assert removed_data(statement(f"INSERT INTO a VALUES {rows} ON CONFLICT DO NOTHING")).understood
    assert not removed_data(statement(f"INSERT INTO a VALUES {rows} ON CONFLICT (n) DO UPDATE SET n = 1")).understood


def test_a_query_that_is_too_long_to_read_is_not_understood() -> None:
    assert not removed_data(statement("SELECT " + "1 + " * MOST_READ + "1")).understood
