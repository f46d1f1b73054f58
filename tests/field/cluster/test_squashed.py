"""An operator whose release has one file in place of several, on databases of before and on new ones."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.migrate.files.folder import packaged_folder
from tests.database.programs import dashdb_here
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess

ONE = "V003_one.up.sql"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The packaged migration, one more, and a file that stands for both."""
    folder = tmp_path / "migrations"
    shutil.copytree(packaged_folder(), folder)
    for way, text in (("up", "CREATE TABLE extra ();\n"), ("down", "DROP TABLE extra;\n")):
        first = next(folder.glob(f"V001*.{way}.sql")).read_text()
        (folder / f"V002_extra.{way}.sql").write_text(text)
        (folder / f"V003_one.{way}.sql").write_text(first + text if way == "up" else text + first)
    (folder / ONE).write_text("-- dashdb:replaces 1-2\n" + (folder / ONE).read_text())
    return folder


@pytest.fixture
def operator(account: Path, team: Namespace, folder: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    with OperatorProcess(account, tmp_path / "operator.log", namespace=team.name, migrations=folder) as running:
        yield running


def schema(team: Namespace) -> tuple[int, int]:
    """Return the current version, and the number of pending ones, of the status."""
    found = team.get("perses")["status"]["schema"]
    return found["current"], found["pending"]


@pytest.mark.parametrize(
    ("before", "origin"), [(None, "run"), ("2", "replacement")], ids=["a new database", "one with all of them"]
)
def test_both_become_ready_at_the_same_version(
    operator: OperatorProcess, team: Namespace, postgres: PostgresServer, database: Database, folder: Path,
    before: str | None, origin: str,
) -> None:  # fmt: skip
    if before is not None:
        assert dashdb_here(database.environ, "migrate", "goto", before, "--path", str(folder)).exit_code == 0
    team.apply(secret("perses-db", connection_values(database)), resource("perses", secret_name="perses-db"))
    team.wait_for("perses", "Ready", "True")
    assert schema(team) == (3, 0)
    recorded = "SELECT version, origin FROM schema_version_detail WHERE version = 3"
    assert postgres.psql(database, sql=recorded, args=("-At",)).strip() == f"3|{origin}"


def test_one_with_a_part_of_them_says_what_to_do_and_goes_on_once_it_is_done(
    operator: OperatorProcess, team: Namespace, database: Database, folder: Path
) -> None:
    assert dashdb_here(database.environ, "migrate", "goto", "1", "--path", str(folder)).exit_code == 0
    login = secret("perses-db", connection_values(database))
    team.apply(login, resource("perses", secret_name="perses-db"))
    team.wait_for("perses", "SchemaCurrent", "False", reason="PartlyReplaced")
    team.apply(resource("perses", secret_name="perses-db", schema={"targetVersion": 2}))
    team.wait_for("perses", "Ready", "True")
    team.apply(resource("perses", secret_name="perses-db"))
    wait_until(lambda: schema(team) == (3, 0), what="it is recorded", seconds=30)
