"""A folder of migrations and a database, for our command line and golang-migrate's."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from click.testing import Result

from tests.database.programs import dashdb_here
from tests.support.binaries import golang_migrate
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer


@dataclass(frozen=True)
class Folder:
    """Files of migrations, and the database to which they are applied."""

    server: PostgresServer
    database: Database
    path: Path

    def write(self, contents: Mapping[str, str]) -> None:
        """Write files as they are, with no other half."""
        for name, text in contents.items():
            (self.path / name).write_text(text, encoding="utf-8")

    def dashdb(self, *arguments: str) -> Result:
        """Run `dashdb migrate` in this process."""
        return dashdb_here(self.database.environ, "migrate", *arguments, "--path", str(self.path))

    def golang_migrate(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(golang_migrate()), "-path", str(self.path), "-database", self.database.dsn, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def ask(self, sql: str) -> str:
        """Return the answer to a query of the superuser, one bare value a line."""
        superuser = replace(self.server.superuser, name=self.database.name)
        return self.server.psql(superuser, sql=sql, args=("-At",)).strip()

    def set_for_role(self, setting: str) -> None:
        """Give the database's owner a default of its own."""
        self.server.psql(self.server.superuser, sql=f"ALTER ROLE {quoted(self.database.user)} SET {setting}")

    def tables(self) -> set[str]:
        own = "('schema_version', 'schema_version_detail', 'schema_migrations')"
        listed = f"SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN {own}"
        return set(self.ask(listed).split())
