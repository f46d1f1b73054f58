"""A database in which something is missing or disabled is not Ready; other changes by hand are a warning."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess

FUNCTION = "cleanup_expired_tokens()"
DAMAGE = {
    "table share_token": "DROP TABLE share_token CASCADE",
    "column audit_log.metadata": "ALTER TABLE audit_log DROP COLUMN metadata CASCADE",
    "table user_preferences": "ALTER TABLE user_preferences SET SCHEMA elsewhere",
    "table audit_log": "ALTER TABLE audit_log RENAME TO audit",
    "partitions on audit_log": "DROP TABLE audit_log_from_start",
    f"function {FUNCTION}": f"DROP FUNCTION {FUNCTION}",
    "trigger": "ALTER TABLE dashboard DISABLE TRIGGER USER",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_told_at_the_next_look(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
    what: str,
) -> None:
    """Reported as StarRocks 628 and cloudnative-pg 10602: what was dropped by hand left the resource Ready."""
    apply()
    team.wait_for("perses", "Ready", "True")
    postgres.psql(database, sql=f"CREATE SCHEMA elsewhere; {DAMAGE[what]}")
    damaged = team.wait_for("perses", "SchemaCurrent", "False", reason="Damaged")
    assert what in damaged["message"]
    assert team.condition("perses", "Ready")["reason"] == "Damaged"
    assert team.condition("perses", "Stalled")["status"] == "False"


def test_damage_is_told_after_a_restart_too(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], postgres: PostgresServer, database: Database
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    operator.stop()
    postgres.psql(database, sql="ALTER TABLE dashboard DISABLE TRIGGER USER")
    operator.start()
    team.wait_for("perses", "Ready", "False", reason="Damaged")
    postgres.psql(database, sql="ALTER TABLE dashboard ENABLE TRIGGER USER")
    team.wait_for("perses", "Ready", "True")


def test_a_new_migration_waits_until_what_is_missing_is_back_and_hides_nothing(
    account: Path,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for number, table in ((1, "first"), (2, "second")):
        (folder / f"V{number}_{table}.up.sql").write_text(f"CREATE TABLE {table} (id int);")
        (folder / f"V{number}_{table}.down.sql").write_text(f"DROP TABLE {table};")
    with OperatorProcess(account, tmp_path / "operator.log", namespace=team.name, migrations=folder):
        apply(schema={"targetVersion": 1}, templates={"seed": "Disabled"})
        team.wait_for("perses", "Ready", "True")
        postgres.psql(database, sql="DROP TABLE first")
        team.wait_for("perses", "Ready", "False", reason="Damaged")
        apply(schema={"targetVersion": 2}, templates={"seed": "Disabled"})

        def is_told() -> bool:
            return "from version 1 to 2" in team.condition("perses", "SchemaCurrent")["message"]

        wait_until(is_told, what="what waits is told", seconds=30)
        assert team.condition("perses", "SchemaCurrent")["reason"] == "Damaged"
        assert team.get("perses")["status"]["schema"]["current"] == 1
        postgres.psql(database, sql="CREATE TABLE first (id int)")
        team.wait_for("perses", "Ready", "True")
        assert team.get("perses")["status"]["schema"]["current"] == 2


def test_what_somebody_adds_is_no_damage(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], postgres: PostgresServer, database: Database
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    postgres.psql(database, sql="CREATE TABLE extra (id int); DROP INDEX dashboard_by_editor_idx")
    team.wait_for("perses", "SchemaCurrent", "True", reason="Drifted")
    assert team.condition("perses", "Ready")["status"] == "True"
