"""Squashing: files that lead to the same schema, are recorded on one database and run on another."""

from pathlib import Path

import pytest

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.errors import ConfigurationError, MigrationFailed
from controller.migrate.catalog.drift import read_drift
from controller.migrate.catalog.snapshot import read_text
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.migrate.history.session import RunSettings
from controller.migrate.run.runner import Runner
from controller.migrate.squash.pg_dump import find_pg_dump
from controller.migrate.squash.squash import Squashed, squash
from controller.migrate.verify.verify import verify
from tests.database.engine import none_left
from tests.database.silence import Silence
from tests.database.targets import target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.postgres_parts import client

MIXED = {
    "V002_notes.up.sql": """
        CREATE TYPE mood AS ENUM ('sad', 'ok');
        CREATE TABLE note (id serial PRIMARY KEY, mood mood DEFAULT 'ok', big bigint GENERATED ALWAYS AS IDENTITY,
                           body text CHECK (body <> 'public.x;y'));
        COMMENT ON TABLE note IS 'It''s a; note of public.note';
        INSERT INTO note (body) VALUES ('a;b'), (E'two\\nlines \\\\ é'), ('public.note');
        CREATE TABLE measure (at date NOT NULL, v int) PARTITION BY RANGE (at);
        CREATE TABLE measure_2026 PARTITION OF measure FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
        CREATE VIEW happy AS SELECT id, body FROM note WHERE mood = 'ok'::mood""",
    "V002_notes.down.sql": "DROP VIEW happy; DROP TABLE measure, note; DROP TYPE mood",
    "V003_functions.up.sql": """
        BEGIN;
        CREATE FUNCTION notes() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM note; END;
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
        CREATE TRIGGER keep BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION keep();
        GRANT SELECT ON note TO PUBLIC;
        COMMIT""",
    "V003_functions.down.sql": """
        BEGIN; REVOKE SELECT ON note FROM PUBLIC; DROP TRIGGER keep ON note; DROP FUNCTION keep(), notes(); COMMIT""",
    "V004_index.up.sql": "CREATE INDEX CONCURRENTLY note_body_idx ON note USING gin (body gin_trgm_ops)",
    "V004_index.down.sql": "DROP INDEX CONCURRENTLY note_body_idx",
}


def write(folder: Path, contents: dict[str, str], *, packaged: bool = True) -> Path:
    """Write the packaged migration, and others behind it."""
    for path in packaged_folder().glob("V001*.sql") if packaged else ():
        (folder / path.name).write_text(path.read_text())
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


async def squash_files(
    target: Target, folder: Path, version: int, *, schema: str | None = None, by_pg_dump: bool = True
) -> Squashed:
    program = client("pg_dump") if by_pg_dump else None
    files = read_folder(folder)
    return await squash(target, files, version, Silence(), folder=folder, pg_dump=program, schema=schema)


def runner(connection: Connection) -> Runner:
    return Runner(connection, RunSettings(), Silence(), none_left)


async def catalog_by(target: Target, folder: Path, *targets: int | None) -> tuple[int, str]:
    """Return the version and the catalog of a database after runs to TARGETS."""
    async with connected(target) as connection:
        for version in targets:
            plan = await runner(connection).run(read_folder(folder), version)
        assert (await read_drift(connection)).differences == ()
        return plan.target, await read_text(connection, "public")


@pytest.mark.parametrize("by_pg_dump", [True, False], ids=["by pg_dump", "without pg_dump"])
async def test_both_ways_lead_to_the_same_version_and_catalog(
    each_postgres: PostgresServer, creator: Target, tmp_path: Path, *, by_pg_dump: bool
) -> None:
    folder = write(tmp_path, MIXED)
    made = await squash_files(creator, folder, 4, by_pg_dump=by_pg_dump)
    assert made.by_pg_dump is by_pg_dump
    assert (made.version, made.up.name, made.replaces) == (5, "V005_squashed_1_to_4.up.sql", "1-4")
    both = [each_postgres.create_database() for _ in range(2)]
    by_steps = await catalog_by(target_to(both[0]), folder, 4, None)
    for path in folder.glob("V00[1-4]*"):
        path.unlink()
    assert by_steps == await catalog_by(target_to(both[1]), folder, None)
    for each in both:
        assert await catalog_by(target_to(each), folder, 0, None) == by_steps
        each_postgres.drop_database(each)


