"""Options and progress output that several commands share."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

import click

from controller.cli.terminal import echo, echo_lines
from controller.config.durations import parse_duration
from controller.database.addresses import Network
from controller.database.fields import integer
from controller.database.target import Pooler
from controller.runtime.log_format import LogFormat

F = TypeVar("F", bound=Callable[..., Any])


class DurationType(click.ParamType[float]):
    """Parameter type for a duration as Go writes it, such as 500ms, 15s or 1h30m; the value is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(f"{value!r} is {error}.", param, ctx)


@dataclass(frozen=True, slots=True)
class Address:
    """Address to listen at; port 0 lets the system choose."""

    host: str
    port: int


class AddressType(click.ParamType[Address]):
    """Parameter type for HOST:PORT."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        host, separator, port = value.rpartition(":")
        try:
            number = integer(0, 65535)(port if separator else "")
        except ValueError:
            self.fail(f"{value!r} is not HOST:PORT, for example 127.0.0.1:8080.", param, ctx)
        return Address(host.strip("[]"), number)


class NetworkType(click.ParamType[Network]):
    """Parameter type for a network, or a single address."""

    name = "cidr"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Network:
        try:
            return ip_network(value)
        except ValueError:
            self.fail(f"{value!r} is no network, for example 10.0.0.0/24 or fd00::/8.", param, ctx)


def listen_option(function: F) -> F:
    """Add the option `--listen`."""
    return click.option(
        "--listen",
        type=AddressType(),
        default="0.0.0.0:8080",
        show_default=True,
        metavar="HOST:PORT",
        help="Address of the probes, health and metrics.",
    )(function)


def tls_options(function: F) -> F:
    """Add the options of TLS for the address of `--listen`."""
    function = click.option(
        "--tls-key",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Key of --tls-certificate, PEM, not encrypted; for example /etc/dashdb/tls.key.",
    )(function)
    return click.option(
        "--tls-certificate",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=(
            "Serve HTTPS with this certificate and its chain, PEM, for example /etc/dashdb/tls.crt. A renewed file is "
            "taken up within 10 s. Default: plain HTTP, since only you can have a certificate for your name."
        ),
    )(function)


def logging_options(default: LogFormat) -> Callable[[F], F]:
    """Add `--log-format` and `--log-level`, which take effect before the command runs."""

    def decorate(function: F) -> F:
        function = click.option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"]),
            default="info",
            show_default=True,
            expose_value=False,
            callback=_set_up_logs,
            help="Least severe messages shown.",
        )(function)
        return click.option(
            "--log-format",
            type=click.Choice([f.value for f in LogFormat]),
            default=default.value,
            show_default=True,
            is_eager=True,
            expose_value=False,
            callback=lambda ctx, _, value: ctx.meta.update(log_format=value, serves=default is LogFormat.JSON),
            help="json: one object per line; text: for people.",
        )(function)

    return decorate


def database_options(function: F) -> F:
    """Add the options that name the database and its pooler."""
    function = click.option(
        "--pooler",
        type=click.Choice(["none", "pgbouncer"]),
        default="none",
        show_default=True,
        callback=lambda _, __, value: Pooler.PGBOUNCER if value == "pgbouncer" else Pooler.NONE,
        help="Pooler in front of PostgreSQL; pgbouncer: in transaction mode.",
    )(function)
    return click.option(
        "--database-url",
        metavar="URL",
        default=lambda: os.environ.get("DATABASE_URL"),
        callback=_warn_of_password,
        help="postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=...; default: DATABASE_URL, else DB_*.",
    )(function)


def _warn_of_password(ctx: click.Context, _: click.Parameter, url: str | None) -> str | None:
    """Warn of a password in an argument, which other users of the machine see in its list of processes."""
    given = ctx.get_parameter_source("database_url") is click.core.ParameterSource.COMMANDLINE
    if given and url and ":" in url.partition("://")[2].rpartition("@")[0]:
        text = "Other users of this machine can read the password in --database-url. Set DATABASE_URL instead."
        echo("Warning: ", fg="yellow", bold=True, err=True, nl=False)
        echo(text, err=True)
    return url


def print_progress(text: str, *, warns: bool = False, **fields: Any) -> None:
    """Print progress on stderr, as text or as a log record, if the logging options ask for it.

    Args:
        text: one line, or several, of which the further ones are indented.
        warns: True for a warning, which is shown with `--log-level warning` as well.
    """
    meta = click.get_current_context().meta
    if meta["log_format"] == LogFormat.JSON:
        import structlog  # noqa: PLC0415 - see _set_up_logs

        log = structlog.get_logger("dashdb")
        (log.warning if warns else log.info)(text, **fields)
    elif meta["log_level"] in ({"debug", "info", "warning"} if warns else {"debug", "info"}):
        echo_lines(text, err=True)


def _set_up_logs(ctx: click.Context, _: click.Parameter, value: str) -> None:
    """Configure logs, except for commands that print text: loading structlog would take half of their time."""
    ctx.meta["log_level"] = value
    if ctx.resilient_parsing:  # a shell asks for completions; nothing runs
        return
    if ctx.meta["log_format"] == LogFormat.JSON or ctx.meta["serves"]:
        from controller.runtime.logs import configure_logs  # noqa: PLC0415

        configure_logs(LogFormat(ctx.meta["log_format"]), value)
