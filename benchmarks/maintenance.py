"""Removal of a million audit rows and a million tokens by the operator, while 16 clients insert.

    python -m benchmarks.maintenance [--rows N] [--json]

Half of the audit rows are in months of their own, as with a retention that was always set, and half in the first
partition, as where it was set later. The clients insert audit rows and tokens without a pause, for some seconds alone,
which is the floor, and then until nothing old is left. A look every half second counts what is left.
"""

import asyncio
import json
import time
from dataclasses import asdict, dataclass, field, replace

import asyncpg
import click
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn
from rich.table import Table

from benchmarks.parts import Parts, ReadyWatch, real_parts
from tests.support.resources import connection_values, resource, secret

CLIENTS, ALONE_SECONDS, LOOK_SECONDS = 16, 10.0, 0.5
MONTHS, RETENTION_DAYS, INTERVAL_SECONDS = 18, 365, 60
PATIENCE_SECONDS = 900

_BACK = "(date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month' * {months})::date"
_SPLIT = f"SELECT partition_audit_log({_BACK.format(months='$1::int')})"
_DASHBOARD = """
INSERT INTO dashboard (id, name, project, doc, created_by, updated_by) VALUES ('d', 'D', 'p', '{}', 'ann', 'ann')
"""
# $1 rows, $2 the youngest day and $3 the number of days before it over which they are spread.
_AUDIT = """
INSERT INTO audit_log (id, timestamp, recorded_on, user_id, action, resource_type, resource_id, project_id, result)
SELECT nextval('audit_log_id_seq'), day::timestamp AT TIME ZONE 'UTC', day, 'user-' || n % 1000, 'dashboard.view',
       'Dashboard', 'dashboard-' || n % 5000, 'project-' || n % 200, 'success'
  FROM generate_series(1, $1::bigint) AS n, LATERAL (SELECT $2::date - (n % $3::bigint)::int AS day) AS at
"""
_TOKENS = """
INSERT INTO share_token (dashboard_id, created_by, created_at, expires_at)
SELECT 'd', 'ann', now() - interval '60 days', now() - interval '59 days' FROM generate_series(1, $1::bigint)
"""
_LEFT = f"""
SELECT (SELECT count(*) FROM audit_log WHERE timestamp < now() - interval '{RETENTION_DAYS} days'),
       (SELECT count(*) FROM share_token WHERE expires_at < now() - interval '30 days')
"""
_INSERTS = (
    "INSERT INTO audit_log (user_id, action, resource_type, resource_id, project_id, result)"
    " VALUES ('ann', 'dashboard.view', 'Dashboard', 'd', 'p', 'success')",
    "INSERT INTO share_token (dashboard_id, created_by) VALUES ('d', 'ann')",
)


@dataclass
class Inserts:
    """Milliseconds of all inserts of one stretch of time."""

    took: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        """Return the milliseconds below which this share of the inserts stayed; 1 is the worst."""
        ordered = sorted(self.took)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True)
class Result:
    """Figures of one run.

    Attributes:
        seconds: from the moment at which the resource asks for the retention until nothing old is left; the first
            round is due within an interval.
        removing_seconds: the same, from the first row that was seen to be gone.
    """

    rows: int
    seconds: float
    removing_seconds: float
    partitions_before: int
    partitions_after: int
    alone_ms: dict[str, float]
    beside_ms: dict[str, float]


