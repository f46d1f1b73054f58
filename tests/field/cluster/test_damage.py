"""A database in which something is missing or disabled is not Ready; other changes by hand are a warning."""

from collections.abc import Callable

import pytest

from tests.support.database import Database
from tests.support.postgres import PostgresServer
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
    """Reported as StarRocks 628: a table that was dropped by hand left the resource Ready."""
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


def test_what_somebody_adds_is_no_damage(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], postgres: PostgresServer, database: Database
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    postgres.psql(database, sql="CREATE TABLE extra (id int); DROP INDEX dashboard_by_editor_idx")
    team.wait_for("perses", "SchemaCurrent", "True", reason="Drifted")
    assert team.condition("perses", "Ready")["status"] == "True"
