"""Environment variables as typed, frozen settings. Pure: the environment comes in as a mapping."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from controller.config.database_url import DatabaseUrl, TlsFiles, parse_database_url
from controller.config.durations import parse_duration
from controller.database import fields
from controller.database.field_names import OF_URL, OF_VARIABLES
from controller.database.pool.values import PoolSettings
from controller.database.target import Pooler, Target
from controller.desired import Desired, DesiredSchema, Maintenance, SchemaPolicy
from controller.errors import ConfigurationError

T = TypeVar("T")

SIDECAR_INTERVAL_SECONDS = 9.0
"""Seconds between two observations of a ready database: with the limit of a check, a server that hangs is told within
15 s."""
SIDECAR_RETRY_SECONDS = 2.0
"""Most seconds between two observations of a database that is not ready: a backend waits for it."""

_MOST_CONNECTIONS = 10000
_CONNECTION_VARIABLES = ("DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_SSLMODE")
_LONGEST_SHOWN = 80
"""Most characters of a value that an error message repeats."""


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Database of the sidecar and of the command line.

    Attributes:
        target: without the contents of `tls_files`; `controller.config.tls_files.with_tls_files` reads them.
    """

    target: Target
    pool: PoolSettings
    tls_files: TlsFiles


def database_settings(environment: Mapping[str, str], *, url: str | None, pooler: Pooler) -> DatabaseSettings:
    """Return the database that the twelve `DB_*` variables or a URL name; never both.

    | variable | default | means |
    |---|---|---|
    | DB_HOST | none, required | name or address of the server, or the folder of its Unix socket |
    | DB_PORT | 5432 | TCP port |
    | DB_NAME | none, required | database |
    | DB_USER | none, required | role to log in as |
    | DB_PASSWORD | none, required | its password |
    | DB_SSLMODE | require | disable, require, verify-ca or verify-full, as libpq |
    | DB_MAX_OPEN_CONNS | 50 | connections at most, 1 to 10000; a request for one more waits for DB_CONNECT_TIMEOUT |
    | DB_MAX_IDLE_CONNS | 10, or DB_MAX_OPEN_CONNS if less | idle connections kept; surplus is closed after a second |
    | DB_CONN_MAX_LIFETIME | 5m | age at which a connection is replaced |
    | DB_CONN_MAX_IDLE_TIME | 1m | idle time after which a connection is closed |
    | DB_CONNECT_TIMEOUT | 10s | time to get a connection: waiting, connecting and logging in together |
    | DB_QUERY_TIMEOUT | 30s | time for one query; migrations have no limit |

    Args:
        url: of `--database-url`, else of DATABASE_URL.

    Raises:
        ConfigurationError: one line that names the variable, its value (never a password) and what is accepted.
    """
    if not url:
        read = _Reader(environment, environment.get("DB_PASSWORD", ""))
        target, tls_files, connect_timeout = _from_variables(read), TlsFiles(), None
    else:
        if also := [name for name in _CONNECTION_VARIABLES if environment.get(name)]:
            raise ConfigurationError(f"Both a database URL and {', '.join(also)} are given. Remove one or the other.")
        parts = parse_database_url(url)
        read = _Reader(environment, parts.password)
        target, tls_files, connect_timeout = _from_url(parts), parts.tls_files, parts.connect_timeout
    usual_connect_timeout = read("DB_CONNECT_TIMEOUT", "10s", _positive_duration)
    target = replace(
        target,
        pooler=pooler,
        password_in_plaintext=True,  # without TLS, as whoever gave these values said
        connect_timeout=connect_timeout or usual_connect_timeout,
        query_timeout=read("DB_QUERY_TIMEOUT", "30s", _positive_duration),
    )
    return DatabaseSettings(target, _pool(read), tls_files)


def to_desired(
    settings: DatabaseSettings, target: Target, *, migrate: bool, seed: bool, schema: str | None, runner_wait: float
) -> Desired:
    """Return the desired state that the options of `dashdb serve` ask for.

    Args:
        target: of `settings`, with the files read.
        migrate: to the newest migration, and keep up maintenance; otherwise the schema is only reported.
        seed: keep the system templates up to date.
        schema: to work in; None for the first of the search_path.
        runner_wait: seconds to wait for another runner.
    """
    policy = SchemaPolicy.AUTOMATIC if migrate else SchemaPolicy.REPORT
    return Desired(
        target=target,
        pool=settings.pool,
        schema=DesiredSchema(policy=policy, name=schema, runner_wait=runner_wait),
        seed_templates=seed,
        maintenance=Maintenance(enabled=migrate),
        interval_seconds=SIDECAR_INTERVAL_SECONDS,
        longest_retry_seconds=SIDECAR_RETRY_SECONDS,
    )


class _Reader:
    """Reader of variables; its errors show the value unless that may hold the password, such as a misplaced URL."""

    def __init__(self, environment: Mapping[str, str], secret: str) -> None:
        self._environment = environment
        self._secret = secret

    def __call__(self, name: str, default: str | None, parse: Callable[[str], T]) -> T:
        value = self._environment.get(name) or default
        if value is None:
            raise ConfigurationError(f"{name} is not set. Set it, or give --database-url.")
        try:
            return parse(value)
        except ValueError as error:
            raise ConfigurationError(f"{name}{self._shown(value)} is {error}.") from None

    def _shown(self, value: str) -> str:
        hidden = "@" in value or len(value) > _LONGEST_SHOWN or (self._secret and self._secret in value)
        return "" if hidden else f"={value!r}"


def _from_variables(read: _Reader) -> Target:
    return Target(
        host=read("DB_HOST", None, fields.host_or_folder),
        port=read("DB_PORT", "5432", fields.port),
        database=read("DB_NAME", None, fields.name),
        user=read("DB_USER", None, fields.name),
        password=read("DB_PASSWORD", None, fields.password),
        ssl_mode=read("DB_SSLMODE", "require", fields.ssl_mode),
        names=OF_VARIABLES,
    )


def _from_url(url: DatabaseUrl) -> Target:
    return Target(
        host=url.host,
        port=url.port,
        database=url.database,
        user=url.user,
        password=url.password,
        ssl_mode=url.ssl_mode,
        application_name=url.application_name,
        names=OF_URL,
    )


def _pool(read: _Reader) -> PoolSettings:
    max_open = read("DB_MAX_OPEN_CONNS", "50", fields.integer(1, _MOST_CONNECTIONS))
    pool = PoolSettings(
        max_open=max_open,
        max_idle=read("DB_MAX_IDLE_CONNS", str(min(10, max_open)), fields.integer(0, _MOST_CONNECTIONS)),
        max_lifetime=read("DB_CONN_MAX_LIFETIME", "5m", _positive_duration),
        max_idle_time=read("DB_CONN_MAX_IDLE_TIME", "1m", _positive_duration),
    )
    if pool.max_idle > pool.max_open:
        raise ConfigurationError(
            f"DB_MAX_IDLE_CONNS is {pool.max_idle}, above DB_MAX_OPEN_CONNS, {pool.max_open}. Lower the first."
        )
    return pool


def _positive_duration(text: str) -> float:
    if (seconds := parse_duration(text)) <= 0:
        raise ValueError("not above zero; write a duration such as 500ms, 10s or 5m")
    return seconds
