"""All faults of the table, with the reasons that the product has to report."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from benchmarks.faults.fault import Case, Fault, to_answer, to_connect
from benchmarks.faults.real import Pooled, Postgres
from benchmarks.scripted import BLACK_HOLE, PLAIN_PASSWORD, SCRIPTS, scripted_servers
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.target import SslMode, Target
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer

KEEP_NOTHING = {"server_idle_timeout": "1"}
"""Settings of PgBouncer that drop its connections to databases of earlier runs, which would fill the server."""
CONNECTING = {
    BLACK_HOLE: "Timeout",
    "mute from the start": "Timeout",
    "mute after the first message": "Timeout",
    "mute in the middle of SCRAM": "Timeout",
    "one byte at a time": "Timeout",
    "a SCRAM bomb: 2,000,000,000 rounds": "LoginTooCostly",
    "asks for Kerberos": "LoginMethodUnsupported",
    "speaks HTTP": "NotPostgreSQL",
    "endless notices before the login": "NotPostgreSQL",
    "recovery in progress": "ServerNotReady",
    **{name: "ConnectionLost" for name in SCRIPTS if name.startswith("hangs up")},
}
"""Scripts that refuse the login, and the reason for each."""
ANSWERING = {
    "mute after the login": "Timeout",
    "endless notices after the login": "AnswerTooLarge",
    "nonsense after the login": "ProtocolViolation",
    "full disk": "DiskFull",
}
"""Scripts that accept the login, and the reason for each."""


@contextmanager
def all_faults(timeout: float) -> Iterator[list[Fault]]:
    """Yield the rows, with their servers running for the duration of a `with`; TIMEOUT is in seconds."""
    with scripted_servers() as ports, PostgresServer(18) as server, PgBouncer(server, settings=KEEP_NOTHING) as pooler:
        limits = {"connect_timeout": timeout, "query_timeout": timeout}
        postgres = Postgres(server, limits)
        yield [*_of_postgres(postgres), *_of_pgbouncer(Pooled(postgres, pooler)), *_scripted(ports, limits)]


@asynccontextmanager
async def _script(port: int, limits: dict[str, Any], ssl_mode: SslMode = SslMode.DISABLE) -> AsyncIterator[Case]:
    target = Target("127.0.0.1", port, "perses", "ann", "secret", ssl_mode, **limits)
    yield Case(Pool(target, PoolSettings()))


def _scripted(ports: dict[str, int], limits: dict[str, Any]) -> list[Fault]:
    plain = {name: partial(_script, port, limits) for name, port in ports.items()}
    over_tls = partial(plain[PLAIN_PASSWORD], SslMode.REQUIRE)
    return [
        Fault(PLAIN_PASSWORD, over_tls, ("PlaintextPasswordRefused",), to_connect),
        *(Fault(name, plain[name], (reason,), to_connect) for name, reason in CONNECTING.items()),
        *(Fault(name, plain[name], (reason,), to_answer) for name, reason in ANSWERING.items()),
    ]


def _of_postgres(at: Postgres) -> list[Fault]:
    return [
        Fault("none: a healthy PostgreSQL", at.nothing_wrong, ("Healthy",), to_answer),
        Fault("frozen while it is dialled", partial(at.frozen, warmed=False), ("Timeout",), to_connect),
        Fault("frozen before a check", partial(at.frozen, warmed=True), ("Timeout",), to_answer),
        Fault("frozen while a query runs", at.frozen_in_a_query, ("Timeout",), to_answer),
        Fault("frozen before the pool closes", at.frozen_before_close, ("Healthy",), to_answer),
        Fault("restart, fast", partial(at.restarted, "fast"), ("Healthy",), to_answer),
        Fault("restart, immediate", partial(at.restarted, "immediate"), ("Healthy",), to_answer),
        Fault("session ended while a query runs", at.ended_in_a_query, ("ConnectionLost",), to_answer),
        Fault("stopped", at.stopped, ("ConnectionRefused",), to_connect),
        Fault("failover to a server that is read-only", at.failed_over, ("ReadOnly",), to_answer),
        Fault("role without connections left", at.without_connections, ("TooManyConnections",), to_connect),
        Fault("pool exhausted", at.exhausted, ("PoolExhausted",), to_connect),
        Fault("TLS refused", at.without_tls, ("TLSUnsupported",), to_connect),
    ]


def _of_pgbouncer(at: Pooled) -> list[Fault]:
    # A PgBouncer from 1.21 on keeps the statements of its clients apart, declared or not.
    mixed_up = ("PoolerNotDeclared", "Healthy")
    return [
        Fault("PgBouncer: PostgreSQL frozen behind it", at.server_frozen, ("Timeout",), to_answer),
        Fault("PgBouncer: PostgreSQL stopped behind it", at.server_stopped, ("Timeout",), to_answer),
        Fault("PgBouncer restarted", at.restarted, ("Healthy",), to_answer),
        Fault("PgBouncer that nobody declared", at.not_declared, mixed_up, to_answer),
    ]
