"""Times of statements as a service runs them, and what their plans do."""

import asyncio
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.queries.fill import INDEXES, Sizes
from benchmarks.queries.statements import Draw, Statement

RUNS, LEAST_RUNS, SECONDS = 400, 20, 1.0
"""Most and least runs of a statement by one client, and the seconds after which it stops in between."""
WARM_UP = 8
"""Runs before the measured ones: the plan cache decides after five whether it keeps one plan for all values."""
LONGEST_SORT = LONGEST_SCAN = 1000
"""Rows: a table, or a partition, with fewer is read faster without an index."""


@dataclass(frozen=True)
class Times:
    """Milliseconds at three percentiles."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Times":
        ordered = sorted(seconds)
        return cls(*(ordered[min(len(ordered) - 1, len(ordered) * share // 100)] * 1000 for share in (50, 95, 99)))


async def time_statement(connections: Sequence[asyncpg.Connection], statement: Statement, sizes: Sizes) -> Times:
    """Run a statement on all connections at once, with other parameters each time."""
    took: list[float] = []
    draws = [Draw(sizes, random.Random(number)) for number in range(len(connections))]
    await asyncio.gather(*(_run(c, statement, d, WARM_UP, []) for c, d in zip(connections, draws, strict=True)))
    await asyncio.gather(*(_run(c, statement, d, RUNS, took) for c, d in zip(connections, draws, strict=True)))
    return Times.of(took)


async def _run(connection: asyncpg.Connection, statement: Statement, draw: Draw, runs: int, took: list[float]) -> None:
    until = time.perf_counter() + SECONDS
    for number in range(runs):
        parameters = statement.draw(draw)
        started = time.perf_counter()
        await connection.fetch(statement.sql, *parameters)
        done = time.perf_counter()
        took.append(done - started)
        if done > until and number >= min(LEAST_RUNS, runs) - 1:
            return


@dataclass(frozen=True)
class PlansFound:
    """Faults of plans by statement and mode, and the indexes that no plan uses."""

    faults: dict[str, list[str]]
    unused: list[str]


async def write_plans(
    connection: asyncpg.Connection, statements: Sequence[Statement], sizes: Sizes, file: Path
) -> PlansFound:
    """Write two plans of each statement into a file: for known parameters, and one for all of them."""
    faults: dict[str, list[str]] = {}
    unused = {row["indexname"] for row in await connection.fetch(INDEXES)}
    made_of = dict(await connection.fetch(_INDEXES_OF_PARTITIONS))
    with file.open("w") as out:
        for statement in statements:
            out.write(f"## {statement.title}\n{statement.sql}\n")
            for mode in ("force_custom_plan", "force_generic_plan"):
                text, tree = await _explain(connection, statement, sizes, mode)
                out.write(f"\n# {mode}\n{text}\n")
                used = {node["Index Name"] for node in _nodes(tree) if "Index Name" in node}
                unused -= {made_of.get(name, name) for name in used}
                if found := sorted({fault for node in _nodes(tree) for fault in _faults(node)}):
                    faults[f"{statement.title} ({mode})"] = found
            out.write("\n\n")
    return PlansFound(faults, sorted(unused))


_INDEXES_OF_PARTITIONS = """
SELECT i.relname, p.relname
  FROM pg_inherits AS h JOIN pg_class AS i ON i.oid = h.inhrelid JOIN pg_class AS p ON p.oid = h.inhparent
 WHERE i.relkind = 'i'
"""


async def _explain(
    connection: asyncpg.Connection, statement: Statement, sizes: Sizes, mode: str
) -> tuple[str, dict[str, Any]]:
    """Return the plan as text and as a tree, from two runs."""
    parameters = statement.draw(Draw(sizes, random.Random(0)))
    values = f"({', '.join(_literal(value) for value in parameters)})" if parameters else ""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL plan_cache_mode = {mode}; PREPARE measured AS {statement.sql}")
        text = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) EXECUTE measured{values}")
        tree = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT json) EXECUTE measured{values}")
        await connection.execute("DEALLOCATE measured")
    return "\n".join(row[0] for row in text), json.loads(tree)[0]["Plan"]


def _literal(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _faults(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan" and node["Actual Rows"] + node.get("Rows Removed by Filter", 0) > LONGEST_SCAN:
        yield f"reads all of {node['Relation Name']}"
    if node["Node Type"] == "Sort" and node["Plans"][0]["Actual Rows"] > LONGEST_SORT:
        yield f"sorts {node['Plans'][0]['Actual Rows']:.0f} rows"
