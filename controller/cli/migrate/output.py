"""Output of `dashdb migrate` on stdout."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from controller.cli.terminal import echo, echo_line
from controller.migrate.files.migration import Migration, Migrations
from controller.migrate.plan.data_loss import PossibleLoss
from controller.migrate.plan.model import (
    EMPTY,
    Direction,
    History,
    HistoryRow,
    Origin,
    Plan,
    Step,
    current_version,
    shown_version,
)

if TYPE_CHECKING:  # imported only by the command that needs them
    from controller.migrate.catalog.row_counts import CountedLoss
    from controller.migrate.files.lint import Finding


def print_run(plan: Plan, seconds: float, *, as_json: bool) -> None:
    """Print the result of a run."""
    if as_json:
        result = {
            "from": shown_version(plan.current),
            "to": shown_version(plan.target),
            "adopted_golang_migrate": plan.adopts,
            "steps": [_step(step) for step in plan.steps],
            "seconds": round(seconds, 3),
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
    plan: Plan, losses: "tuple[CountedLoss, ...]", findings: "tuple[Finding, ...]", *, as_json: bool
) -> None:
    """Print the steps of a plan, the data that it loses, squawk's findings, and the hash that approves it."""
    if as_json:
        result = {
            "from": shown_version(plan.current),
            "to": shown_version(plan.target),
            "adopts_golang_migrate": plan.adopts,
            "steps": [{**_step(s), "transaction": s.transactional, "resume_at": s.resume_at} for s in plan.steps],
            "losses": [_loss(loss) for loss in losses],
            "findings": [asdict(finding) for finding in findings],
            "hash": plan.sha256,
        }
        click.echo(json.dumps(result))
        return
    if plan.adopts:
        echo(f"adopts the history of golang-migrate, at version {shown_version(plan.current)}")
    for step in plan.steps:
        verb = "apply " if step.direction is Direction.UP else "revert"
        how = "" if step.transactional else ", statement by statement"
        rest = "" if step.resume_at is None else f", going on at statement {step.resume_at + 1}"
        echo_line(f"{verb} {step.label}{how}{rest}")
    for loss in losses:
        echo_line(describe_loss(loss, "loses "))
    for finding in findings:
        echo_line(f"lint   {finding}")
    if plan.empty:
        echo(f"Nothing to do; the schema is at version {shown_version(plan.target)}.")
    else:
        echo(f"From {plan.span}. Nothing was changed. {plan.sha256}")


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


def print_status(migrations: Migrations, history: History, *, as_json: bool) -> None:
    """Print a row for each version in the files or the history."""
    rows = _status_rows(migrations, history)
    if as_json:
        click.echo(json.dumps({"current": shown_version(current_version(history)), "migrations": rows}))
    else:
        _print_table(rows)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table  # noqa: PLC0415 - the other commands start faster without

    from controller.cli.tables import cell, show  # noqa: PLC0415

    table = Table("version", "description", "state", "applied at", "by", "took", box=None, pad_edge=False)
    colours = {"applied": "green", "pending": "yellow", "dirty": "red", "reverted": "dim"}
    for row in rows:
        unknown = ", file unknown" if row["state"] == "applied" and row["file"] is None else ""
        state = cell(row["state"] + unknown, colours[row["state"]])
        took = f"{row['duration_ms']} ms" if row["origin"] == Origin.RUN else row["origin"] or ""
        description, by = cell(row["description"]), cell(row["by"])
        table.add_row(str(row["version"]), description, state, row["applied_at"] or "", by, took)
    show(table)
    for row in rows:
        if row["error"]:
            echo_line(f"Version {row['version']} is half done: {row['error']}")


def _step(step: Step) -> dict[str, Any]:
    return {"version": step.migration.version, "file": step.label, "direction": step.direction}


def _loss(loss: "CountedLoss") -> dict[str, Any]:
    if isinstance(loss, PossibleLoss):
        return asdict(loss)
    return {"table": loss.table, "column": loss.column, "rows": loss.rows}


def _status_rows(migrations: Migrations, history: History) -> list[dict[str, Any]]:
    files = {m.version: m for m in migrations}
    done = {row.version: row for row in history}
    return [_status_row(files.get(version), done.get(version)) for version in sorted({*files, *done})]


def _status_row(migration: Migration | None, row: HistoryRow | None) -> dict[str, Any]:
    """Return one row of the status; at least one of the two arguments is not None."""
    known = {"version": migration.version, "description": migration.description} if migration else {}
    file = migration.up.name if migration else None
    if row is None:
        done = dict.fromkeys(("applied_at", "by", "duration_ms", "retries", "origin", "error"))
        return {**known, "state": "pending", "file": file, **done}
    return {
        "version": row.version,
        "description": row.description,
        "state": _state(row),
        "file": file,
        "applied_at": f"{row.applied_at:%Y-%m-%d %H:%M:%SZ}",
        "by": f"{row.applied_by}@{row.host}" if row.host else row.applied_by,
        "duration_ms": row.duration_ms,
        "retries": row.retries,
        "origin": row.origin,
        "error": row.error,
    }


def _state(row: HistoryRow) -> str:
    if row.error is not None:
        return "dirty"
    return "applied" if row.direction is Direction.UP else "reverted"
