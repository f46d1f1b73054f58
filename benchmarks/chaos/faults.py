"""Faults that strike a migration under way, or a database at rest, and what is promised after each."""

import random
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from benchmarks.chaos.stage import INTERVAL_SECONDS, LEASE_SECONDS, START_SECONDS, TIMEOUT_SECONDS, Case, Stage
from controller.operator.work import LIST_SECONDS
from controller.reconcile.loop import ADAPTER_BACKOFF
from tests.support.controlplane import of_an_account
from tests.support.database import quoted
from tests.support.processes import wait_until
from tests.support.standby import Standby

WORK_SECONDS = 5.0
"""Seconds for the rest of the files, templates and status, on a busy machine."""
TAKE_OVER = LEASE_SECONDS + 1 + WORK_SECONDS
"""Promise where the leader is lost: the standby leads within the Lease and a second."""
DATABASE_BACK = INTERVAL_SECONDS + TIMEOUT_SECONDS + WORK_SECONDS
"""Promise where the database is back: Ready within an interval, and a connection that hangs until its timeout."""
API_BACK = ADAPTER_BACKOFF.longest + WORK_SECONDS
"""Promise where the API server is back: a write of the status is tried again after the longest pause at the latest."""
RESTORED = LIST_SECONDS + API_BACK
"""Promise where etcd is restored: watches wait for versions that are to come, until the next list of all resources."""
AWAY_LEASES = 120
"""Time without an API server in durations of the Lease: 30 minutes with the default of 15 s."""
SHORT_AWAY_LEASES = 3
FLAPS = 5
SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"

Strike = Callable[[Case], AbstractContextManager[float]]
"""Function that causes a fault, and undoes at the end of a `with` what is left of it; it yields the time of
`time.monotonic` from which the promise counts."""


@dataclass(frozen=True)
class Fault:
    """Fault, which is one row of the table.

    Attributes:
        runs: number of runs of the whole table.
        promised: seconds until the status says Ready.
        at_rest: it strikes a database that is Ready, else one in the middle of a migration.
        prepare: makes ready what the fault needs, before the resource is applied.
    """

    name: str
    runs: int
    promised: float
    strike: Strike
    at_rest: bool = False
    prepare: Callable[[Stage], None] = lambda _: None


def all_faults(*, short: bool) -> list[Fault]:
    """Return the rows of the table; in the SHORT form the API server is not away for long."""
    away = partial(_api_server_away, seconds=(SHORT_AWAY_LEASES if short else AWAY_LEASES) * LEASE_SECONDS)
    return [
        Fault("leader killed", 200, TAKE_OVER, _leader_killed),
        Fault("leader stopped for longer than its Lease", 50, TAKE_OVER, _leader_stopped),
        Fault("leader cut off from the API server", 50, TAKE_OVER, _leader_cut_off),
        Fault("leader cut off from the database", 50, DATABASE_BACK, _database_cut_off),
        Fault("database killed and started", 50, DATABASE_BACK, _database_restarted),
        Fault("database stopped and continued", 50, DATABASE_BACK, _database_stopped),
        Fault("failover to the standby", 50, DATABASE_BACK, _failed_over, prepare=_add_standby),
        Fault("database dropped and restored", 20, DATABASE_BACK, _database_restored, at_rest=True),
        Fault("password changed", 100, DATABASE_BACK, _password_changed),
        Fault("API server killed and started", 50, API_BACK, _api_server_restarted),
        Fault("API server stopped and continued", 50, API_BACK, _api_server_stopped),
        Fault("API server away for long", 1, API_BACK, away),
        Fault("connections to the API server ended every second", 20, API_BACK, _api_server_flaps),
        Fault("etcd killed and started", 50, API_BACK, _etcd_restarted),
        Fault(
            "etcd restored from a snapshot of before",
            10,
            RESTORED,
            _etcd_restored,
            at_rest=True,
            prepare=lambda stage: stage.cluster.take_snapshot(),
        ),
        Fault("etcd compacted: watches get 410", 50, API_BACK, _etcd_compacted),
    ]


@contextmanager
def _leader_killed(case: Case) -> Iterator[float]:
    leader = case.stage.leader
    leader.kill()
    yield time.monotonic()
    leader.start(wait=False)


@contextmanager
def _leader_stopped(case: Case) -> Iterator[float]:
    """Stop it, and let it go on while the other one works."""
    stage, struck = case.stage, time.monotonic()
    stage.leader.signal(signal.SIGSTOP)
    try:
        stage.pair.wait_for_leader(stage.standby, seconds=START_SECONDS)
    finally:
        stage.leader.signal(signal.SIGCONT)
    yield struck


@contextmanager
def _leader_cut_off(case: Case) -> Iterator[float]:
    stage, struck = case.stage, time.monotonic()
    relay = stage.to_api[stage.leader]
    relay.cut()
    stage.pair.wait_for_leader(stage.standby, seconds=START_SECONDS)
    relay.mend()
    yield struck


