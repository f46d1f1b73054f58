"""`dashdb templates`: commands for the system templates; `output` prints their results."""

import sys
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

import click

from controller.cli.invocation import OnDatabase, database_command_options
from controller.cli.templates.output import print_changes, print_results, print_states
from controller.database.connection import Connection
from controller.database.schema import locate_schema
from controller.exit_codes import ExitCode
from controller.templates.changes import Change, changes
from controller.templates.merge import TemplateDecision, TemplateState, decide
from controller.templates.seeding import TemplateResult, read_rows, table_in
from controller.templates.seeding import seed as write
from controller.templates.shipped import shipped_templates

T = TypeVar("T")


class TemplateId(click.ParamType[str]):
    """Id of a system template."""

    name = "template"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        known = [template.id for template in shipped_templates()]
        if value not in known:
            self.fail(f'"{value}" is no system template; write one of: {", ".join(known)}.', param, ctx)
        return value


@click.group("templates")
def command() -> None:
    """Seed the system templates, and show their state.

    Rows that nobody edited are upgraded, edited ones are kept until a person asks for the shipped one, deleted ones are
    restored; custom templates are never changed.

    \b
    Exit codes: 0 done or nothing to do, 1 failed, or a template could not be written, 2 usage,
    7 unreachable, 8 something would change (only diff --exit-code).
    """


@command.command("list")
@database_command_options
def list_(invocation: OnDatabase) -> None:
    """Show each system template: its state, its version in the database and the shipped version.

    Current, Missing, Outdated (the next seeding upgrades it), Customized (edited, and kept),
    Unreadable (its JSON is beyond this program's limits) or Conflict (its id or
    name is taken by another one).

    \b
    Example:
      dashdb templates list
    """

    async def work(connection: Connection, table: str) -> tuple[TemplateDecision, ...]:
        return decide(shipped_templates(), await read_rows(connection, table))

    print_states(_run(invocation, work), as_json=invocation.as_json)


@command.command()
@click.option("--exit-code", "change_exit_code", is_flag=True, help="Exit with 8 if something would change.")
@database_command_options
def diff(invocation: OnDatabase, *, change_exit_code: bool) -> None:
    """Show what seeding would change, and the edits that it would keep; write nothing.

    Of a Missing or Outdated template, from the row in the database (-) to the shipped one (+). Of a Customized one,
    from the shipped one (-) to the row (+), since seeding keeps it: lines with + are the edits, and seed --reset
    would write the lines with - in their place. Each part names its panel or variable.

    \b
    Example:
      dashdb templates diff --exit-code
    """

    async def work(connection: Connection, table: str) -> tuple[Change, ...]:
        return changes(shipped_templates(), await read_rows(connection, table))

    found = _run(invocation, work)
    print_changes(found, as_json=invocation.as_json)
    if change_exit_code and any(change.writes for change in found):
        sys.exit(ExitCode.FOUND)


@command.command()
@click.option(
    "--reset",
    type=TemplateId(),
    multiple=True,
    metavar="NAME",
    help="Give back the shipped content of this template, for example template-notebook; may be repeated.",
)
@database_command_options
def seed(invocation: OnDatabase, *, reset: tuple[str, ...]) -> None:
    """Write the templates that are missing or outdated; a second run writes nothing.

    Edited rows are kept, unless --reset names them: their edits are then lost (templates diff shows them before), but
    the row stays, with its usage count, who made it and when, and the dashboards that were made from it. Custom
    templates are never touched, and a row that a newer release seeded and nobody edited is left to that release.

    Exits with 1 if a template could not be written because another one has its id or its name.

    \b
    Examples:
      dashdb templates seed
      dashdb templates seed --reset template-notebook
    """

    async def work(connection: Connection, table: str) -> tuple[TemplateResult, ...]:
        return await write(connection, table, shipped_templates(), reset)

    done = _run(invocation, work)
    print_results(done, reset, as_json=invocation.as_json)
    if any(_not_written(result, reset) for result in done):
        sys.exit(ExitCode.FAILED)


def _not_written(result: TemplateResult, reset: Collection[str]) -> bool:
    """Return whether a person asked for a write that was not possible."""
    asked = result.template_id in reset and result.state is not TemplateState.CURRENT
    return asked or result.state in (TemplateState.CONFLICT, TemplateState.UNREADABLE)


def _run(invocation: OnDatabase, work: Callable[[Connection, str], Coroutine[Any, Any, T]]) -> T:
    """Run `work` in the schema of the options, and return its result.

    Raises:
        TemplateError: the schema has no table for templates.
    """

    async def in_its_schema(connection: Connection) -> T:
        schema = await locate_schema(connection, invocation.schema)
        return await work(connection, table_in(schema))

    return invocation.run_on_database(in_its_schema)
