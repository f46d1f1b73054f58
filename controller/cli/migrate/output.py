"""Output of `dashdb migrate` on stdout."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from controller.cli.migrate.findings import summary_of
from controller.cli.migrate.status import State, Status
from controller.cli.terminal import echo, echo_exactly, echo_line
from controller.migrate.plan.data_loss import PossibleLoss
from controller.migrate.plan.model import (
    EMPTY,
    Direction,
    History,
    Origin,
    Plan,
    Step,
    current_version,
    shown_version,
)
from controller.text import one_line

if TYPE_CHECKING:  # imported only by the command that needs them
    from controller.cli.notices import RunNotices
    from controller.migrate.catalog.row_counts import CountedLoss
    from controller.migrate.files.lint import Finding


def print_run(plan: Plan, seconds: float, notices: "RunNotices", *, as_json: bool) -> None:
    """Print the result of a run."""
    if as_json:
        result = {
            "from": shown_version(plan.current),
            "to": shown_version(plan.target),
            "adopted_golang_migrate": plan.adopts,
            "steps": [_step(step) for step in plan.steps],
            "seconds": round(seconds, 3),
            "notices": notices.kept,
            "notices_left_out": notices.left_out,
        }
        click.echo(json.dumps(result))
        return
    if plan.adopts:
        echo(f"Adopted the history of golang-migrate at version {shown_version(plan.current)}.")
    if not plan.steps:
        echo(f"Nothing to do; the schema is at version {shown_version(plan.target)}.")
    else:
        files = "1 file" if len(plan.steps) == 1 else f"{len(plan.steps)} files"
        echo(f"The schema is at version {shown_version(plan.target)}; {files} in {seconds:.2f} s.")


def print_plan(
    plan: Plan, losses: "tuple[CountedLoss, ...]", findings: "tuple[Finding, ...]", *, as_json: bool, with_sql: bool
) -> None:
    """Print the steps of a plan, the data that it loses, squawk's findings, and the hash that approves it.

    Args:
        with_sql: for JSON, the SQL of each step as well.
    """
    if as_json:
        result = {
            "from": shown_version(plan.current),
            "to": shown_version(plan.target),
            "adopts_golang_migrate": plan.adopts,
            "steps": [
                {
                    **_step(s),
                    "transaction": s.transactional,
                    "resume_at": s.resume_at,
                    **({"sql": _sql(s)} if with_sql else {}),
                }
                for s in plan.steps
            ],
            "losses": [_loss(loss) for loss in losses],
            "findings": [asdict(finding) for finding in findings],
            "hash": plan.sha256,
        }
        click.echo(json.dumps(result))
        return
    if plan.adopts:
        echo(f"adopts the history of golang-migrate, at version {shown_version(plan.current)}")
    for step in plan.steps:
        verb = "record" if step.recorded else "apply " if step.direction is Direction.UP else "revert"
        how = ", which runs nothing" if step.recorded else "" if step.transactional else ", statement by statement"
        rest = "" if step.resume_at is None else f", going on at statement {step.resume_at + 1}"
        echo_line(f"{verb} {step.label}{how}{rest}")
    for loss in losses:
        echo_line(describe_loss(loss, "loses "))
    for line in summary_of(findings):
        echo_line(f"lint   {line}")
    if plan.empty:
        echo(f"Nothing to do; the schema is at version {shown_version(plan.target)}.")
    else:
        echo(f"From {plan.span}. Nothing was changed. {plan.sha256}")


def print_sql(plan: Plan) -> None:
    """Print the statements of a plan as SQL, with a comment before each file that says how it runs."""
    parts = [f"-- From {plan.span}. Nothing was changed. {plan.sha256}\n"]
    for step in plan.steps:
        how = "in one transaction with its row in schema_version" if step.transactional else "without a transaction"
        how = "recorded alone, since what it replaces is applied" if step.recorded else how
        parts.append(f"\n-- {one_line(step.label)} ({step.direction}), {how}\n{_sql(step)}\n")
    echo_exactly("".join(parts))


def _sql(step: Step) -> str:
    """Return the text of a step that would run, with a last semicolon: a file, or the rest of one that stopped.

    A file's own BEGIN and COMMIT are not run, and blanks stand in their place, so that lines and columns stay.
    """
    statements, text = step.script.statements, step.script.body
    if step.resume_at == len(statements):
        return ""
    rest = text[statements[step.resume_at].offset :] if step.resume_at else text
    ended = not statements or text.startswith(";", statements[-1].end)
    return rest.rstrip() + ("" if ended else "\n;")


def describe_loss(loss: "CountedLoss", verb: str) -> str:
    """Return one line about a loss: `verb` with a table and its rows, or a statement with its file and line."""
    return f"{loss.text} of {loss.file}" if isinstance(loss, PossibleLoss) else f"{verb} {loss.text}"


def print_version(history: History, *, as_json: bool) -> None:
    """Print the version as `1`, `1 (dirty)` or `none`."""
    dirty = any(row.error is not None for row in history)
    current = max((r.version for r in history if r.error is not None), default=current_version(history))
    if as_json:
        click.echo(json.dumps({"version": None if current == EMPTY else current, "dirty": dirty}))
    else:
        echo(f"{current} (dirty)" if dirty else "none" if current == EMPTY else str(current))


def print_status(status: Status, *, as_json: bool) -> None:
    """Print a row for each version in the files or the history, and why `up` would refuse to run."""
    if as_json:
        problem = status.problem and {"error": status.problem.reason, "message": status.problem.message}
        rows = [asdict(row) | {"applied_at": _rfc_3339(row.applied_at)} for row in status.rows]
        click.echo(json.dumps({"current": status.current, "migrations": rows, "problem": problem}))
    else:
        _print_table(status)


def _print_table(status: Status) -> None:
    from rich.table import Table  # noqa: PLC0415 - the other commands start faster without

    from controller.cli.tables import cell, show  # noqa: PLC0415

    table = Table("version", "description", "state", "applied at", "by", "took", box=None, pad_edge=False)
    for row in status.rows:
        unknown = ", file unknown" if row.state is State.APPLIED and row.file is None else ""
        took = f"{row.duration_ms} ms" if row.origin == Origin.RUN else row.origin or ""
        applied_at = f"{row.applied_at:%Y-%m-%d %H:%M:%SZ}" if row.applied_at else ""
        state, description = cell(row.state + unknown, _COLOURS[row.state]), cell(row.description)
        table.add_row(str(row.version), description, state, applied_at, cell(row.by), took)
    show(table)
    for row in status.rows:
        if row.error:
            echo_line(f"Version {row.version} is half done: {row.error}")
    if status.problem is not None:
        echo("up would refuse: ", fg="red", nl=False)
        echo(status.problem.message)


_COLOURS = {
    State.APPLIED: "green",
    State.PENDING: "yellow",
    State.REVERTED: "dim",
    State.REPLACED: "dim",
    State.DIRTY: "red",
    State.EDITED: "red",
    State.MISSING: "red",
}


def _rfc_3339(moment: datetime | None) -> str | None:
    """Return a time of the history as RFC 3339 writes it, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def _step(step: Step) -> dict[str, Any]:
    named = {"version": step.migration.version, "file": step.label, "direction": step.direction}
    return {**named, "recorded": step.recorded}


def _loss(loss: "CountedLoss") -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(("table", "column", "rows", "statement", "line", "file"))
    if isinstance(loss, PossibleLoss):
        return found | asdict(loss)
    return found | {"table": loss.table, "column": loss.column, "rows": loss.rows}
