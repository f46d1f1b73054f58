"""`kubectl dashdb status`, `plan`, `approve` and `logs`."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

import click
from rich.table import Table

from controller.cli.kubectl.client import (
    OPERATOR,
    RESOURCES,
    Kubectl,
    KubectlError,
    cluster_options,
    operator_namespace_option,
)
from controller.cli.kubectl.shown import ShownPlan, ShownResource, plan_of, shown, worst_first
from controller.cli.tables import cell, show
from controller.cli.terminal import echo, echo_line
from controller.errors import ConfigurationError
from controller.exit_codes import ExitCode

_COLOURS = {"True": "green", "False": "red", "Unknown": "yellow"}


@click.command()
@click.argument("name", required=False)
@cluster_options
@click.option("-A", "--all-namespaces", is_flag=True, help="Those of all namespaces.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(kubectl: Kubectl, name: str | None, *, all_namespaces: bool, as_json: bool) -> None:
    """Show which databases are ready, and why others are not: those first.

    \b
    Exit codes: 0 all are ready, 1 one is not, or kubectl failed.

    \b
    Example:
      kubectl dashdb status --all-namespaces
    """
    if name and all_namespaces:
        raise click.UsageError("A name is one of a namespace: say which with --namespace, without --all-namespaces.")
    found = [kubectl.resource(name)] if name else kubectl.resources(all_namespaces=all_namespaces)
    resources = worst_first([shown(each) for each in found])
    if as_json:
        click.echo(json.dumps({"databases": [_fields(each) for each in resources]}))
    elif not resources:
        echo("There is no DashboardDatabase here. For those of all namespaces: kubectl dashdb status -A")
    else:
        show(_table(resources))
        for each in resources:
            if each.ready != "True":
                echo_line(f"{each.namespace}/{each.name}: {each.reason}: {each.message}")
    if any(each.ready != "True" for each in resources):
        sys.exit(ExitCode.FAILED)


def _fields(shown_as: ShownResource | ShownPlan) -> dict[str, Any]:
    """Return what JSON has of it: null where it says nothing."""
    return {name: None if value == "" else value for name, value in asdict(shown_as).items()}


def _table(resources: list[ShownResource]) -> Table:
    table = Table(box=None)
    for column in ("NAMESPACE", "NAME", "READY", "REASON", "SINCE", "SCHEMA", "HEALTH"):
        table.add_column(column)
    for each in resources:
        ready = cell(each.ready, _COLOURS.get(each.ready, ""))
        others = (each.reason, each.since, each.schema, each.health)
        table.add_row(cell(each.namespace), cell(each.name), ready, *map(cell, others))
    return table


@click.command()
@click.argument("name")
@cluster_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(kubectl: Kubectl, name: str, *, as_json: bool) -> None:
    """Show the migrations that wait in a resource, and what data they would remove.

    \b
    Example:
      kubectl dashdb plan perses --namespace team-a
    """
    found = plan_of(kubectl.resource(name))
    if as_json:
        click.echo(json.dumps(_fields(found)))
        return
    for line in found.lines():
        echo_line(line)
    if found.hash and found.policy == "Manual":
        approved = found.approved == found.hash
        echo_line("It is approved." if approved else f"To run it: kubectl dashdb approve {kubectl.scoped(name)}")


@click.command()
@click.argument("name")
@cluster_options
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
def approve(kubectl: Kubectl, name: str, *, yes: bool) -> None:
    """Show the plan of a resource with policy Manual, ask, and approve exactly that plan.

    The API server refuses the approval if the plan has become another one meanwhile.

    \b
    Example:
      kubectl dashdb approve perses --namespace team-a
    """
    found = plan_of(kubectl.resource(name))
    for line in found.lines():
        echo_line(line)
    if not found.hash:
        return
    if found.policy != "Manual":
        raise ConfigurationError(
            f"The policy of {name} is {found.policy or 'not known'}, where nothing is approved: set spec.schema.policy "
            "to Manual first, or wait for what it does by itself."
        )
    if found.approved == found.hash:
        echo("It is approved already.")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigurationError("There is no terminal to ask at: approve with --yes.")
        click.confirm("Run it?", abort=True)
    patch = [
        {"op": "test", "path": "/status/schema/plan/hash", "value": found.hash},
        {"op": "add", "path": "/spec/schema/approvedPlan", "value": found.hash},
    ]
    kubectl.run("patch", RESOURCES, "--type=json", f"--patch={json.dumps(patch)}", names=[name])
    echo_line(f"Approved. What becomes of it: kubectl dashdb status {kubectl.scoped(name)}")


@click.command()
@click.argument("name", required=False)
@cluster_options
@operator_namespace_option
@click.option("--since", default="1h", show_default=True, help="How far back, as kubectl's own option.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until ^C.")
def logs(kubectl: Kubectl, name: str | None, operator_namespace: str, since: str, *, follow: bool) -> None:
    """Show the log of all replicas of the operator, or only what they say of one resource.

    NAME alone means the resource with that name in --namespace, or in any.

    \b
    Example:
      kubectl dashdb logs perses --namespace team-a --since 10m
    """
    options = ["--tail=-1", f"--since={since}", "--max-log-requests=20", *(["--follow"] if follow else [])]
    command = replace(kubectl, namespace=operator_namespace).command("logs", OPERATOR, *options)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        for line in _about(process.stdout or (), kubectl.namespace, name):
            echo_line(line)
    if process.returncode:
        raise KubectlError(f"kubectl logs ended with {process.returncode}, and says why above.")


def _about(lines: Iterable[str], namespace: str | None, name: str | None) -> Iterator[str]:
    """Yield the lines about one resource; all where NAME is None."""
    for line in lines:
        if name is None or _names(line, namespace, name):
            yield line.rstrip("\n")


def _names(line: str, namespace: str | None, name: str) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    if not isinstance(record, dict) or record.get("name") != name:
        return False
    return namespace is None or record.get("namespace") == namespace
