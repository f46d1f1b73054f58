"""Parser of connection URLs as libpq reads them. Pure.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS. Parsed here and not by the driver,
whose messages quote parts of the password, and which sends options that it does not know to the server.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from controller.database import fields
from controller.database.target import SslMode
from controller.errors import ConfigurationError

T = TypeVar("T")

OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "application_name")
_SCHEMES = ("postgresql", "postgres")
_DEFAULT_PORT = "5432"
_FORM = "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require"
_ESCAPE = (
    "write special characters of user, password and options as % and their code: %40 for @, %2F for /, %3F for ?, "
    "%23 for #, %25 for %"
)
_connect_timeout = fields.integer(1, 3600)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Files that hold PEM texts, by libpq's names; a certificate and its key are both given, or neither."""

    sslrootcert: str | None = None
    """None for the system's own store."""
    sslcert: str | None = None
    sslkey: str | None = None


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Parts of a connection URL.

    Attributes:
        connect_timeout: seconds; None where the URL does not say.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    ssl_mode: SslMode
    tls_files: TlsFiles
    connect_timeout: float | None
    application_name: str


def parse_database_url(url: str) -> DatabaseUrl:
    """Return the parts of `url`.

    Raises:
        ConfigurationError: one line that says what is wrong; of the URL itself it repeats names of options at most.
    """
    try:
        return _parse(url)
    except UnicodeError:  # a ValueError whose text is not ours
        problem = "a character cannot be read as UTF-8"
    except ValueError as error:
        problem = str(error)
    raise ConfigurationError(f"The database URL cannot be used: {problem}.")


def _parse(url: str) -> DatabaseUrl:
    parts = _split(url)
    options = _options(parts.query)
    return DatabaseUrl(
        host=_checked("the host", fields.host_or_folder, parts.hostname or ""),
        port=_checked("the port", fields.port, str(_DEFAULT_PORT if parts.port is None else parts.port)),
        database=_checked("the database", fields.name, _plain(parts.path[1:])),
        user=_checked("the user", fields.name, _plain(parts.username or "")),
        password=_checked("the password", fields.password, _plain(parts.password or "")),
        ssl_mode=_ssl_mode(options),
        tls_files=_tls_files(options),
        connect_timeout=_option(options, "connect_timeout", _connect_timeout),
        application_name=_option(options, "application_name", fields.name) or "dashdb",
    )


def _split(url: str) -> SplitResult:
    """Split the URL, and refuse one in which a piece of the password could be mistaken for something else.

    An unescaped `/`, `?` or `#` in the password ends the part before the `@` too early; the `@` is then seen behind it.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f"host or port cannot be read; {_ESCAPE}") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError("it does not begin with postgresql://")
    if "@" in parts.path + parts.query or parts.fragment:
        raise ValueError(f"there is an @ or # after the host; {_ESCAPE}")
    if not parts.hostname or not parts.username or len(parts.path) <= len("/"):
        raise ValueError(_FORM)
    if "/" in parts.path[1:]:
        raise ValueError(f"the database's name holds a /; {_ESCAPE}")
    return parts


def _options(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for piece in query.split("&") if query else ():
        text, _, value = piece.partition("=")
        name = _plain(text)
        if not value:
            raise ValueError(f"after the ? there is an option without a value; {_FORM}")
        if name not in OPTIONS:
            raise ValueError(f"option {name!r} is not known; known are {', '.join(OPTIONS)}")
        if name in found:
            raise ValueError(f"option {name!r} is given twice")
        found[name] = _plain(value)
    return found


def _ssl_mode(options: dict[str, str]) -> SslMode:
    """Return the mode as libpq would: the system's store needs verify-full, a file makes `require` check it."""
    mode = _option(options, "sslmode", fields.ssl_mode)
    if options.get("sslrootcert") == "system":
        if mode not in (None, SslMode.VERIFY_FULL):
            raise ValueError(f"option 'sslrootcert' is system, which needs sslmode={SslMode.VERIFY_FULL}")
        return SslMode.VERIFY_FULL
    if mode in (None, SslMode.REQUIRE) and "sslrootcert" in options:
        return SslMode.VERIFY_CA
    return mode or SslMode.REQUIRE


def _tls_files(options: dict[str, str]) -> TlsFiles:
    if ("sslcert" in options) != ("sslkey" in options):
        raise ValueError("options 'sslcert' and 'sslkey' go together; give both or neither")
    root = _option(options, "sslrootcert", _path)
    return TlsFiles(
        None if root == "system" else root, _option(options, "sslcert", _path), _option(options, "sslkey", _path)
    )


def _path(text: str) -> str:
    if not text.isprintable():
        raise ValueError("no path; it holds a character that cannot be printed")
    return text


def _option(options: dict[str, str], name: str, parse: Callable[[str], T]) -> T | None:
    return _checked(f"option {name!r}", parse, options[name]) if name in options else None


def _checked(what: str, parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{what} is {error}") from None


def _plain(text: str) -> str:
    return unquote(text, errors="strict")
