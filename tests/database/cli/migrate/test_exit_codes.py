"""Exit codes of `dashdb` when it cannot do its work, through the real entry point, as a process of its own."""

import os
import pty
import select
import signal
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from controller.database.connection import connected
from controller.database.target import Target
from tests.database.engine import take_lock
from tests.database.programs import DASHDB, dashdb, environ, write_migrations
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until

A = {"V1_a.up.sql": "CREATE TABLE a ()", "V1_a.down.sql": "DROP TABLE a"}


async def test_another_runner_that_does_not_let_go_is_exit_4(
    target: Target, database: Database, tmp_path: Path
) -> None:
    folder = write_migrations(tmp_path, A)
    async with connected(target) as holder:
        await holder.execute("BEGIN")
        await take_lock(holder)
        ended = dashdb(database.environ, "migrate", "up", "--path", str(folder), "--lock-timeout", "100ms")
        await holder.execute("ROLLBACK")
    assert (ended.returncode, ended.stdout) == (4, "")
    *waits, last = ended.stderr.splitlines()
    assert waits
    assert all(line.startswith("V1_a.up.sql waits for dashdb from 127.0.0.1 (backend ") for line in waits)
    assert last.startswith("MigrationLocked: V1_a.up.sql: gave up waiting for dashdb from 127.0.0.1 (backend ")


async def test_a_terminal_shows_a_file_as_running_only_once_its_run_holds_the_lock(
    target: Target, database: Database, tmp_path: Path
) -> None:
    folder = write_migrations(tmp_path, {"V1_a.up.sql": "CREATE TABLE a (); SELECT pg_sleep(1)"})
    ours, theirs = pty.openpty()
    shown = ""

    def shows(text: str) -> bool:
        nonlocal shown
        if select.select([ours], [], [], 0)[0]:
            shown += os.read(ours, 10_000).decode()
        return text in shown

    async with connected(target) as holder:
        await holder.execute("BEGIN")
        await take_lock(holder)
        command = [*DASHDB, "migrate", "up", "--path", str(folder)]
        with subprocess.Popen(command, env=environ(database.environ), stderr=theirs) as process:  # noqa: ASYNC220
            wait_until(lambda: shows("V1_a.up.sql waits for dashdb from 127.0.0.1"), what="it waits", seconds=20)
            assert "statements" not in shown
            await holder.execute("ROLLBACK")
            wait_until(lambda: shows("statements"), what="it runs the file", seconds=20)
            wait_until(lambda: shows("applied V1_a.up.sql"), what="it is done", seconds=20)
            assert process.wait(10) == 0
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("verb", ["up", "version", "status"])
@pytest.mark.parametrize("way", ["variables", "url", "json"])
def test_a_wrong_password_is_exit_7_and_is_not_shown(database: Database, verb: str, way: str) -> None:
    secret = "s3cr:t/@pass%word"
    wrong = replace(database, password=secret)
    settings = {"DATABASE_URL": wrong.dsn} if way == "url" else wrong.environ
    ended = dashdb(settings, "migrate", verb, *(["--json"] if way == "json" else []))
    assert ended.returncode == 7
    assert "AuthenticationFailed" in (ended.stdout if way == "json" else ended.stderr)
    for hidden in (secret, wrong.dsn, "s3cr", "postgresql://"):
        assert hidden not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_server_that_is_not_there_is_exit_7_in_one_line(database: Database) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gone = replace(database, port=unused.getsockname()[1])
        ended = dashdb(gone.environ, "migrate", "up")
    assert ended.returncode == 7
    assert ended.stderr.startswith("ConnectionRefused: database ")
    assert len(ended.stderr.splitlines()) == 1


def test_a_url_on_the_command_line_is_used(database: Database, tmp_path: Path) -> None:
    folder = write_migrations(tmp_path, A)
    ended = dashdb({}, "migrate", "up", "--path", str(folder), "--database-url", database.dsn)
    warning, applied, *_ = ended.stderr.splitlines()
    assert (ended.returncode, applied.startswith("applied V1_a.up.sql")) == (0, True)
    assert warning.startswith("Warning: Other users of this machine can read the password in --database-url. Set")
    assert database.password not in ended.stderr


def test_a_url_in_the_environment_is_no_reason_to_warn(database: Database) -> None:
    assert dashdb({"DATABASE_URL": database.dsn}, "migrate", "version").stderr == ""


def test_both_ways_to_name_a_database_are_exit_2(database: Database) -> None:
    ended = dashdb(database.environ, "migrate", "version", "--database-url", database.dsn)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Both a database URL and DB_HOST" in ended.stderr
    assert database.password not in ended.stderr


def test_the_packaged_migrations_are_the_default(postgres: PostgresServer, database: Database) -> None:
    assert dashdb(database.environ, "migrate", "up").returncode == 0
    assert dashdb(database.environ, "migrate", "version").stdout == "1\n"
    assert dashdb(database.environ, "migrate", "down", "--all", "--yes").returncode == 0
    assert postgres.psql(database, sql=r"\dt", args=("-At",)) == ""


def test_a_reader_that_goes_away_is_no_failure_of_the_database(database: Database) -> None:
    command = f"{' '.join(DASHDB)} migrate status | true; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", command], env=environ(database.environ), capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout.strip() in ("0", "1")
    assert "ConnectionLost" not in ended.stderr


class OnTerminal:
    """`dashdb migrate down --all` at its question, with a terminal as its standard input."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*DASHDB, "migrate", "down", "--all", "--path", str(folder)],
            env=environ(database.environ), stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        os.close(theirs)
        self.question = ""
        while "[y/N]: " not in self.question:
            assert self.process.stderr is not None
            self.question += os.read(self.process.stderr.fileno(), 1000).decode() or pytest.fail(self.question)
        at_rest = psutil.Process(self.process.pid)
        wait_until(lambda: at_rest.status() == psutil.STATUS_SLEEPING, what="dashdb waits for the answer", seconds=10)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> tuple[int, str]:
        _, err = self.process.communicate(timeout=30)
        os.close(self._ours)
        return self.process.returncode, err.decode()


@pytest.mark.parametrize("answer", ["yes", "no", "end of input", "interrupt"])
def test_on_a_terminal_reverting_asks_first(
    postgres: PostgresServer, database: Database, tmp_path: Path, answer: str
) -> None:
    folder = write_migrations(tmp_path, A)
    dashdb(database.environ, "migrate", "up", "--path", str(folder))
    terminal = OnTerminal(database, folder)
    assert "from version 1 to 0, and lose the data" in terminal.question
    if answer == "interrupt":
        terminal.process.send_signal(signal.SIGINT)
    else:
        terminal.type({"yes": "y\n", "no": "n\n", "end of input": "\x04"}[answer])
    code, err = terminal.end()
    assert code == {"yes": 0, "no": 1, "end of input": 1, "interrupt": 130}[answer]
    assert ("nothing was changed" in err.lower()) is (answer != "yes")
    left = postgres.psql(database, sql="SELECT to_regclass('a') IS NULL", args=("-At",))
    assert left == ("t\n" if answer == "yes" else "f\n")
