"""`dashdb migrate version`, `status` and `plan`, which read and change nothing."""

import sys

import click

from controller.cli.common import print_progress
from controller.cli.invocation import Invocation, migration_options
from controller.cli.migrate.output import print_plan, print_sql, print_status, print_version
from controller.cli.migrate.status import Status, read_status
from controller.database.connection import Connection
from controller.exit_codes import ExitCode
from controller.migrate.catalog.row_counts import CountedLoss, count_rows
from controller.migrate.files.lint import Finding, LinterMissing, lint
from controller.migrate.files.migration import Migrations
from controller.migrate.history.read import locate_history, read_history, read_history_at
from controller.migrate.plan.data_loss import expected_losses
from controller.migrate.plan.make_plan import make_plan
from controller.migrate.plan.model import History, Plan


@click.command()
@migration_options
def version(invocation: Invocation) -> None:
    """Print the applied version: 1, `1 (dirty)` or none.

    \b
    Example:
      dashdb migrate version
    """

    async def work(connection: Connection, _: Migrations) -> History:
        return await read_history(connection, invocation.schema)

    print_version(invocation.run(work), as_json=invocation.as_json)


@click.command()
@click.option(
    "--exit-code",
    "exits_with_state",
    is_flag=True,
    help="Exit with 8 if a migration is pending, 5 if a file disagrees with the history, 3 if a version is dirty.",
)
@migration_options
def status(invocation: Invocation, *, exits_with_state: bool) -> None:
    """Show every version: its state, when it was applied, by whom, and how long it took.

    An applied version whose file was changed is edited, one whose file is gone is missing; up refuses to run then.

    \b
    Example:
      dashdb migrate status --exit-code
    """

    async def work(connection: Connection, migrations: Migrations) -> Status:
        return read_status(migrations, await read_history(connection, invocation.schema))

    found = invocation.run(work)
    print_status(found, as_json=invocation.as_json)
    if exits_with_state and (found.problem or found.pending):
        sys.exit(found.problem.exit_code if found.problem else ExitCode.FOUND)


@click.command()
@click.argument("target", metavar="[V]", type=click.IntRange(min=0), required=False)
@click.option("--out-of-order", is_flag=True, help="Include files that sort before an applied one.")
@click.option("--sql", "with_sql", is_flag=True, help="Print the SQL that would run; with --json, add it to each step.")
@migration_options
def plan(invocation: Invocation, target: int | None, *, out_of_order: bool, with_sql: bool) -> None:
    """Show what would run to reach version V, or the newest one, without running it.

    For each file: whether it runs in a transaction, what squawk finds in it, and the data that would be lost; then
    the hash by which the plan is approved under policy Manual. With --sql, the text of each file instead.

    \b
    Example:
      dashdb migrate plan
      dashdb migrate plan --sql > review.sql
    """
    only_sql = with_sql and not invocation.as_json

    async def work(connection: Connection, migrations: Migrations) -> tuple[Plan, tuple[CountedLoss, ...]]:
        location = await locate_history(connection, invocation.schema)
        history = await read_history_at(connection, location)
        whole = make_plan(migrations, history, target, out_of_order=out_of_order, database=location.identity)
        losses = () if only_sql else expected_losses(whole.steps)
        return whole, await count_rows(connection, losses, location)

    whole, losses = invocation.run(work)
    if only_sql:
        print_sql(whole)
    else:
        print_plan(whole, losses, _findings(whole), as_json=invocation.as_json, with_sql=with_sql)


def _findings(whole: Plan) -> tuple[Finding, ...]:
    """Return squawk's findings and ours; ours alone, and say so, where squawk was left out, as in the image."""
    scripts = [step.script for step in whole.steps]
    try:
        return lint(scripts)
    except LinterMissing as missing:
        print_progress(f"Not all rules were checked. {missing.message}")
        return lint(scripts, without_squawk=True)
