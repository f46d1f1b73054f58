"""A real PostgreSQL server for one test run: started in about a second, gone for certain afterwards.

with PostgresServer(major=15) as server:
    database = server.create_database()
    server.psql(database, sql="SELECT 1")
"""

import os
import secrets
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.support.certificates import Certificates, issue_certificates
from tests.support.database import Database, quoted
from tests.support.postgres_parts import Major, client, postgres_bin, version_of
from tests.support.postgres_template import SUPERUSER, copy_template
from tests.support.processes import (
    KeptProcess,
    SupportError,
    free_port,
    new_folder,
    quick_root,
    remove_folder,
    tail,
    temporary_root,
    unprivileged_account,
    wait_until,
)

# What makes a server for tests fast. Only a crash of the whole machine could lose data by it, not one of the
# server, so stop("immediate") and start() still recover as in production.
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}


class PsqlError(SupportError):
    """Error of psql; the message is its output."""


class PostgresServer:
    """PostgreSQL on a free port of 127.0.0.1; passwords are random and asked for on every way in."""

    def __init__(self, major: Major = 18, *, tls: bool = False, settings: Mapping[str, str] | None = None) -> None:
        """Take server parameters as SETTINGS, like {"max_connections": "20"}; with TLS, refuse plain connections."""
        self.major: Major = major
        self.tls = tls
        self.host = "127.0.0.1"
        self.port = free_port()
        self._settings = {**FAST, **(settings or {})}
        self._account = unprivileged_account()
        self._passwords: dict[str, str] = {}
        self._process: KeptProcess | None = None
        self._folder: Path | None = None
        self._certificates: Certificates | None = None

    @property
    def release(self) -> int:
        """Major version of the programs that run: that of DASHDB_POSTGRESQL in the place of 18."""
        return int(version_of(postgres_bin(self.major, tls=self.tls)).partition(".")[0])

    def __enter__(self) -> Self:
        durable = self._settings["fsync"] == "on"
        self._folder = new_folder("dashdb-pg-", self._account, root=temporary_root() if durable else quick_root())
        try:
            self._prepare(self._folder)
            self.start()
            self._begin()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.stop("immediate")
        if self._folder is not None:
            remove_folder(self._folder)

    def _prepare(self, folder: Path) -> None:
        """Data, access rules and certificates; the superuser's password is the template's until we start."""
        programs = postgres_bin(self.major, tls=self.tls)
        self._passwords[SUPERUSER] = copy_template(programs, folder / "data", self._account)
        kind = "hostssl" if self.tls else "host"
        rules = f"local all all scram-sha-256\n{kind} all all 127.0.0.1/32 scram-sha-256\n"
        (folder / "data" / "pg_hba.conf").write_text(rules)
        if self.tls:
            self._certificates = issue_certificates(folder / "tls", owner=self._account)

    def _begin(self) -> None:
        """Change the superuser's password, once it runs."""
        password = secrets.token_urlsafe(18)
        self._run_psql(self.superuser, sql=f"ALTER ROLE {SUPERUSER} PASSWORD '{password}'")
        self._passwords[SUPERUSER] = password

    @property
    def folder(self) -> Path:
        """Folder of the server's data (`data`), its log (`log`) and its unix socket."""
        if self._folder is None:
            raise SupportError("use PostgresServer in a `with` statement")
        return self._folder

    @property
    def log(self) -> str:
        """All that the server has written to its log."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def ca_pem(self) -> str:
        """The certificate of the authority that signed the server's, in PEM."""
        if self._certificates is None:
            raise SupportError("this server has no TLS")
        return self._certificates.ca.read_text()

    @property
    def superuser(self) -> Database:
        """The way in for looking from outside, blocking or terminating; the product itself never gets it."""
        return self._database("postgres", SUPERUSER)

    @property
    def passwords(self) -> set[str]:
        """All passwords of roles, which nobody may ever read."""
        return set(self._passwords.values())

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        return self._running().pid

    def start(self) -> None:
        """Start on the same port and data, after stop(); returns when connections are served."""
        if self._process is not None and self._process.running:
            raise SupportError("PostgreSQL already runs")
        folder = self.folder
        program = postgres_bin(self.major, tls=self.tls) / "postgres"
        command: list[str | Path] = [program, "-D", folder / "data", *self._options()]
        self._process = KeptProcess(
            command, log=folder / "log", folder=folder, account=self._account, environ=clean_environ()
        )
        wait_until(self._is_ready, what="PostgreSQL serves", seconds=30, process=self._process)

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            **self._settings,
        }
        if self._certificates is not None:
            settings |= {
                "ssl": "on",
                "ssl_cert_file": str(self._certificates.certificate),
                "ssl_key_file": str(self._certificates.key),
            }
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _is_ready(self) -> bool:
        """The last line of postmaster.pid is the server's own word on whether it accepts connections."""
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self._running().pid) and lines[7].strip() in ("ready", "standby")

    def _running(self) -> KeptProcess:
        if self._process is None:
            raise SupportError("PostgreSQL is stopped")
        return self._process

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """`fast` ends every session and shuts down in order; after `immediate`, a crash, start() recovers."""
        number = signal.SIGINT if mode == "fast" else signal.SIGQUIT
        self._running().stop(number)
        self._process = None

    def freeze(self) -> None:
        """Let the whole server hang: connections stay open, new ones are taken but never answered."""
        self._running().freeze()

    def thaw(self) -> None:
        self._running().thaw()

    def create_database(self, name: str | None = None, *, owner: str | None = None, options: str = "") -> Database:
        """A database whose owner is a role of its own, with no other right; names are random unless given.

        An OWNER that an earlier call made is used again, so that several databases can share one. OPTIONS are those of
        CREATE DATABASE.
        """
        name = name or f"db_{secrets.token_hex(5)}"
        owner = owner or f"owner_{secrets.token_hex(5)}"
        statements = [f"CREATE DATABASE {quoted(name)} OWNER {quoted(owner)} {options};"]
        if owner not in self._passwords:
            self._passwords[owner] = secrets.token_urlsafe(18)
            statements.insert(0, f"CREATE ROLE {quoted(owner)} LOGIN PASSWORD '{self._passwords[owner]}';")
        self._run_psql(self.superuser, sql="\n".join(statements))
        return self._database(name, owner)

    def drop_database(self, database: Database) -> None:
        """Drop it with the sessions that still use it; its owner stays."""
        self._run_psql(self.superuser, sql=f"DROP DATABASE IF EXISTS {quoted(database.name)} WITH (FORCE);")

    def psql(self, database: Database, *, sql: str = "", file: Path | None = None, args: tuple[str, ...] = ()) -> str:
        """Run the real psql as DATABASE's user, stop at the first error, and return what it printed.

        With ("-At",) as ARGS the answer is bare values. Statements run one by one, not as one transaction.
        """
        return self._run_psql(database, sql=sql, file=file, args=args)

    def _run_psql(self, database: Database, *, sql: str, file: Path | None = None, args: tuple[str, ...] = ()) -> str:
        """Through the unix socket, because the wheel's psql was built without TLS."""
        source = ["-f", str(file)] if file else []
        command = [str(client("psql")), "-X", "-v", "ON_ERROR_STOP=1", *source, *args]
        login = {"PGHOST": str(self.folder), "PGPORT": str(self.port), "PGDATABASE": database.name}
        login |= {"PGUSER": database.user, "PGPASSWORD": database.password, "PGCONNECT_TIMEOUT": "10"}
        environ = clean_environ() | login
        done = subprocess.run(command, input=sql, env=environ, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PsqlError(f"psql ended with {done.returncode}: {done.stderr or tail(self.folder / 'log')}")
        return done.stdout

    def _database(self, name: str, user: str) -> Database:
        sslmode: Literal["disable", "require"] = "require" if self.tls else "disable"
        return Database(self.host, self.port, name, user, self._passwords[user], sslmode)


def clean_environ() -> dict[str, str]:
    """Our environment without what would steer PostgreSQL's programs elsewhere, and with plain messages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}
