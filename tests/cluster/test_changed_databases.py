"""A database is not what it was: each change has its reason, nothing is destroyed, and the way back leads to Ready."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess

ROW = "INSERT INTO user_preferences (user_id) VALUES ('ann')"
COUNT_ROWS = "SELECT count(*) FROM {schema}.user_preferences"
NEWER = (
    "INSERT INTO schema_version (version, description, state) VALUES (99, 'next', 'applied');"
    "INSERT INTO schema_version_detail (version, host, engine_version, origin, duration_ms, retries, sha256)"
    " SELECT 99, host, engine_version, origin, duration_ms, 0, sha256 FROM schema_version_detail"
)
SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"


@dataclass(frozen=True)
class Change:
    """A change of a database that is Ready.

    Attributes:
        sql, undo: run as a superuser in the database; {name} is the database.
        condition, status, reason: of the resource after the change.
        schema: where the tables are meanwhile.
    """

    sql: str
    undo: str
    condition: str
    status: str
    reason: str
    schema: str = "public"


CHANGES = {
    "the schema is renamed": Change(
        "ALTER SCHEMA public RENAME TO before", "ALTER SCHEMA before RENAME TO public",
        "Ready", "False", "SchemaMissing", "before",
    ),
    "an applied migration has another hash": Change(
        "UPDATE schema_version_detail SET sha256 = reverse(sha256)",
        "UPDATE schema_version_detail SET sha256 = reverse(sha256)",
        "SchemaCurrent", "False", "ChecksumMismatch",
    ),
    "the history has lost its rows": Change(
        "CREATE TABLE kept AS TABLE schema_version; DELETE FROM schema_version",
        "INSERT INTO schema_version TABLE kept; DROP TABLE kept",
        "SchemaCurrent", "False", "HistoryMissing",
    ),
    "the history is gone": Change(
        "ALTER TABLE schema_version SET SCHEMA hidden; ALTER TABLE schema_version_detail SET SCHEMA hidden",
        "ALTER TABLE hidden.schema_version SET SCHEMA public; "
        "ALTER TABLE hidden.schema_version_detail SET SCHEMA public",
        "SchemaCurrent", "False", "HistoryMissing",
    ),
    "a part of the history is gone": Change(
        "ALTER TABLE schema_version_detail SET SCHEMA hidden",
        "ALTER TABLE hidden.schema_version_detail SET SCHEMA public",
        "SchemaCurrent", "False", "HistoryTableForeign",
    ),
    "the database is newer": Change(
        NEWER, "DELETE FROM schema_version WHERE version = 99; DELETE FROM schema_version_detail WHERE version = 99",
        "SchemaCurrent", "True", "SchemaAhead",
    ),
    "it failed over to a server that only reads": Change(
        'ALTER DATABASE "{name}" SET default_transaction_read_only = on; ' + SESSIONS,
        'SET default_transaction_read_only = off; ALTER DATABASE "{name}" RESET default_transaction_read_only; '
        + SESSIONS,
        "Ready", "False", "ReadOnly",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_has_its_reason_destroys_nothing_and_can_be_taken_back(
    what: str,
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    change = CHANGES[what]

    def run(sql: str) -> str:
        superuser = postgres.superuser
        return postgres.psql(
            Database(superuser.host, superuser.port, database.name, superuser.user, superuser.password, "disable"),
            sql=sql.replace("{name}", database.name),
            args=("-At",),
        )

    apply()
    team.wait_for("perses", "Ready", "True")
    run(f"CREATE SCHEMA hidden; {ROW}")
    run(change.sql)
    team.wait_for("perses", change.condition, change.status, reason=change.reason)
    assert run(COUNT_ROWS.format(schema=change.schema)).strip() == "1"
    run(change.undo)
    team.wait_for("perses", "SchemaCurrent", "True", reason="UpToDate")
    team.wait_for("perses", "Ready", "True")
    assert run(COUNT_ROWS.format(schema="public")).strip() == "1"
