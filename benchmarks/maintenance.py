"""Removal of a million audit rows and a million tokens by the operator, while 16 clients insert.

    python -m benchmarks.maintenance [--rows N] [--json]

Half of the audit rows are in months of their own, as with a retention that was always set, and half in the first
partition, as where it was set later. The clients insert audit rows and tokens without a pause, alone until the next
round of maintenance begins, which is the floor, and then until nothing old is left. A look every half second asks
whether anything is.
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
SELECT (SELECT count(*) FROM share_token WHERE expires_at < now() - interval '30 days'),
       EXISTS (SELECT FROM audit_log WHERE timestamp < now() - interval '{RETENTION_DAYS} days')::int
"""
"""Old tokens, which go first, and whether there are old audit rows: a count of those would lock their partitions."""
_INSERTS = (
    "INSERT INTO audit_log (user_id, action, resource_type, resource_id, project_id, result)"
    " VALUES ('ann', 'dashboard.view', 'Dashboard', 'd', 'p', 'success')",
    "INSERT INTO share_token (dashboard_id, created_by) VALUES ('d', 'ann')",
)


@dataclass
class Inserts:
    """Inserts, each with the moment at which it ended and the milliseconds that it took."""

    ended: list[tuple[float, float]] = field(default_factory=list)

    def percentiles(self, begin: float, end: float) -> dict[str, float]:
        """Return the milliseconds below which half, 99 of 100 and all inserts stayed that ended between two moments."""
        ordered = sorted(took for moment, took in self.ended if begin <= moment <= end)
        return {
            name: ordered[min(len(ordered) - 1, int(len(ordered) * share))]
            for name, share in (("p50", 0.5), ("p99", 0.99), ("worst", 1.0))
        }


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
                started = time.monotonic()
                await connection.execute(statement)
                ended = time.monotonic()
                inserts.ended.append((ended, (ended - started) * 1000))
        await connection.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return inserts


async def until_removed(dsn: str, rows: int, progress: Progress, done: asyncio.Event) -> tuple[float, float]:
    """Return the moments at which the first old row was seen to be gone, and the last."""
    task = progress.add_task("removing", total=rows + 1)
    connection = await asyncpg.connect(dsn)
    first = 0.0
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while left := sum(await connection.fetchrow(_LEFT)):
                progress.update(task, completed=rows + 1 - left)
                if left <= rows and not first:
                    first = time.monotonic()
                await asyncio.sleep(LOOK_SECONDS)
        return first or time.monotonic(), time.monotonic()
    finally:
        done.set()
        await connection.close()


async def measure(parts: Parts, dsn: str, rows: int, progress: Progress, name: str) -> Result:
    """Ask for the retention, and measure inserts before the removal begins and from then until nothing old is left."""
    watcher = await asyncpg.connect(dsn)
    count = "SELECT count(*) FROM audit_log_partitions()"
    before = await watcher.fetchval(count)
    done = asyncio.Event()
    inserting = asyncio.create_task(insert_until(dsn, done))
    begun = time.monotonic()
    await asyncio.sleep(ALONE_SECONDS)
    maintenance = {"intervalSeconds": INTERVAL_SECONDS, "auditRetentionDays": RETENTION_DAYS}
    await asyncio.to_thread(parts.team.apply, resource(name, secret_name=name, maintenance=maintenance))
    asked = time.monotonic()
    first, last = await until_removed(dsn, rows, progress, done)
    inserts = await inserting
    after = await watcher.fetchval(count)
    await watcher.close()
    removing = first - 2 * LOOK_SECONDS  # it began between two looks
    alone, beside = inserts.percentiles(begun, removing), inserts.percentiles(removing, last)
    return Result(rows, last - asked, last - first, before, after, alone, beside)


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
