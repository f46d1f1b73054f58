"""A database that may not be used any more is told soon, though connections that are open live on; and back."""

from collections.abc import Callable

import pytest

from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess

READ_ONLY = "default_transaction_read_only"
CHANGES = {
    "NOLOGIN": ("LoginRefused", "ALTER ROLE {user} NOLOGIN", "ALTER ROLE {user} LOGIN"),
    "another password": (
        "AuthenticationFailed", "ALTER ROLE {user} PASSWORD 'another'", "ALTER ROLE {user} PASSWORD '{password}'"
    ),
    "an expired password": (
        "AuthenticationFailed",
        "ALTER ROLE {user} VALID UNTIL '2001-01-01'",
        "ALTER ROLE {user} VALID UNTIL 'infinity'",
    ),
    "no CONNECT": (
        "PermissionDenied",
        "REVOKE CONNECT ON DATABASE {name} FROM PUBLIC, {user}",
        "GRANT CONNECT ON DATABASE {name} TO {user}",
    ),
    "a database that is closed": (
        "DatabaseClosed",
        "ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        "ALTER DATABASE {name} ALLOW_CONNECTIONS true",
    ),
    "a database to read from": (
        "ReadOnly", f"ALTER DATABASE {{name}} SET {READ_ONLY} = on", f"ALTER DATABASE {{name}} RESET {READ_ONLY}"
    ),
    "a role to read with": (
        "ReadOnly", f"ALTER ROLE {{user}} SET {READ_ONLY} = on", f"ALTER ROLE {{user}} RESET {READ_ONLY}"
    ),
}  # fmt: skip
"""Reason that is told, the statement that ends the login, and the one that allows it again."""


@pytest.mark.parametrize("change", CHANGES)
def test_a_login_that_ended_is_told_and_taken_up_again(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
    change: str,
) -> None:
    """Reported as atlas 3298: a pooled session went on after the login had been forbidden."""
    reason, forbid, allow = CHANGES[change]
    names = {"user": database.user, "name": database.name, "password": database.password}
    apply()
    team.wait_for("perses", "Ready", "True")
    postgres.psql(postgres.superuser, sql=forbid.format(**names))
    team.wait_for("perses", "Ready", "False", reason=reason)
    postgres.psql(postgres.superuser, sql=allow.format(**names))
    team.wait_for("perses", "Ready", "True")


def test_a_server_that_hangs_is_told_long_before_the_query_timeout(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], postgres: PostgresServer
) -> None:
    apply(pool={"queryTimeoutSeconds": 300, "connectTimeoutSeconds": 300})
    team.wait_for("perses", "Ready", "True")
    postgres.freeze()
    try:
        path = f"/ready/{team.name}/perses"
        wait_until(lambda: "Timeout" in operator.get(path)[1], what="the server is said to hang", seconds=25)
    finally:
        postgres.thaw()
    team.wait_for("perses", "Ready", "True")
