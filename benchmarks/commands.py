"""Time of `dashdb migrate verify` and `plan 0` as a multiple of `up`, for one folder of migrations.

    python -m benchmarks.commands [--json] [--runs N] [--pairs N | --path FOLDER]

Whole processes on fresh databases of one durable server, which take turns; medians. Without a folder, the migrations
make tables, columns, indexes, constraints and functions in turn, each with its down migration.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.migration_tools import environment
from benchmarks.parts import DURABLE
from tests.support.database import quoted
from tests.support.postgres import PostgresServer, clean_environ

COMMANDS = {"up": ("up",), "plan 0": ("plan", "0"), "verify": ("verify",)}
"""Commands in the order in which they run on one database: each needs what those before it left."""
KINDS = (
    (
        "CREATE TABLE t{n} (id bigint PRIMARY KEY, name text NOT NULL, made timestamptz DEFAULT now());",
        "DROP TABLE t{n};",
    ),
    ("ALTER TABLE t{t} ADD COLUMN note{n} text DEFAULT '';", "ALTER TABLE t{t} DROP COLUMN note{n};"),
    ("CREATE INDEX t{t}_{n} ON t{t} (name, made);", "DROP INDEX t{t}_{n};"),
    ("ALTER TABLE t{t} ADD CONSTRAINT c{n} CHECK (name <> '');", "ALTER TABLE t{t} DROP CONSTRAINT c{n};"),
    ("CREATE FUNCTION f{n}() RETURNS int LANGUAGE sql AS 'SELECT {n}';", "DROP FUNCTION f{n}();"),
)


def write(folder: Path, pairs: int) -> None:
    """Write pairs of files, of each kind in turn."""
    for n in range(pairs):
        names = {"n": n, "t": n - n % len(KINDS)}
        for direction, text in zip(("up", "down"), KINDS[n % len(KINDS)], strict=True):
            (folder / f"{n + 1:04}_step.{direction}.sql").write_text(text.format(**names) + "\n")


def seconds(server: PostgresServer, path: Path, cache: Path) -> dict[str, float]:
    """Return the seconds that each command takes on a fresh database; each has to succeed."""
    database = server.create_database()
    server.psql(server.superuser, sql=f"ALTER ROLE {quoted(database.user)} CREATEDB")
    compiled = {"PYTHONPYCACHEPREFIX": str(cache), "PYTHONDONTWRITEBYTECODE": ""}
    environ, found = clean_environ() | environment(database) | compiled, {}
    for name, arguments in COMMANDS.items():
        command = [sys.executable, "-m", "controller", "migrate", *arguments, "--path", str(path)]
        started = time.monotonic()
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        found[name] = time.monotonic() - started
        if done.returncode != 0:
            raise RuntimeError(f"{name} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
    server.drop_database(database)
    return found


@click.command()
@click.option("--runs", default=5, show_default=True, type=click.IntRange(min=1), help="Measured runs of each command.")
@click.option("--pairs", default=180, show_default=True, type=click.IntRange(min=1), help="Pairs of files.")
@click.option("--path", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder with migrations.")
@click.option("--json", "as_json", is_flag=True, help="Print medians as one JSON object.")
def main(runs: int, pairs: int, path: Path | None, *, as_json: bool) -> None:
    """Measure verify and plan 0 beside up."""
    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory(prefix="dashdb-bench-") as name, PostgresServer(18, settings=DURABLE) as server:
        folder = Path(name) / "migrations"
        folder.mkdir()
        write(folder, pairs)
        with Progress(console=Console(stderr=True)) as progress:
            for run in progress.track(range(runs + 1), description="commands"):
                for command, value in seconds(server, path or folder, Path(name) / "compiled").items():
                    if run:  # the first one warms up
                        took[command].append(value)
    medians = {command: statistics.median(values) for command, values in took.items()}
    if as_json:
        print(json.dumps({"seconds": medians, "runs": runs}))
        return
    table = Table("command", "seconds", "/ up", title=f"Commands beside up, medians of {runs}")
    for command, value in medians.items():
        table.add_row(command, f"{value:.2f}", f"{value / medians['up']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
