"""The last words of a command that fails: text on stderr, or JSON where JSON was asked for."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from enum import Enum, auto
from itertools import pairwise
from typing import Any, NoReturn

import click

from controller.cli.terminal import echo, echo_lines
from controller.errors import DashdbError, ErrorReport
from controller.runtime.log_format import LogFormat

_COMMANDS_WITH_JSON_LOGS = ("serve", "operator")
SHOWN_NOTICES = "notices"
"""Key in the context of a command: the notices that the server sent, as the JSON of the result lists them."""


class Form(Enum):
    """Form of the last words of a command that fails."""

    TEXT = auto()
    JSON = auto()
    """One object on stdout."""
    LOG_RECORD = auto()
    """One object on stderr, with the fields of a log record."""


def asked_form(arguments: Sequence[str]) -> Form:
    """Return the form that the arguments of the program ask for, even if they cannot be understood otherwise."""
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    log_format = "json" if command in _COMMANDS_WITH_JSON_LOGS else "text"
    for argument, following in pairwise((*arguments, "")):
        if argument == "--json":
            return Form.JSON
        if argument == "--log-format":
            log_format = following
        if argument.startswith("--log-format="):
            log_format = argument.partition("=")[2]
    return Form.LOG_RECORD if log_format == "json" else Form.TEXT


def fail(error: DashdbError, *, as_json: bool = False) -> NoReturn:
    """End the program with the error's exit code, after its last words.

    Args:
        as_json: the options ask for JSON on stdout.
    """
    context = click.get_current_context(silent=True)
    meta = context.meta if context else {}
    detailed = meta.get("log_level") == "debug"
    found = error_object(error, detailed=detailed, notices=meta.get(SHOWN_NOTICES, ()))
    form = Form.JSON if as_json else _form_of(meta)
    _end(form, found, lambda: _print(error, detailed=detailed))


def fail_early(error: str, message: str, exit_code: int, show: Callable[[], None] | None = None) -> NoReturn:
    """End the program for a reason that is no error of ours: wrong usage, or a signal.

    Args:
        error: stable CamelCase word.
        show: prints it for people, if that is more than `message`.
    """
    found = _object(error, message, exit_code)
    _end(asked_form(sys.argv[1:]), found, show or (lambda: echo(message, err=True)))


def _form_of(meta: Mapping[str, Any]) -> Form:
    """Return the form that the options of a command ask for, or those of the program if no command was reached."""
    if "log_format" not in meta:
        return asked_form(sys.argv[1:])
    return Form.LOG_RECORD if meta["log_format"] == LogFormat.JSON else Form.TEXT


def _end(form: Form, found: dict[str, Any], show: Callable[[], None]) -> NoReturn:
    if form is Form.JSON:
        click.echo(json.dumps(found))
    elif form is Form.LOG_RECORD:
        time = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        click.echo(json.dumps({**found, "level": "error", "time": time}), err=True)
    else:
        show()
    sys.exit(found["exit_code"])


def error_object(
    error: DashdbError, *, detailed: bool = False, notices: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Return the JSON form of an error; see docs/reference/json.md.

    Args:
        detailed: with PostgreSQL's DETAIL, which repeats rows.
        notices: what the server said before.
    """
    found = _object(error.reason, error.message, error.exit_code)
    found["notices"] = list(notices)
    if error.at is not None:
        found |= asdict(error.at)
    if (report := error.report) is not None:
        found["sqlstate"] = report.sqlstate
        found["postgresql"] = {
            "message": report.message,
            "hint": report.hint or None,
            "context": list(report.context),
            "dependents": list(report.dependents),
            "detail": report.detail or None if detailed else None,
        }
    return found


def _object(error: str, message: str, exit_code: int) -> dict[str, Any]:
    place = dict.fromkeys(("file", "line", "column", "sqlstate", "postgresql"))
    return {"error": error, "message": message, "exit_code": exit_code, **place, "notices": []}


def _print(error: DashdbError, *, detailed: bool) -> None:
    echo(f"{error.reason}: ", fg="red", bold=True, err=True, nl=False)
    echo(error.message, err=True)
    if error.report is not None:
        for line in _lines(error.report, error.message, detailed=detailed):
            echo_lines(line, err=True)


def _lines(report: ErrorReport, message: str, *, detailed: bool) -> list[str]:
    """Return what PostgreSQL says beyond the message, by psql's names."""
    lines = [] if report.message in message else [f"  ERROR:  {report.message}"]
    lines += [f"  DEPENDS:  {each}" for each in report.dependents]
    if detailed and report.detail:
        lines.append(f"  DETAIL:  {report.detail}")
    if report.hint:
        lines.append(f"  HINT:  {report.hint}")
    return lines + [f"  CONTEXT:  {each}" for each in report.context]