@contextmanager
def _database_cut_off(case: Case) -> Iterator[float]:
    case.stage.to_server.cut()
    time.sleep(random.uniform(0, 3 * TIMEOUT_SECONDS))
    case.stage.to_server.mend()
    yield time.monotonic()


@contextmanager
def _database_restarted(case: Case) -> Iterator[float]:
    case.stage.server.stop("immediate")
    case.stage.server.start()
    yield time.monotonic()


@contextmanager
def _database_stopped(case: Case) -> Iterator[float]:
    case.stage.server.freeze()
    time.sleep(random.uniform(0, 3 * TIMEOUT_SECONDS))
    case.stage.server.thaw()
    yield time.monotonic()


def _add_standby(stage: Stage) -> None:
    stage.next_server = Standby(stage.server)
    stage.next_server.__enter__()


@contextmanager
def _failed_over(case: Case) -> Iterator[float]:
    stage, old = case.stage, case.stage.server
    assert stage.next_server is not None
    stage.next_server.take_over()
    stage.server, stage.next_server = stage.next_server, None
    stage.to_server.lead_to(stage.server.port)
    struck = time.monotonic()
    old.__exit__(None, None, None)
    yield struck


@contextmanager
def _database_restored(case: Case) -> Iterator[float]:
    """Drop it, and once that was noticed bring back a copy, with a row of a user."""
    stage, name, copy = case.stage, case.database.name, f"copy_of_{case.database.name}"
    case.ask("INSERT INTO user_preferences (user_id) VALUES ('ann')")
    stage.to_server.cut()  # a database with sessions cannot be copied
    superuser = stage.server.superuser
    stage.server.psql(superuser, sql=SESSIONS.format(name))
    stage.server.psql(superuser, sql=f"CREATE DATABASE {quoted(copy)} TEMPLATE {quoted(name)} OWNER {case.owner}")
    stage.server.drop_database(case.database)
    stage.to_server.mend()
    case.wait_for_not_ready()
    stage.server.psql(superuser, sql=f"ALTER DATABASE {quoted(copy)} RENAME TO {quoted(name)}")
    yield time.monotonic()
    assert case.ask("SELECT count(*) FROM user_preferences") == "1", "the row of a user is gone"


@contextmanager
def _password_changed(case: Case) -> Iterator[float]:
    password = secrets.token_urlsafe(18)
    case.ask(f"ALTER ROLE {case.owner} PASSWORD '{password}'; {SESSIONS.format(case.database.name)}")
    case.database = replace(case.database, password=password)
    case.apply()
    yield time.monotonic()


@contextmanager
def _api_server_restarted(case: Case) -> Iterator[float]:
    case.stage.cluster.stop_apiserver()
    case.stage.cluster.start_apiserver()
    yield time.monotonic()


@contextmanager
def _api_server_stopped(case: Case) -> Iterator[float]:
    case.stage.cluster.freeze_apiserver()
    time.sleep(random.uniform(0, 3 * LEASE_SECONDS))
    case.stage.cluster.thaw_apiserver()
    yield time.monotonic()


@contextmanager
def _api_server_away(case: Case, *, seconds: float) -> Iterator[float]:
    case.stage.cluster.stop_apiserver()
    time.sleep(seconds)
    case.stage.cluster.start_apiserver()
    yield time.monotonic()


@contextmanager
def _api_server_flaps(case: Case) -> Iterator[float]:
    stage = case.stage
    for _ in range(FLAPS):
        time.sleep(1)
        for relay in stage.to_api.values():
            relay.lead_to(stage.cluster.port)
    yield time.monotonic()


@contextmanager
def _etcd_restarted(case: Case) -> Iterator[float]:
    cluster = case.stage.cluster
    cluster.stop_etcd()
    cluster.start_etcd()
    wait_until(cluster.is_answering, what="the API server finds etcd again", seconds=START_SECONDS)
    yield time.monotonic()


@contextmanager
def _etcd_restored(case: Case) -> Iterator[float]:
    """Let the resource never have been applied, and apply it anew: a version number that was there before."""
    case.stage.cluster.restore_snapshot()
    case.apply()
    yield time.monotonic()


@contextmanager
def _etcd_compacted(case: Case) -> Iterator[float]:
    """Let the watches of both replicas ask for what etcd has forgotten, by an API server that knows nothing of it."""
    cluster, since = case.stage.cluster, datetime.now(UTC)
    for relay in case.stage.to_api.values():
        relay.cut()
    cluster.stop_apiserver()
    cluster.compact()
    cluster.start_apiserver()
    for relay in case.stage.to_api.values():
        relay.mend()
    yield time.monotonic()
    ended = [
        event
        for event in cluster.audit_events(since)
        if event["verb"] == "watch" and event["stage"] == "ResponseComplete" and of_an_account(event)
    ]
    assert ended, "no watch was refused"