async def test_verify_proves_it_with_the_files_that_it_replaces_and_without(creator: Target, tmp_path: Path) -> None:
    folder = write(tmp_path, MIXED)
    await squash_files(creator, folder, 4)
    checks = await verify(creator, read_folder(folder), Silence())
    assert [(each.migration.version, each.passed) for each in checks] == [(n, True) for n in range(1, 6)]
    for path in folder.glob("V00[1-4]*"):
        path.unlink()
    checks = await verify(creator, read_folder(folder), Silence())
    assert [(each.migration.version, each.passed) for each in checks] == [(5, True)]


@pytest.mark.parametrize(
    ("text", "difference"),
    [
        ("CREATE TABLE a (n bigint); INSERT INTO a VALUES (1)", "column a.n: changed (integer -> bigint)"),
        ("CREATE TABLE a (n int)", "rows of table a: changed (1 -> 0)"),
        ("CREATE TABLE a (n int); INSERT INTO a VALUES (1); CREATE TABLE b ()", "table b: added"),
    ],
)
async def test_verify_finds_a_file_that_is_not_what_it_replaces(
    creator: Target, tmp_path: Path, text: str, difference: str
) -> None:
    files = {
        "V1_a.up.sql": "CREATE TABLE a (n int)", "V1_a.down.sql": "DROP TABLE a",
        "V2_b.up.sql": "INSERT INTO a VALUES (1)", "V2_b.down.sql": "DELETE FROM a",
        "V3_all.up.sql": f"-- dashdb:replaces 1-2\n{text}", "V3_all.down.sql": "DROP TABLE IF EXISTS a, b",
        "V4_c.up.sql": "ALTER TABLE a ADD m int", "V4_c.down.sql": "ALTER TABLE a DROP m",
    }  # fmt: skip
    checks = await verify(creator, read_folder(write(tmp_path, files, packaged=False)), Silence())
    assert [(each.migration.version, each.passed) for each in checks] == [(1, True), (2, True), (3, False), (4, True)]
    assert list(map(str, checks[2].not_same)) == [difference]


async def test_files_for_a_schema_of_any_name_serve_other_schemas(
    each_postgres: PostgresServer, database: Database, creator: Target, tmp_path: Path
) -> None:
    files = {
        "1_a.up.sql": "CREATE TABLE a (id serial PRIMARY KEY)", "1_a.down.sql": "DROP TABLE a",
        "20_b.up.sql": "CREATE TABLE b (a int REFERENCES a)",
    }  # fmt: skip
    folder = write(tmp_path, files, packaged=False)
    made = await squash_files(creator, folder, 20, schema='it\'s "a" schema')
    assert (made.version, made.up.name, made.down, made.replaces) == (21, "21_squashed_1_to_20.up.sql", None, "1, 20")
    assert "it's" not in made.up.read_text()
    async with connected(target_to(database)) as connection:
        await runner(connection).run(read_folder(folder), None)
        assert await connection.fetchval("SELECT to_regclass('public.b') IS NOT NULL")


async def test_one_squashed_file_can_be_squashed_again(creator: Target, tmp_path: Path) -> None:
    folder = write(tmp_path, MIXED)
    await squash_files(creator, folder, 4)
    write(folder, {"V006_c.up.sql": "CREATE TABLE c ()", "V006_c.down.sql": "DROP TABLE c"}, packaged=False)
    made = await squash_files(creator, folder, 6)
    assert (made.up.name, made.replaces) == ("V007_squashed_1_to_6.up.sql", "1-6")
    for path in folder.glob("V00[1-4]*"):
        path.unlink()
    made.up.unlink()
    assert made.down is not None
    made.down.unlink()
    again = await squash_files(creator, folder, 6)
    assert (again.up.name, again.replaces) == ("V007_squashed_5_to_6.up.sql", "1-6")


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (9, "Version 9 does not exist. Give one of the files': 1-4."),
        (1, "Version 1 is the first one"),
        (3, r"V004_index.up.sql comes right after version 3.* dashdb migrate squash 4"),
    ],
)
async def test_a_version_that_leaves_no_number_is_refused(
    creator: Target, tmp_path: Path, version: int, message: str
) -> None:
    folder = write(tmp_path, MIXED)
    before = sorted(folder.iterdir())
    with pytest.raises(ConfigurationError, match=message):
        await squash_files(creator, folder, version)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("CREATE SCHEMA other; CREATE TABLE other.b ()", "schema other"),
        ("DO 'BEGIN CREATE SCHEMA other; END'", "schema other"),
        ("CREATE PUBLICATION p", "publication p"),
        ("ALTER ROLE CURRENT_USER SET work_mem = '8MB'", "ALTER ROLE"),
    ],
)
async def test_what_one_schema_does_not_hold_is_refused_before_anything_is_written(
    creator: Target, tmp_path: Path, text: str, named: str
) -> None:
    files = {"V1_a.up.sql": "CREATE TABLE a ()", "V2_b.up.sql": text}
    with pytest.raises(ConfigurationError, match=f"holds: {named}") as caught:
        await squash_files(creator, write(tmp_path, files, packaged=False), 2)
    assert caught.value.reason == "MoreThanOneSchema"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)


