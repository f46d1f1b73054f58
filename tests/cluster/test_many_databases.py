"""Many databases on one server: all become Ready, and the server's users always get in."""

import threading
from pathlib import Path

from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess

DATABASES = 30
PLACES = 5
SETTINGS = {"max_connections": "20"}
"""Fewer than there are databases; three of them are for superusers."""


class User(threading.Thread):
    """User of a database, who logs in again and again, and counts the operator's connections."""

    def __init__(self, postgres: PostgresServer, database: Database) -> None:
        super().__init__(daemon=True)
        self.refused: list[str] = []
        self.logins = self.most = 0
        self.stopped = threading.Event()
        self._postgres, self._database = postgres, database

    def run(self) -> None:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dashdb operator'"
        while not self.stopped.is_set():
            try:
                self.most = max(self.most, int(self._postgres.psql(self._database, sql=query, args=("-At",))))
                self.logins += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, the user did not get in
                self.refused.append(str(error))


def sessions(postgres: PostgresServer, databases: list[Database]) -> int:
    """Return how often somebody logged in to any of DATABASES."""
    names = ", ".join(f"'{database.name}'" for database in databases)
    query = f"SELECT sum(sessions) FROM pg_stat_database WHERE datname IN ({names})"
    return int(postgres.psql(postgres.superuser, sql=query, args=("-At",)))


def test_more_databases_than_connections_all_become_ready_and_users_get_in(
    team: Namespace, account: Path, tmp_path: Path
) -> None:
    with (
        PostgresServer(18, settings=SETTINGS) as postgres,
        OperatorProcess(account, tmp_path / "operator.log", namespace=team.name) as operator,
    ):
        databases = [postgres.create_database() for _ in range(DATABASES)]
        user = User(postgres, postgres.create_database())
        user.start()
        names = [f"many-{number}" for number in range(DATABASES)]
        for name, database in zip(names, databases, strict=True):
            team.apply(secret(name, connection_values(database)), resource(name, secret_name=name))
        for name in names:
            team.wait_for(name, "Ready", "True", seconds=60)
        user.stopped.set()
        user.join()
        assert user.refused == []
        assert user.logins > 0
        assert 0 < user.most <= PLACES + 1  # a backend that ends is seen a moment longer
        assert sessions(postgres, databases) <= 1.5 * DATABASES, "logins that one each would do for"
        told = {event["reason"] for event in team.events()}
        assert told == {"SchemaMigrated", "TemplatesWritten", "Ready"}
        wait_until(lambda: operator.get("/ready")[0] == 200, what="it still watches", seconds=10)
