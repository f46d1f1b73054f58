"""`dashdb` as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from controller.cli import root
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until

DASHDB = [sys.executable, "-m", "controller"]


def environ(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours, without what names a database, plus SETTINGS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DB_", "PG", "DATABASE_URL"))}
    return {**kept, **settings}


def dashdb(settings: Mapping[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DASHDB, *arguments],
        env=environ(settings),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def dashdb_here(settings: Mapping[str, str], *arguments: str) -> Result:
    """Run `dashdb` in this process: a second faster than in its own, but without signals and standard input."""
    return CliRunner().invoke(root, arguments, env={"DATABASE_URL": None, **settings})


def write_migrations(folder: Path, contents: Mapping[str, str]) -> Path:
    """Write CONTENTS, texts of up files by name; add a down file that does nothing where none is given."""
    for name, text in contents.items():
        (folder / name).write_text(text)
        down = folder / name.replace(".up.", ".down.")
        if not down.exists():
            down.write_text("SELECT 1;")
    return folder


@dataclass
class Ended:
    code: int
    out: str
    err: str


class Running:
    """A `dashdb` that works at this moment."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def end(self, number: signal.Signals) -> Ended:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return Ended(self.process.returncode, out, err)


@contextmanager
def begun(settings: Mapping[str, str], *arguments: str) -> Iterator[Running]:
    """A `dashdb` that works; killed at the end."""
    process = subprocess.Popen(
        [*DASHDB, *arguments], env=environ(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield Running(process)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def asleep(server: PostgresServer, settings: Mapping[str, str], *arguments: str) -> Iterator[Running]:
    """A `dashdb` whose migration is in the middle of a `pg_sleep`."""
    with begun(settings, *arguments) as running:
        wait_until(lambda: sleepers(server, settings["DB_NAME"]) == 1, what="the migration sleeps", seconds=20)
        yield running


def wait_until_it_waits(process: "subprocess.Popen[str]") -> None:
    """Wait until a `dashdb migrate` has found another runner at work."""
    assert process.stderr is not None
    said = process.stderr.readline()
    assert "waits for dashdb from 127.0.0.1" in said, said


def sleepers(server: PostgresServer, database: str) -> int:
    """Sessions in that database that run a `pg_sleep`."""
    return int(
        server.psql(
            server.superuser,
            sql=f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE '%pg_sleep%'"
            " AND state = 'active'",
            args=("-At",),
        )
    )
