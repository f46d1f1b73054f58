"""`dashdb templates`: commands for the system templates; `output` prints their results."""

import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from controller.cli.invocation import OnDatabase, database_command_options
from controller.cli.templates.output import print_changes, print_results, print_states
from controller.database.connection import Connection
from controller.database.schema import locate_schema
from controller.templates.changes import Change, changes
from controller.templates.merge import TemplateDecision, TemplateState, decide
from controller.templates.seeding import TemplateResult, read_rows, table_in
from controller.templates.seeding import seed as write
from controller.templates.shipped import shipped_templates

CHANGE_EXIT_CODE = 8
NOT_WRITTEN_EXIT_CODE = 1

T = TypeVar("T")


@click.group("templates")
def command() -> None:
    """Seed the system templates, and show their state.

    Rows that nobody edited are upgraded, edited ones are kept, deleted ones are restored; custom templates are never
    changed.

    \b
    Exit codes: 0 done or nothing to do, 1 failed, or a template could not be written, 2 usage, 7 unreachable,
    8 something would change (only diff --exit-code).
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
    """Show what seeding would change, as a unified diff, without writing it.

    \b
    Example:
      dashdb templates diff --exit-code
    """

    async def work(connection: Connection, table: str) -> tuple[Change, ...]:
        return changes(shipped_templates(), await read_rows(connection, table))

    found = _run(invocation, work)
    print_changes(found, as_json=invocation.as_json)
    if change_exit_code and any(change.writes for change in found):
        sys.exit(CHANGE_EXIT_CODE)


@command.command()
@database_command_options
def seed(invocation: OnDatabase) -> None:
    """Write the templates that are missing or outdated; a second run writes nothing.

    Exits with 1 if a template could not be written because another one has its id or its name.

    \b
    Example:
      dashdb templates seed
    """

    async def work(connection: Connection, table: str) -> tuple[TemplateResult, ...]:
        return await write(connection, table, shipped_templates())

    done = _run(invocation, work)
    print_results(done, as_json=invocation.as_json)
    if any(result.state in (TemplateState.CONFLICT, TemplateState.UNREADABLE) for result in done):
        sys.exit(NOT_WRITTEN_EXIT_CODE)


def _run(invocation: OnDatabase, work: Callable[[Connection, str], Coroutine[Any, Any, T]]) -> T:
    """Run `work` in the schema of the options, and return its result.

    Raises:
        TemplateError: the schema has no table for templates.
    """

    async def in_its_schema(connection: Connection) -> T:
        schema = await locate_schema(connection, invocation.schema)
        return await work(connection, table_in(schema))

    return invocation.run_on_database(in_its_schema)
