"""Every environment variable, typed and frozen; no I/O: the environment comes in as a mapping. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from controller.database.target import Pooler, SslMode, Target
from controller.database.values import PoolSettings
from controller.durations import parse_duration
from controller.errors import ConfigurationError

T = TypeVar("T")

_LARGEST_PORT = 65535
_MOST_CONNECTIONS = 10000
_CONNECTION_VARIABLES = ("DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_SSLMODE")
_URL_OPTIONS = ("sslmode", "connect_timeout", "application_name")


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """The database of the sidecar and of the command line."""

    target: Target
    pool: PoolSettings


def database_settings(environment: Mapping[str, str], *, url: str | None, pooler: Pooler) -> DatabaseSettings:
    """The database that the twelve `DB_*` variables or a URL name; never both.

    | variable | default | means |
    |---|---|---|
    | DB_HOST, DB_NAME, DB_USER, DB_PASSWORD | none, required | where and as whom |
    | DB_PORT | 5432 | TCP port |
    | DB_SSLMODE | require | disable, require, verify-ca, verify-full |
    | DB_MAX_OPEN_CONNS | 50 | connections at most |
    | DB_MAX_IDLE_CONNS | 10, or DB_MAX_OPEN_CONNS if less | idle connections kept |
    | DB_CONN_MAX_LIFETIME | 5m | age at which a connection is replaced |
    | DB_CONN_MAX_IDLE_TIME | 1m | idle time after which one is closed |
    | DB_CONNECT_TIMEOUT | 10s | for dialling and logging in |
    | DB_QUERY_TIMEOUT | 30s | for one query; migrations are exempt |

    Args:
        url: of `--database-url`, else of DATABASE_URL.

    Raises:
        ConfigurationError: one line that names the variable, its value (never a password) and what is accepted.
    """
    read = _Reader(environment)
    max_open = read("DB_MAX_OPEN_CONNS", "50", _integer(1, _MOST_CONNECTIONS))
    pool = PoolSettings(
        max_open=max_open,
        max_idle=read("DB_MAX_IDLE_CONNS", str(min(10, max_open)), _integer(0, _MOST_CONNECTIONS)),
        max_lifetime=read("DB_CONN_MAX_LIFETIME", "5m", _positive_duration),
        max_idle_time=read("DB_CONN_MAX_IDLE_TIME", "1m", _positive_duration),
    )
    if pool.max_idle > pool.max_open:
        raise ConfigurationError(
            f"DB_MAX_IDLE_CONNS is {pool.max_idle}, above DB_MAX_OPEN_CONNS, {pool.max_open}. Lower the first."
        )
    timeouts = (
        read("DB_CONNECT_TIMEOUT", "10s", _positive_duration),
        read("DB_QUERY_TIMEOUT", "30s", _positive_duration),
    )
    if not url:
        return DatabaseSettings(_from_variables(read, timeouts, pooler), pool)
    if also := [name for name in _CONNECTION_VARIABLES if environment.get(name)]:
        raise ConfigurationError(f"Both a database URL and {', '.join(also)} are given. Remove one or the other.")
    return DatabaseSettings(_from_url(url, timeouts, pooler), pool)


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __call__(self, name: str, default: str | None, parse: Callable[[str], T]) -> T:
        value = self._environment.get(name) or default
        if value is None:
            raise ConfigurationError(f"{name} is not set. Set it, or give --database-url.")
        try:
            return parse(value)
        except ValueError as error:
            raise ConfigurationError(f"{name}={value!r} is {error}.") from None


def _from_variables(read: _Reader, timeouts: tuple[float, float], pooler: Pooler) -> Target:
    return Target(
        host=read("DB_HOST", None, str),
        port=read("DB_PORT", "5432", _integer(1, _LARGEST_PORT)),
        database=read("DB_NAME", None, str),
        user=read("DB_USER", None, str),
        password=read("DB_PASSWORD", None, str),
        ssl_mode=read("DB_SSLMODE", "require", _ssl_mode),
        pooler=pooler,
        connect_timeout=timeouts[0],
        query_timeout=timeouts[1],
    )


def _from_url(url: str, timeouts: tuple[float, float], pooler: Pooler) -> Target:
    """Parsed here and not by the driver, whose messages quote parts of the password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 5432
    except ValueError:
        raise _bad_url(
            "host or port cannot be read; write % for each special character of the password as %25 etc."
        ) from None
    database = unquote(parts.path.lstrip("/"))
    if parts.scheme not in ("postgresql", "postgres"):
        raise _bad_url("it does not begin with postgresql://")
    if not host or not database or not parts.username:
        raise _bad_url("write postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require")
    options = dict(parse_qsl(parts.query))
    for name in options:
        if name not in _URL_OPTIONS:
            raise _bad_url(f"option {name!r} is not known; known are {', '.join(_URL_OPTIONS)}")
    try:
        ssl_mode = _ssl_mode(options.get("sslmode", "require"))
        connect_timeout = _integer(1, 3600)(options["connect_timeout"]) if "connect_timeout" in options else timeouts[0]
    except ValueError as error:
        raise _bad_url(f"an option is {error}") from None
    return Target(
        host=host,
        port=port,
        database=database,
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        ssl_mode=ssl_mode,
        pooler=pooler,
        connect_timeout=connect_timeout,
        query_timeout=timeouts[1],
        application_name=options.get("application_name", "dashdb"),
    )


def _bad_url(problem: str) -> ConfigurationError:
    return ConfigurationError(f"The database URL cannot be used: {problem}.")


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise ValueError(f"not a whole number from {low} to {high}")
        return int(text)

    return parse


def _positive_duration(text: str) -> float:
    if (seconds := parse_duration(text)) <= 0:
        raise ValueError("not above zero; write a duration such as 500ms, 10s or 5m")
    return seconds


def _ssl_mode(text: str) -> SslMode:
    try:
        return SslMode(text)
    except ValueError:
        raise ValueError(f"none of {', '.join(SslMode)}") from None
