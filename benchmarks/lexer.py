"""Time to split ten megabytes of SQL in several shapes, against a floor that only finds each word and sign.

    python -m benchmarks.lexer [--json] [--megabytes N]

The floor is one pass of `re.finditer` over the same text in the same run, which finds words, blanks and signs and
nothing else. Medians of three.
"""

import json
import re
import statistics
import time
from collections.abc import Callable
from contextlib import suppress

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from controller.errors import MigrationFileError
from controller.migrate.sql.lexer import split

RUNS = 3
SHAPES = {
    "INSERT statements": ("", "INSERT INTO t (a, b) VALUES (1, 'it''s');\n", ""),
    "one INSERT of many rows": ("INSERT INTO t VALUES ", "(1, 'abc', now()),\n", "(1, 'abc', now())"),
    "functions in PL/pgSQL": ("", "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN END; $$;\n", ""),
    "BEGIN ATOMIC bodies": ("", "CREATE FUNCTION f() RETURNS a BEGIN ATOMIC SELECT CASE a WHEN b THEN c END; END;", ""),
    "tiny statements": ("", "SELECT 1;", ""),
    "comments": ("", "-- a comment; with 'quotes'\n", "SELECT 1"),
    "one string": ("SELECT '", "x", "'"),
    "one dollar quote": ("DO $x$ ", "y;'", "$x$"),
    "nested comments": ("", "/*", "never closed"),
    "open parentheses": ("SELECT ", "(", ""),
    "an open string": ("SELECT '", "it''s ", ""),
}  # fmt: skip
WORD_OR_SIGN = re.compile(r"\w+|\s+|.")


def shaped(name: str, length: int) -> str:
    before, inside, after = SHAPES[name]
    return before + inside * (length // len(inside)) + after


def floor(sql: str) -> None:
    for _ in WORD_OR_SIGN.finditer(sql):
        pass


def cut(sql: str) -> None:
    with suppress(MigrationFileError):  # text that is never closed is refused, which takes time as well
        split(sql, file="benchmark.sql")


def median_seconds(work: Callable[[str], None], sql: str) -> float:
    found = []
    for _ in range(RUNS):
        started = time.process_time()
        work(sql)
        found.append(time.process_time() - started)
    return statistics.median(found)


def measure(name: str, length: int) -> dict[str, float]:
    sql = shaped(name, length)
    seconds, least = median_seconds(cut, sql), median_seconds(floor, sql)
    return {"seconds": seconds, "floor": least, "ratio": seconds / least}


@click.command()
@click.option("--megabytes", default=10, show_default=True, type=click.IntRange(min=1), help="Length of each text.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def main(megabytes: int, *, as_json: bool) -> None:
    """Measure how fast SQL is split into statements."""
    names = track(SHAPES, "shapes", console=Console(stderr=True))
    found = {name: measure(name, megabytes * 1_000_000) for name in names}
    if as_json:
        print(json.dumps({"megabytes": megabytes, "shapes": found}))
        return
    title = f"{megabytes} MB of SQL cut into statements, medians of {RUNS}"
    table = Table("shape", "seconds", "floor, seconds", "ratio", title=title)
    for name, each in found.items():
        table.add_row(name, f"{each['seconds']:.2f}", f"{each['floor']:.2f}", f"{each['ratio']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
