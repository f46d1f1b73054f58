"""Databases with another encoding than UTF-8, and characters that they do not have."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.field.folder import Folder
from tests.support.postgres import PostgresServer

COMMENTS = {
    "1_a→b.up.sql": "-- a → b\nCREATE TABLE a (n int /* → and é */);\n/* → */ INSERT INTO a VALUES (1); -- →",
    "1_a.down.sql": "-- back: b → a\nDROP TABLE a;",
    "2_b.up.sql": "VACUUM a; -- →\nCOMMENT ON TABLE a IS 'é'; /* /* → */ → */",
    "2_b.down.sql": "SELECT 1",
}


@contextmanager
def encoded(server: PostgresServer, path: Path, encoding: str) -> Iterator[Folder]:
    """A database with that encoding."""
    database = server.create_database(options=f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    yield Folder(server, database, path)
    server.drop_database(database)


@pytest.fixture(params=["LATIN1", "WIN1252"])
def narrow(request: pytest.FixtureRequest, each_postgres: PostgresServer, tmp_path: Path) -> Iterator[Folder]:
    """A database that has no arrow."""
    with encoded(each_postgres, tmp_path, request.param) as folder:
        yield folder


@pytest.fixture
def ascii_only(each_postgres: PostgresServer, tmp_path: Path) -> Iterator[Folder]:
    """A database that keeps any bytes, and knows none but ASCII."""
    with encoded(each_postgres, tmp_path, "SQL_ASCII") as folder:
        yield folder


@pytest.fixture(params=["LATIN1", "WIN1252", "SQL_ASCII"])
def other(request: pytest.FixtureRequest, each_postgres: PostgresServer, tmp_path: Path) -> Iterator[Folder]:
    """Each of these databases."""
    with encoded(each_postgres, tmp_path, request.param) as folder:
        yield folder


def test_a_character_in_a_comment_stops_nothing(other: Folder) -> None:
    """Issue OpenSIPS/opensips-cp #93: for one such character, PostgreSQL refuses all that was sent with it."""
    other.write(COMMENTS)
    done = other.dashdb("up")
    assert done.exit_code == 0, done.stderr
    assert other.ask("SELECT n FROM a") == "1"
    assert other.ask("SELECT octet_length(obj_description('a'::regclass)) < 3") == "t"
    assert other.dashdb("up").stdout == "Nothing to do; the schema is at version 2.\n"
    assert other.dashdb("status").exit_code == 0
    assert other.dashdb("down", "--all", "--yes").exit_code == 0
    assert other.tables() == set()


def test_a_file_that_stopped_half_way_goes_on(other: Folder) -> None:
    """The digest of the statements that are done is that of the file, not of what was sent."""
    text = "CREATE TABLE a (n /* → */ int);\nVACUUM a;\nSELECT {};"
    other.write({"1_a.up.sql": text.format("nothing")})
    assert other.dashdb("up").exit_code == 3
    other.write({"1_a.up.sql": text.format("1")})
    assert other.dashdb("up").exit_code == 0


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("SELECT 1;\nINSERT INTO a VALUES ('é, →');", "2:27"),
        ('CREATE TABLE "→" ();', "1:15"),
        ("DO $$ BEGIN\n  -- →\nEND $$;", "2:6"),
    ],
)
@pytest.mark.parametrize("direction", ["up", "down"])
def test_elsewhere_it_is_named_with_its_place_before_anything_runs(
    narrow: Folder, text: str, place: str, direction: str
) -> None:
    half = "down" if direction == "up" else "up"
    narrow.write({"1_z.up.sql": "CREATE TABLE z ()", f"2_a.{direction}.sql": text, f"2_a.{half}.sql": "SELECT 1"})
    refused = narrow.dashdb("up")
    assert refused.exit_code == 2
    assert f"2_a.{direction}.sql:{place}: this database has the encoding" in refused.stderr
    assert "there is no → (U+2192, RIGHTWARDS ARROW)" in refused.stderr
    assert narrow.tables() == set()


BYTES = "SELECT encode(convert_to(c, getdatabaseencoding()), 'hex') FROM a"


def test_a_character_that_the_database_has_is_kept_in_its_encoding(narrow: Folder) -> None:
    narrow.write({"1_a.up.sql": "CREATE TABLE a AS SELECT 'é' AS c"})
    assert (narrow.dashdb("up").exit_code, narrow.ask(BYTES)) == (0, "e9")


def test_a_database_that_keeps_any_bytes_keeps_those_of_utf_8(ascii_only: Folder) -> None:
    """Issue IQSS/dataverse #8278: a conversion into SQL_ASCII does not exist, so none may be asked for."""
    ascii_only.write({"1_a.up.sql": "CREATE TABLE a AS SELECT 'é→'::text AS c", "1_a.down.sql": "DROP TABLE a; -- é→"})
    assert ascii_only.dashdb("up").exit_code == 0
    assert ascii_only.ask("SELECT octet_length(c) FROM a") == "5"
    assert ascii_only.ask("SELECT octet_length(down_sql) FROM schema_version_detail") == str(
        len("DROP TABLE a; -- ") + 5
    )


def test_what_is_recorded_without_being_run_may_have_such_characters_too(other: Folder) -> None:
    other.write({"1_a.up.sql": "SELECT '→'", "1_a.down.sql": "SELECT '→'", "2_b→.up.sql": "SELECT 2"})
    assert other.dashdb("baseline", "1").exit_code == 0
    assert other.dashdb("force", "2", "--yes").exit_code == 0
    assert other.dashdb("up").stdout == "Nothing to do; the schema is at version 2.\n"


def test_a_history_of_golang_migrate_is_adopted(other: Folder) -> None:
    other.write({"1_a.up.sql": "CREATE TABLE a ()", "1_a.down.sql": "-- →\nDROP TABLE a"})
    assert other.golang_migrate("up").returncode == 0
    assert other.dashdb("up").stdout.startswith("Adopted")
    assert other.tables() == {"a"}