async def fill(dsn: str, rows: int, progress: Progress) -> None:
    """Make months, and old rows of each kind; triggers are off, as when rows come back from a dump.

    Args:
        dsn: URL of a superuser's connection.
    """
    task = progress.add_task("old rows", total=4)
    connection = await asyncpg.connect(dsn, server_settings={"session_replication_role": "replica"})
    try:
        await connection.execute(_DASHBOARD)
        for months in range(MONTHS, -1, -1):
            while await connection.fetchval(_SPLIT, months):
                pass
        progress.advance(task)
        first = await connection.fetchval(f"SELECT {_BACK.format(months=MONTHS)} - 1")
        too_old = await connection.fetchval(f"SELECT {_BACK.format(months=13)} - 1")
        for day, days in ((first, 100), (too_old, 31 * (MONTHS - 14))):
            await connection.execute(_AUDIT, rows // 2, day, days, timeout=PATIENCE_SECONDS)
            progress.advance(task)
        await connection.execute(_TOKENS, rows, timeout=PATIENCE_SECONDS)
        await connection.execute("VACUUM (ANALYZE)", timeout=PATIENCE_SECONDS)
        await connection.execute("CHECKPOINT")
        progress.advance(task)
    finally:
        await connection.close()


async def insert_until(dsn: str, done: asyncio.Event) -> Inserts:
    """Insert in `CLIENTS` sessions until DONE."""
    inserts = Inserts()

    async def client() -> None:
        connection = await asyncpg.connect(dsn)
        while not done.is_set():
            for statement in _INSERTS:
                started = time.perf_counter()
                await connection.execute(statement)
                inserts.took.append((time.perf_counter() - started) * 1000)
        await connection.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return inserts


async def until_removed(dsn: str, rows: int, progress: Progress, done: asyncio.Event) -> tuple[float, float]:
    """Return the moments at which the first old row was seen to be gone, and the last."""
    task = progress.add_task("removing", total=2 * rows)
    connection = await asyncpg.connect(dsn)
    first = 0.0
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while left := sum(await connection.fetchrow(_LEFT)):
                progress.update(task, completed=2 * rows - left)
                if left < 2 * rows and not first:
                    first = time.monotonic()
                await asyncio.sleep(LOOK_SECONDS)
        return first or time.monotonic(), time.monotonic()
    finally:
        done.set()
        await connection.close()


async def measure(parts: Parts, dsn: str, rows: int, progress: Progress, name: str) -> Result:
    """Measure the inserts alone, then ask for the retention and measure them until nothing old is left."""
    watcher = await asyncpg.connect(dsn)
    count = "SELECT count(*) FROM audit_log_partitions()"
    before = await watcher.fetchval(count)
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(ALONE_SECONDS, done.set)
    alone = await insert_until(dsn, done)
    done = asyncio.Event()
    maintenance = {"intervalSeconds": INTERVAL_SECONDS, "auditRetentionDays": RETENTION_DAYS}
    await asyncio.to_thread(parts.team.apply, resource(name, secret_name=name, maintenance=maintenance))
    asked = time.monotonic()
    beside, (first, last) = await asyncio.gather(insert_until(dsn, done), until_removed(dsn, rows, progress, done))
    after = await watcher.fetchval(count)
    await watcher.close()
    return Result(rows, last - asked, last - first, before, after, *map(percentiles, (alone, beside)))


def percentiles(inserts: Inserts) -> dict[str, float]:
    return {name: inserts.at(share) for name, share in (("p50", 0.5), ("p99", 0.99), ("worst", 1.0))}


@click.command()
@click.option("--rows", default=1_000_000, type=click.IntRange(min=1000), help="Old rows of each kind.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def main(rows: int, *, as_json: bool) -> None:
    """Measure what inserts wait for while the operator removes old rows."""
    console = Console(stderr=True)
    with real_parts() as parts, Progress(*Progress.get_default_columns(), TimeElapsedColumn(), console=console) as bar:
        database = parts.postgres.create_database()
        parts.team.apply(secret("many", connection_values(database)), resource("many", secret_name="many"))
        watch = ReadyWatch(parts)
        watch.wait_for({"many"}, seconds=60)
        watch.close()
        parts.team.apply(resource("many", secret_name="many", suspend=True))
        asyncio.run(fill(replace(parts.postgres.superuser, name=database.name).dsn, rows, bar))
        result = asyncio.run(measure(parts, database.dsn, rows, bar, "many"))
    if as_json:
        print(json.dumps(asdict(result)))
        return
    table = Table("milliseconds of an insert", *result.alone_ms, title=f"{CLIENTS} clients")
    for what, figures in (("alone", result.alone_ms), ("beside the removal", result.beside_ms)):
        table.add_row(what, *(f"{value:.1f}" for value in figures.values()))
    Console().print(table)
    print(
        f"{rows:,} audit rows and {rows:,} tokens removed in {result.removing_seconds:.0f} s,"
        f" {result.seconds:.0f} s after the resource asked for it (an interval is {INTERVAL_SECONDS} s)."
        f" Partitions: {result.partitions_before} before, {result.partitions_after} after."
    )


if __name__ == "__main__":
    main()
