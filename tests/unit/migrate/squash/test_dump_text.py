"""Statements of a dump, as a migration needs them."""

import pytest

from controller.migrate.squash.dump_text import statements_of_dump

HEAD = r"""--
-- PostgreSQL database dump
--

\restrict dXb3sBrZ7

-- Dumped by pg_dump version 18.1

SET statement_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET row_security = off;
"""
TAIL = r"""
--
-- PostgreSQL database dump complete
--

\unrestrict dXb3sBrZ7
"""


def dumped(text: str, schema: str = "public") -> tuple[str, ...]:
    return statements_of_dump(HEAD + text + TAIL, schema)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CREATE SCHEMA public;",
        "ALTER SCHEMA public OWNER TO a;",
        "COMMENT ON SCHEMA public IS 'x; y';",
        "GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC;",
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC;",
        "COMMENT ON EXTENSION pg_trgm IS 'text';",
    ],
)
def test_what_is_of_psql_or_of_the_whole_schema_is_left_out(text: str) -> None:
    assert dumped(text) == ()


@pytest.mark.parametrize(
    ("text", "schema", "expected"),
    [
        ("CREATE TABLE public.t (a public.mood)", "public", "CREATE TABLE t (a mood)"),
        ('CREATE TABLE "team a".t ("a" "team a"."B")', "team a", 'CREATE TABLE t ("a" "B")'),
        ("ALTER SEQUENCE public.s OWNED BY public.t.id", "public", "ALTER SEQUENCE s OWNED BY t.id"),
        ("GRANT SELECT ON TABLE public.t TO PUBLIC", "public", "GRANT SELECT ON TABLE t TO PUBLIC"),
        ("CREATE INDEX i ON public.t (a OPERATOR(public.=) b)", "public", "CREATE INDEX i ON t (a OPERATOR(=) b)"),
        ("ALTER TABLE public.t ALTER a SET DEFAULT nextval('public.s'::regclass)", "public",
         "ALTER TABLE t ALTER a SET DEFAULT nextval('s'::regclass)"),
        ("""ALTER TABLE "it's".t ALTER a SET DEFAULT nextval('"it''s".s'::regclass)""", "it's",
         "ALTER TABLE t ALTER a SET DEFAULT nextval('s'::regclass)"),
        ("SELECT pg_catalog.setval('public.s', 3, true)", "public", "SELECT pg_catalog.setval('s', 3, true)"),
        ("CREATE EXTENSION IF NOT EXISTS e WITH SCHEMA public", "public", "CREATE EXTENSION IF NOT EXISTS e"),
        ('CREATE EXTENSION IF NOT EXISTS e WITH SCHEMA "team a"', "team a", "CREATE EXTENSION IF NOT EXISTS e"),
    ],
)  # fmt: skip
def test_names_lose_the_schema(text: str, schema: str, expected: str) -> None:
    assert dumped(f"{text};\n", schema) == (expected,)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t (a) VALUES ('public.t')",
        "COMMENT ON TABLE t IS 'as in public.t'",
        "ALTER TABLE t ADD CHECK ((a <> 'public.x;y'::text))",
        "CREATE TABLE t (a other.public, b t.public.c)",
        "SET default_table_access_method = heap",
    ],
)
def test_anything_else_stays_as_it_is(text: str) -> None:
    assert dumped(f"{text};\n") == (text,)


def test_bodies_of_functions_stay_as_they_were_written_and_may_name_what_comes_later() -> None:
    body = "CREATE FUNCTION public.f() RETURNS bigint\n    LANGUAGE sql\n    AS $$ SELECT count(*) FROM public.t; $$"
    made = dumped(f"{body};\nCREATE TABLE public.t ();\n")
    assert made == ("SET LOCAL check_function_bodies = off", body.replace("public.f", "f"), "CREATE TABLE t ()")


def test_bodies_that_postgresql_wrote_are_statements_like_others() -> None:
    text = (
        "CREATE FUNCTION public.f() RETURNS bigint\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT n FROM public.t;\nEND"
    )
    assert dumped(f"{text};\n")[1:] == (text.replace("public.", ""),)
