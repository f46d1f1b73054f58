"""Time from the start of `kubectl apply` to Ready in an open watch, for one resource and for a hundred at once.

    python -m benchmarks.apply_to_ready

The floor of the same run is the least possible work: `kubectl apply` of a ConfigMap, and `psql -1 -f` of the same
migration on a fresh database; whole processes, each measured alone, in turn with the real ones. For the hundred it is
one `kubectl apply` of a hundred ConfigMaps at the same time as a hundred such psql, two at a time.
"""

import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.parts import Parts, ReadyWatch, real_parts
from controller.migrate.files.folder import packaged_folder
from tests.support.database import Database
from tests.support.resources import connection_values, resource, secret

RUNS = 20
BURST = 100
MIGRATION = packaged_folder() / "V001_initial_schema.up.sql"


def apply_config_map(parts: Parts, number: int) -> float:
    """Return the seconds that kubectl needs to apply a ConfigMap."""
    started = time.monotonic()
    parts.team.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"floor-{number}"}})
    return time.monotonic() - started


def psql_migration(parts: Parts) -> float:
    """Return the seconds that psql needs for the migration on a fresh database."""
    database = parts.postgres.create_database()
    started = time.monotonic()
    parts.postgres.psql(database, file=MIGRATION, args=("-1",))
    return time.monotonic() - started


def apply_to_ready(parts: Parts, watch: ReadyWatch, name: str) -> float:
    """Return the seconds from the start of kubectl to Ready; the Secret exists before."""
    database = parts.postgres.create_database()
    parts.team.apply(secret(name, connection_values(database)))
    started = time.monotonic()
    parts.team.apply(resource(name, secret_name=name))
    watch.wait_for({name}, seconds=60)
    return watch.seen[name] - started


def fresh_databases(parts: Parts) -> dict[str, Database]:
    """Return BURST new databases, with all writes flushed, so that they do not affect the next measurement."""
    databases = {f"burst-{n}": parts.postgres.create_database() for n in range(BURST)}
    parts.postgres.psql(parts.postgres.superuser, sql="CHECKPOINT")
    os.sync()
    return databases


def floor_of_burst(parts: Parts) -> float:
    """Return the seconds for BURST ConfigMaps in one kubectl and, at the same time, BURST migrations by psql."""
    databases = fresh_databases(parts)

    def migrate(database: Database) -> None:
        parts.postgres.psql(database, file=MIGRATION, args=("-1",))

    maps = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"floor-{name}"}} for name in databases]
    started = time.monotonic()
    with ThreadPoolExecutor(1) as kubectl, ThreadPoolExecutor(2) as psql:
        applied = kubectl.submit(parts.team.apply, *maps)
        list(psql.map(migrate, databases.values()))
        applied.result()
    return time.monotonic() - started


def burst(parts: Parts, watch: ReadyWatch) -> float:
    """Return the seconds from the start of one kubectl with BURST resources to the last Ready."""
    databases = fresh_databases(parts)
    parts.team.apply(*(secret(name, connection_values(database)) for name, database in databases.items()))
    started = time.monotonic()
    parts.team.apply(*(resource(name, secret_name=name) for name in databases))
    watch.wait_for(set(databases), seconds=300)
    return max(watch.seen[name] for name in databases) - started


def row(table: Table, what: str, seconds: list[float], floor: float) -> None:
    median = statistics.median(seconds)
    p95 = statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else median
    figures = (f"{value:.3f}" for value in (min(seconds), median, p95))
    table.add_row(what, str(len(seconds)), *figures, f"{median / floor:.2f}")


def main() -> None:
    console = Console()
    kubectl: list[float] = []
    psql: list[float] = []
    ready: list[float] = []
    with real_parts() as parts:
        watch = ReadyWatch(parts)
        apply_to_ready(parts, watch, "warm-up")
        for number in track(range(RUNS), "one at a time", console=Console(stderr=True)):
            kubectl.append(apply_config_map(parts, number))
            psql.append(psql_migration(parts))
            ready.append(apply_to_ready(parts, watch, f"single-{number}"))
        burst_floor = floor_of_burst(parts)
        all_ready = burst(parts, watch)
        watch.close()
    floor = statistics.median(kubectl) + statistics.median(psql)
    table = Table("seconds", "runs", "min", "median", "p95", "median / floor", title="kubectl apply to Ready")
    row(table, "floor: kubectl apply of a ConfigMap", kubectl, floor)
    row(table, "floor: psql -1 -f of the migration", psql, floor)
    row(table, "kubectl apply of a DashboardDatabase to Ready", ready, floor)
    row(table, f"floor: {BURST} ConfigMaps in one kubectl, with {BURST} psql", [burst_floor], burst_floor)
    row(table, f"{BURST} DashboardDatabases at once, all Ready", [all_ready], burst_floor)
    console.print(table)
    print(
        json.dumps(
            {"floor": floor, "ready_median": statistics.median(ready), "burst_floor": burst_floor, "burst": all_ready}
        )
    )


if __name__ == "__main__":
    main()
