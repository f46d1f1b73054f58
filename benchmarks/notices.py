"""Time of `dashdb migrate up` and of psql to run a file whose DO block raises many notices.

    python -m benchmarks.notices [--json] [--runs N] [--notices N]

Both are whole processes that write to a file, take turns, and run the same file in one transaction on a fresh database.
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
from rich.progress import track

from benchmarks.migration_tools import Command, environment
from tests.support.binaries import psql
from tests.support.database import Database
from tests.support.postgres import PostgresServer, clean_environ

PROGRAMS = ("psql", "dashdb")
FILE = "V1_notices.up.sql"
TEXT = "DO $$ BEGIN FOR n IN 1..{notices} LOOP RAISE NOTICE 'row % of a long migration is done', n; END LOOP; END $$;\n"


def commands(folder: Path, database: Database) -> dict[str, Command]:
    """Return the commands to compare, by name of the program."""
    return {
        "psql": [psql(), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", folder / FILE, database.dsn],
        "dashdb": [sys.executable, "-m", "controller", "migrate", "up", "--path", folder],
    }


def seconds(server: PostgresServer, folder: Path, program: str) -> float:
    """Return the seconds that a process takes, which has to succeed."""
    database, output = server.create_database(), folder / "output"
    # dashdb starts from compiled files, as when it is installed, and leaves none in the project.
    compiled = {"PYTHONPYCACHEPREFIX": str(folder / "compiled"), "PYTHONDONTWRITEBYTECODE": ""}
    command, environ = commands(folder, database)[program], clean_environ() | environment(database) | compiled
    with output.open("w") as file:
        started = time.monotonic()
        done = subprocess.run(command, env=environ, stdout=file, stderr=file, check=False)
        took = time.monotonic() - started
    server.drop_database(database)
    if done.returncode != 0:
        raise RuntimeError(f"{program} ended with {done.returncode}:\n{output.read_text()[-2000:]}")
    return took


@click.command()
@click.option("--runs", default=5, show_default=True, type=click.IntRange(min=1), help="Measured runs of each program.")
@click.option("--notices", default=200_000, show_default=True, type=click.IntRange(min=1), help="Notices of the file.")
@click.option("--json", "as_json", is_flag=True, help="Print medians as one JSON object.")
def main(runs: int, notices: int, *, as_json: bool) -> None:
    """Measure what many notices cost, beside psql."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="dashdb-bench-") as name, PostgresServer(18) as server:
        folder = Path(name)
        (folder / FILE).write_text(TEXT.format(notices=notices))
        (folder / FILE.replace(".up.", ".down.")).write_text("SELECT 1;\n")
        for run in track(range(runs + 1), "notices", console=Console(stderr=True)):
            for program in PROGRAMS:
                took = seconds(server, folder, program)
                if run:  # the first one warms up
                    found.setdefault(program, []).append(took)
    medians = {program: statistics.median(values) for program, values in found.items()}
    ratio = medians["dashdb"] / medians["psql"]
    if as_json:
        print(json.dumps({"seconds": medians, "ratio": ratio, "notices": notices, "runs": runs}))
    else:
        print(f"{notices} notices: dashdb {medians['dashdb']:.2f} s, psql {medians['psql']:.2f} s, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
