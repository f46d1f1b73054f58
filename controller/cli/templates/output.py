"""Output of `dashdb templates`."""

import json
from collections.abc import Collection, Sequence

import click
from rich.table import Table

from controller.cli.tables import cell, show
from controller.cli.terminal import echo, echo_line
from controller.templates.changes import Change
from controller.templates.merge import TemplateAction, TemplateDecision, TemplateState
from controller.templates.seeding import TemplateResult

_COLOURS = {"Current": "green", "Unreadable": "red", "Conflict": "red", "Customized": "cyan"}
_DONE = {TemplateAction.INSERT: "inserted", TemplateAction.UPGRADE: "upgraded", TemplateAction.RESET: "reset"}
_EXPLAINED = (TemplateState.CUSTOMIZED, TemplateState.UNREADABLE, TemplateState.CONFLICT)
"""States in which a row differs and is kept; the output says why."""


def print_states(decisions: Sequence[TemplateDecision], *, as_json: bool) -> None:
    """Print a row for each template, and then why rows that differ are kept."""
    if as_json:
        click.echo(json.dumps({"templates": [_state(decision) for decision in decisions]}))
        return
    table = Table("template", "state", "version", "shipped", box=None, pad_edge=False)
    for each in decisions:
        state = cell(each.state, _COLOURS.get(each.state, "yellow"))
        table.add_row(each.template_id, state, cell(each.row_version), each.shipped_version)
    show(table)
    for each in decisions:
        if each.state in _EXPLAINED:
            echo_line(f"{each.template_id}: {each.message}")


def print_changes(changes: Sequence[Change], *, as_json: bool) -> None:
    """Print the diffs, and on stderr why rows that differ are kept and what would happen to them."""
    if as_json:
        found = [{**_state(c.decision), "action": c.decision.action, "diff": "\n".join(c.diff)} for c in changes]
        click.echo(json.dumps({"changes": any(change.writes for change in changes), "templates": found}))
        return
    for change in changes:
        for line in change.diff:
            echo_line(line, fg=_colour(line))
        if change.decision.state in _EXPLAINED:
            echo_line(f"{change.decision.template_id}: {change.decision.message}", err=True)
        if change.decision.state is TemplateState.CUSTOMIZED:
            echo_line(_explained(change), err=True)
    if not any(change.writes for change in changes):
        echo("Nothing would change.", err=True)


def _explained(change: Change) -> str:
    """Return what the lines of the diff of a Customized row mean, and what a reset would do."""
    if not change.diff:
        return "    Its content is the shipped one; only its record differs."
    lag = ", and what has changed since the version that was edited" if change.decision.lags_behind else ""
    return (
        f"    Lines with + are edits of this database{lag}. The reset would write the lines with - in their place; "
        "the row, its usage count and the dashboards made from it stay."
    )


def print_results(results: Sequence[TemplateResult], reset: Collection[str], *, as_json: bool) -> None:
    """Print the templates that were written, and those that were kept, of which a person asked to reset `reset`."""
    if as_json:
        found = [{**_state(result), "performed": result.performed} for result in results]
        click.echo(json.dumps({"templates": found}))
        return
    written = [result for result in results if result.performed is not TemplateAction.NONE]
    for result in results:
        if result.performed is not TemplateAction.NONE:
            echo_line(f"{_DONE[result.performed]} {result.template_id} {result.row_version}")
        elif result.state in _EXPLAINED or result.template_id in reset:
            echo_line(f"kept {result.template_id}: {result.message}")
    if not written:
        echo("Nothing was written.")


def _state(of: TemplateDecision | TemplateResult) -> dict[str, str | None]:
    return {
        "name": of.template_id,
        "state": of.state,
        "version": of.row_version,
        "shipped_version": of.shipped_version,
        "message": of.message,
    }


def _colour(line: str) -> str | None:
    if line.startswith(("---", "+++", "@@")):
        return "cyan"
    return {"-": "red", "+": "green"}.get(line[:1])
