"""A real PgBouncer in transaction mode before a test server: started in a moment, gone for certain afterwards.

with PostgresServer() as server, PgBouncer(server) as pooler:
    database = pooler.before(server.create_database())
"""

import csv
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.database import Database
from tests.support.pgbouncer_parts import command, pgbouncer, runnable
from tests.support.postgres import PostgresServer, PsqlError, clean_environ
from tests.support.postgres_parts import client
from tests.support.processes import (
    KeptProcess,
    SupportError,
    free_port,
    new_folder,
    remove_folder,
    unprivileged_account,
    wait_until,
)

# Whoever logs in is looked up in the server itself, so that every role works from the moment it is created.
LOOK_UP = "SELECT usename, passwd FROM pg_catalog.pg_shadow WHERE usename = $1"


class PgBouncer:
    """PgBouncer on a free port of 127.0.0.1 for every database and role of SERVER, and without TLS of its own."""

    def __init__(
        self, server: PostgresServer, *, pool_size: int = 2, settings: Mapping[str, str] | None = None
    ) -> None:
        """POOL_SIZE connections to the server for each pair of database and role; SETTINGS are PgBouncer's own."""
        self.host = "127.0.0.1"
        self.port = free_port()
        self._server = server
        self._settings = {"default_pool_size": str(pool_size), **(settings or {})}
        self._account = unprivileged_account()
        self._process: KeptProcess | None = None
        self._folder: Path | None = None
        self._program: Path | None = None

    def __enter__(self) -> Self:
        self._folder = new_folder("dashdb-pgbouncer-", self._account)
        try:
            self._program = runnable(pgbouncer(), self._account, self._folder)
            self._configure(self._folder)
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self.stop()
        if self._folder is not None:
            remove_folder(self._folder)

    def _configure(self, folder: Path) -> None:
        superuser = self._server.superuser
        settings = {
            "listen_addr": self.host,
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "pool_mode": "transaction",
            "auth_type": "scram-sha-256",
            "auth_file": str(folder / "users"),
            "auth_user": superuser.user,
            "auth_query": LOOK_UP,
            "admin_users": superuser.user,
            "server_tls_sslmode": superuser.sslmode,
            "server_login_retry": "1",  # seconds after which a server that was away is tried again
            "ignore_startup_parameters": "extra_float_digits",  # what most clients say, as PgBouncer's manual advises
            **self._settings,
        }
        lines = [f"{name} = {value}\n" for name, value in settings.items()]
        databases = f"[databases]\n* = host={self._server.host} port={self._server.port}\n"
        self._write(folder / "users", f'"{superuser.user}" "{superuser.password}"\n')
        self._write(folder / "pgbouncer.ini", f"{databases}[pgbouncer]\n{''.join(lines)}")

    def _write(self, path: Path, text: str) -> None:
        """A file that only the account which runs PgBouncer can read."""
        path.touch(mode=0o600)
        path.write_text(text)
        if self._account is not None:
            os.chown(path, self._account.uid, self._account.gid)

    @property
    def folder(self) -> Path:
        """Folder of PgBouncer's configuration and its log (`log`)."""
        if self._folder is None:
            raise SupportError("use PgBouncer in a `with` statement")
        return self._folder

    def start(self) -> None:
        """Start on the same port, after stop(); returns when connections are taken."""
        if self._process is not None or self._program is None:
            raise SupportError("PgBouncer already runs, or is not in a `with` statement")
        arguments = command(self._program, str(self.folder / "pgbouncer.ini"))
        self._process = KeptProcess(arguments, log=self.folder / "log", folder=self.folder, account=self._account)
        wait_until(self._listens, what="PgBouncer listens", seconds=10, process=self._process)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
            return True
        return False

    def stop(self) -> None:
        """End it at once, with every connection to it and every one of its own."""
        if self._process is None:
            raise SupportError("PgBouncer is stopped")
        self._process.stop(signal.SIGQUIT)
        self._process = None

    def before(self, database: Database) -> Database:
        """DATABASE as its clients reach it through PgBouncer."""
        return replace(database, host=self.host, port=self.port, sslmode="disable")

    def show(self, what: str) -> list[dict[str, str]]:
        """The rows of the admin console's `SHOW WHAT`, such as `pools`, `servers` or `clients`."""
        superuser = self._server.superuser
        login = {"PGHOST": self.host, "PGPORT": str(self.port), "PGDATABASE": "pgbouncer"}
        login |= {"PGUSER": superuser.user, "PGPASSWORD": superuser.password, "PGSSLMODE": "disable"}
        done = subprocess.run(
            [client("psql"), "-X", "--csv", "-c", f"SHOW {what}"],
            env=clean_environ() | login,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PsqlError(f"psql ended with {done.returncode}: {done.stderr}")
        return list(csv.DictReader(done.stdout.splitlines()))
