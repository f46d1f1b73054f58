"""Promises about migration files."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.migrate.files.folder import read_folder
from tests.database.programs import asleep, dashdb, write_migrations
from tests.support.database import Database
from tests.support.postgres import PostgresServer

NOWHERE = {"DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_NAME": "d", "DB_USER": "u", "DB_PASSWORD": "p"}


def hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**30)


def crowd(path: Path) -> None:
    for number in range(100_000):
        (path.parent / f"{number}.txt").touch()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "V001_a.up.sql: cannot be read (it is a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "V001_a.up.sql: cannot be read (it is a device"),
        (lambda path: path.symlink_to("/etc/hostname"), "V001_a.up.sql: a link to a file outside of the folder"),
        (hole, "V001_a.up.sql: larger than 256 MiB, the limit for one file"),
        (crowd, "more than 10000 files, the limit for one folder"),
    ],
    ids=["pipe", "device", "link out", "a gigabyte", "100000 files"],
)
def test_what_is_no_migration_is_refused_at_once_with_its_name_and_the_limit(
    make: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    make(tmp_path / "V001_a.up.sql")
    refused = dashdb(NOWHERE, "migrate", "up", "--path", str(tmp_path))  # hangs for no longer than its time limit
    assert refused.returncode == 2
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_what_is_executed_is_what_was_hashed_whatever_happens_to_the_files(
    postgres: PostgresServer, database: Database, tmp_path: Path
) -> None:
    folder = write_migrations(
        tmp_path, {"V1_a.up.sql": "CREATE TABLE a (); SELECT pg_sleep(2);", "V2_b.up.sql": "CREATE TABLE as_hashed ();"}
    )
    hashed = [migration.up.sha256 for migration in read_folder(folder)]
    with asleep(postgres, database.environ, "migrate", "up", "--path", str(folder)) as running:
        (folder / "V2_b.up.sql").write_text("CREATE TABLE changed_meanwhile ();")
        assert running.process.wait(30) == 0
    listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename ~ '_' ORDER BY 1"
    assert postgres.psql(database, sql=listed, args=("-At",)).split() == [
        "as_hashed",
        "schema_version",
        "schema_version_detail",
    ]
    recorded = "SELECT sha256 FROM schema_version_detail ORDER BY version"
    assert postgres.psql(database, sql=recorded, args=("-At",)).split() == hashed
