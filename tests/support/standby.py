"""A standby of a real PostgreSQL, which holds every commit of its primary and can take its place."""

import shutil
from pathlib import Path

from tests.support.postgres import PostgresServer
from tests.support.postgres_template import give
from tests.support.processes import wait_until

SYNCHRONOUS = "ALTER SYSTEM SET synchronous_standby_names = '*'"
ALONE = "ALTER SYSTEM RESET synchronous_standby_names"
RELOAD = "SELECT pg_reload_conf()"


class Standby(PostgresServer):
    """Standby of a primary, which is stopped for a moment to be copied, and then waits for it at each commit."""

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__(primary.major, settings=primary._settings)
        self._primary = primary
        self._passwords = primary._passwords

    def _prepare(self, folder: Path) -> None:
        """Copy the data, and follow the primary through its unix socket."""
        primary, user = self._primary, self.superuser
        rules = primary.folder / "data" / "pg_hba.conf"
        if "replication" not in rules.read_text():
            rules.write_text(rules.read_text() + "local replication all scram-sha-256\n")
        primary.stop()
        shutil.copytree(primary.folder / "data", folder / "data")
        primary.start()
        login = f"host={primary.folder} port={primary.port} user={user.user} password={user.password}"
        with (folder / "data" / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = '{login}'\n")
        (folder / "data" / "standby.signal").touch()
        give(folder / "data", self._account)

    def _begin(self) -> None:
        """Let the primary wait for it at each commit."""
        for statement in (SYNCHRONOUS, RELOAD):
            self._primary.psql(self._primary.superuser, sql=statement)
        wait_until(self._is_synchronous, what="the standby follows its primary", seconds=30)

    def _is_synchronous(self) -> bool:
        query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        return self._primary.psql(self._primary.superuser, sql=query, args=("-At",)).strip() == "1"

    def take_over(self) -> None:
        """Crash the primary, and serve in its place."""
        self._primary.stop("immediate")
        for statement in ("SELECT pg_promote()", ALONE, RELOAD):
            self.psql(self.superuser, sql=statement)
