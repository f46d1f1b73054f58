"""Options that several commands share, and how they end."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import click

from controller.config.durations import parse_duration
from controller.database.fields import integer
from controller.database.target import Pooler
from controller.errors import DashdbError
from controller.runtime.log_format import LogFormat

F = TypeVar("F", bound=Callable[..., Any])


class DurationType(click.ParamType[float]):
    """Seconds, written as Go does: 500ms, 15s, 1h30m."""

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
    """Where to listen; port 0 lets the system choose."""

    host: str
    port: int


class AddressType(click.ParamType[Address]):
    """HOST:PORT."""

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


def listen_option(function: F) -> F:
    """`--listen`."""
    return click.option(
        "--listen",
        type=AddressType(),
        default="0.0.0.0:8080",
        show_default=True,
        metavar="HOST:PORT",
        help="Probes, health, metrics.",
    )(function)


def logging_options(default: LogFormat) -> Callable[[F], F]:
    """`--log-format` and `--log-level`, already acted upon when the command begins."""

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
            help="json: one object a line; text: for people.",
        )(function)

    return decorate


def database_options(function: F) -> F:
    """Which database: the DB_* variables or a URL, and what stands before it."""
    function = click.option(
        "--pooler",
        type=click.Choice(["none", "pgbouncer"]),
        default="none",
        show_default=True,
        callback=lambda _, __, value: Pooler.PGBOUNCER if value == "pgbouncer" else Pooler.NONE,
        help="What stands before PostgreSQL; PgBouncer in transaction mode.",
    )(function)
    return click.option(
        "--database-url",
        metavar="URL",
        default=lambda: os.environ.get("DATABASE_URL"),
        help="postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=...; default: DATABASE_URL, else DB_*.",
    )(function)


def fail(error: DashdbError, *, as_json: bool = False) -> NoReturn:
    """Ends the program with the error's exit code; the message goes to stderr, its JSON form to stdout."""
    if as_json:
        click.echo(json.dumps({"error": error.reason, "message": error.message, "exit_code": error.exit_code}))
    else:
        click.secho(f"{error.reason}: ", fg="red", bold=True, err=True, nl=False)
        click.echo(error.message, err=True)
    sys.exit(error.exit_code)


def print_progress(text: str, **fields: Any) -> None:
    """One line of progress on stderr, for people or as a log record, as `--log-format` and `--log-level` ask for."""
    meta = click.get_current_context().meta
    if meta["log_format"] == LogFormat.JSON:
        import structlog  # noqa: PLC0415 - see _set_up_logs

        structlog.get_logger("dashdb").info(text, **fields)
    elif meta["log_level"] in {"debug", "info"}:
        click.echo(text, err=True)


def _set_up_logs(ctx: click.Context, _: click.Parameter, value: str) -> None:
    """Verbs for people write lines of their own as text: loading structlog would take half of their time."""
    ctx.meta["log_level"] = value
    if ctx.meta["log_format"] == LogFormat.JSON or ctx.meta["serves"]:
        from controller.runtime.logs import configure_logs  # noqa: PLC0415

        configure_logs(LogFormat(ctx.meta["log_format"]), value)
