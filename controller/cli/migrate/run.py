"""`dashdb migrate up`, `down` and `goto`: they run files."""

import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import click

from controller.cli.common import DurationType
from controller.cli.interrupts import Interrupted
from controller.cli.invocation import Invocation, Work, migration_options
from controller.cli.migrate.output import describe_loss, print_run
from controller.cli.progress import Reporter
from controller.database.connection import Connection
from controller.errors import ConfigurationError
from controller.migrate.catalog.row_counts import CountedLoss, count_rows
from controller.migrate.files.migration import Migrations
from controller.migrate.history.read import read_history
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.data_loss import expected_losses
from controller.migrate.plan.make_plan import make_plan
from controller.migrate.plan.model import Plan
from controller.migrate.run.runner import Runner


def _running(function: Callable[..., None]) -> Callable[..., None]:
    """Options of the verbs that run files, as one `RunSettings`."""

    @click.option(
        "--table-lock-timeout",
        type=DurationType(),
        default="1s",
        show_default=True,
        help="How long one statement may queue for a table's lock; all others queue behind it meanwhile.",
    )
    @click.option(
        "--table-lock-budget",
        type=DurationType(),
        default="1m",
        show_default=True,
        help="For how long a file that ran into that limit is tried again.",
    )
    @migration_options
    @wraps(function)
    def verb(invocation: Invocation, table_lock_timeout: float, table_lock_budget: float, **rest: Any) -> None:
        settings = RunSettings(
            runner_wait=invocation.lock_timeout,
            lock_timeout_ms=max(1, round(table_lock_timeout * 1000)),
            lock_budget=table_lock_budget,
            schema=invocation.schema,
            out_of_order=rest.pop("out_of_order", False),
        )
        function(invocation, settings, **rest)

    return verb


@click.command()
@click.argument("count", metavar="[N]", type=click.IntRange(min=1), required=False)
@click.option("--out-of-order", is_flag=True, help="Apply files that sort before an applied one too.")
@_running
def up(invocation: Invocation, settings: RunSettings, count: int | None) -> None:
    """Applies all that is pending, or the next N; nothing to do is success.

    \b
    Example:
      dashdb migrate up
    """

    async def choose(connection: Connection, migrations: Migrations) -> int | None:
        if count is None:
            return None
        history = await read_history(connection, settings.schema)
        whole = make_plan(migrations, history, out_of_order=settings.out_of_order)
        return max(whole.current, *(s.migration.version for s in whole.steps[:count])) if whole.steps else whole.current

    _migrate(invocation, settings, choose)


@click.command()
@click.argument("count", metavar="[N]", type=click.IntRange(min=1), required=False)
@click.option("--all", "everything", is_flag=True, help="Back to the empty database.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_running
def down(invocation: Invocation, settings: RunSettings, count: int | None, *, everything: bool, yes: bool) -> None:
    """Reverts the last N migrations, or all of them, with the data in what they made.

    \b
    Example:
      dashdb migrate down 1 --yes
    """
    if (count is None) == (not everything):
        raise click.UsageError("Say how many to revert: dashdb migrate down 1, or dashdb migrate down --all.")

    def choose(whole: Plan) -> int:
        remaining = () if everything else whole.steps[count:]
        return remaining[0].migration.version if remaining else whole.target

    async def target(connection: Connection, migrations: Migrations) -> int:
        return choose(make_plan(migrations, await read_history(connection, settings.schema), 0))

    _migrate_after_asking(invocation, settings, target, yes=yes)


@click.command()
@click.argument("target", metavar="V", type=click.IntRange(min=0))
@click.option("--yes", is_flag=True, help="Do not ask, where it goes down.")
@_running
def goto(invocation: Invocation, settings: RunSettings, target: int, *, yes: bool) -> None:
    """Goes up or down to version V; 0 is the empty database.

    \b
    Example:
      dashdb migrate goto 3
    """

    async def choose(_: Connection, __: Migrations) -> int:
        return target

    _migrate_after_asking(invocation, settings, choose, yes=yes)


def _migrate(
    invocation: Invocation, settings: RunSettings, choose: Work[int | None], *, agreed: Plan | None = None
) -> None:
    """Runs the engine to the version that `choose` names, and tells what was done."""
    with Reporter(show=not invocation.as_json) as reporter:

        async def work(connection: Connection, migrations: Migrations) -> Plan:
            target = await choose(connection, migrations)
            runner = Runner(connection, settings, reporter, invocation.open_connection)
            return await runner.run(migrations, target, agreed=agreed.sha256 if agreed else None)

        try:
            done = invocation.run(work)
        except Interrupted as interrupted:
            raise Interrupted(interrupted.number, reporter.half_done) from None
    print_run(done, reporter.seconds, as_json=invocation.as_json)


def _migrate_after_asking(
    invocation: Invocation, settings: RunSettings, choose: Callable[..., Coroutine[Any, Any, int]], *, yes: bool
) -> None:
    """As `_migrate`; where it goes down, a person has seen the very plan that runs."""

    async def look(connection: Connection, migrations: Migrations) -> tuple[Plan, tuple[CountedLoss, ...]]:
        target = await choose(connection, migrations)
        whole = make_plan(migrations, await read_history(connection, settings.schema), target)
        losses = () if yes else expected_losses(whole.steps)  # shown to whoever is asked; counting takes its time
        return whole, await count_rows(connection, losses, settings.schema)

    agreed, losses = invocation.run(look)
    if agreed.reverts and not yes and not _confirmed(agreed, losses):
        click.echo("Nothing was changed.", err=True)
        sys.exit(1)

    async def same(_: Connection, __: Migrations) -> int:
        return agreed.target

    # Upwards, replicas that start together all mean the same; who is slower finds less to do.
    _migrate(invocation, settings, same, agreed=agreed if agreed.reverts else None)


def _confirmed(plan: Plan, losses: tuple[CountedLoss, ...]) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("Reverting loses data and nobody is there to be asked. Add --yes.")
    for loss in losses:
        click.echo(f"  {describe_loss(loss, 'would be lost:')}", err=True)
    question = f"Go back from version {plan.current} to {plan.target}, and lose the data in between?"
    return click.confirm(question, err=True)