async def test_what_does_not_lead_to_the_same_schema_is_not_written(creator: Target, tmp_path: Path) -> None:
    """A down migration that leaves something cannot undo the new file either."""
    files = {
        "V1_a.up.sql": "CREATE TABLE a ()", "V1_a.down.sql": "SELECT 1",
        "V2_b.up.sql": "CREATE TABLE b ()", "V2_b.down.sql": "DROP TABLE b",
    }  # fmt: skip
    with pytest.raises(MigrationFailed, match=r"V3_squashed_1_to_2.up.sql was not written.*table a: added") as caught:
        await squash_files(creator, write(tmp_path, files, packaged=False), 2)
    assert caught.value.reason == "SquashDifferent"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)


async def test_without_pg_dump_other_schemas_and_files_without_a_transaction_are_squashed_too(
    creator: Target, tmp_path: Path
) -> None:
    files = {
        "V1_a.up.sql": "-- dashdb:no-transaction\nCREATE SCHEMA other; CREATE TABLE other.a (n int)",
        "V1_a.down.sql": "-- dashdb:no-transaction\nDROP SCHEMA other CASCADE",
        "V2_b.up.sql": "INSERT INTO other.a VALUES (1)", "V2_b.down.sql": "DELETE FROM other.a",
    }  # fmt: skip
    made = await squash_files(creator, write(tmp_path, files, packaged=False), 2, by_pg_dump=False)
    squashed = read_folder(tmp_path)[-1]
    assert (squashed.version, made.replaces) == (3, "1-2")
    assert squashed.replaces == {1, 2}
    assert all(script.transactional for script in squashed.scripts)


@pytest.mark.parametrize(
    ("down", "why"),
    [
        ("DROP TABLE IF EXISTS b", r"would differ .* table b: missing"),
        (
            "DROP TABLE b",
            r"do not run as one file: V3\S+:4:1: table \"b\" does not exist .*: DROP TABLE b\. Write",
        ),
    ],
    ids=["made elsewhere", "not to be removed"],
)
async def test_without_pg_dump_files_that_mean_something_else_as_one_are_not_written(
    creator: Target, tmp_path: Path, down: str, why: str
) -> None:
    """A setting ends with its file, and reaches all that follows in the file that stands for several."""
    files = {
        "V1_a.up.sql": "SET search_path = pg_temp; CREATE TABLE a ()", "V1_a.down.sql": "SELECT 1",
        "V2_b.up.sql": "CREATE TABLE b ()", "V2_b.down.sql": down,
    }  # fmt: skip
    with pytest.raises(MigrationFailed, match=rf"V3_squashed_1_to_2.up.sql was not written, since .*{why}") as caught:
        await squash_files(creator, write(tmp_path, files, packaged=False), 2, by_pg_dump=False)
    assert caught.value.reason == "SquashDifferent"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)


async def test_a_program_that_is_missing_or_fails_is_said(
    creator: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_pg_dump(None) is None
    with pytest.raises(ConfigurationError, match=r"/nowhere/pg_dump was not found.*or leave out --pg-dump") as missing:
        find_pg_dump(Path("/nowhere/pg_dump"))
    assert missing.value.reason == "PgDumpMissing"
    files = {"V1_a.up.sql": "CREATE TABLE a ()", "V2_b.up.sql": "CREATE TABLE b ()"}
    write(tmp_path, files, packaged=False)
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'server version mismatch' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(ConfigurationError, match="server version mismatch") as failed:
        await squash(creator, read_folder(tmp_path), 2, Silence(), folder=tmp_path, pg_dump=broken)
    assert failed.value.reason == "PgDumpFailed"
