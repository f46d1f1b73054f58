"""`dashdb migrate up`, `down` and `goto`, which run migration files."""

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
from controller.cli.terminal import echo_line
from controller.database.connection import Connection, notices_read
from controller.errors import ConfigurationError
from controller.migrate.catalog.row_counts import CountedLoss, count_rows
from controller.migrate.files.migration import Migrations
from controller.migrate.history.read import locate_history, read_history, read_history_at
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.data_loss import expected_losses
from controller.migrate.plan.make_plan import make_plan, version_below
from controller.migrate.plan.model import EMPTY, Plan
from controller.migrate.run.runner import Runner


def _run_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the commands that run files, passed as one `RunSettings`."""

    @click.option(
        "--table-lock-timeout",
        type=DurationType(),
        default="1s",
        show_default=True,
        help="How long one statement may wait for a table's lock; all later ones wait behind it.",
    )
    @click.option(
        "--table-lock-budget",
        type=DurationType(),
        default="1m",
        show_default=True,
        help="How long to keep trying a file that exceeds that limit.",
    )
    @migration_options
    @wraps(function)
    def run_command(invocation: Invocation, table_lock_timeout: float, table_lock_budget: float, **rest: Any) -> None:
        settings = RunSettings(
            runner_wait=invocation.lock_timeout,
            lock_timeout_ms=max(1, round(table_lock_timeout * 1000)),
            lock_budget=table_lock_budget,
            schema=invocation.schema,
            out_of_order=rest.pop("out_of_order", False),
        )
        function(invocation, settings, **rest)

    return run_command


@click.command()
@click.argument("count", metavar="[N]", type=click.IntRange(min=1), required=False)
@click.option("--out-of-order", is_flag=True, help="Also apply files that sort before an applied one.")
@_run_options
def up(invocation: Invocation, settings: RunSettings, count: int | None) -> None:
    """Apply all pending migrations, or the next N; having none is a success.

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
@click.option("--all", "everything", is_flag=True, help="Revert all migrations.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_run_options
def down(invocation: Invocation, settings: RunSettings, count: int | None, *, everything: bool, yes: bool) -> None:
    """Revert the last N migrations, or all of them; the data in what they created is lost.

    \b
    Example:
      dashdb migrate down 1 --yes
    """
    if (count is None) == (not everything):
        raise click.UsageError("Say how many to revert: dashdb migrate down 1, or dashdb migrate down --all.")

    async def target(connection: Connection, migrations: Migrations) -> int:
        if count is None:
            return EMPTY
        return version_below(migrations, await read_history(connection, settings.schema), count)

    _migrate_after_asking(invocation, settings, target, yes=yes)


@click.command()
@click.argument("target", metavar="V", type=click.IntRange(min=0))
@click.option("--yes", is_flag=True, help="Do not ask before reverting.")
@_run_options
def goto(invocation: Invocation, settings: RunSettings, target: int, *, yes: bool) -> None:
    """Migrate up or down to version V; 0 is the empty database.

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
    """Migrate to the version that `choose` returns, and print the result."""
    with Reporter(show=not invocation.as_json) as reporter:

        async def work(connection: Connection, migrations: Migrations) -> Plan:
            target = await choose(connection, migrations)
            runner = Runner(connection, settings, reporter, invocation.open_connection)
            with notices_read(connection, reporter.notices.reader):
                return await runner.run(migrations, target, agreed=agreed.sha256 if agreed else None)

        try:
            done = invocation.run(work)
        except Interrupted as interrupted:
            raise Interrupted(interrupted.number, reporter.half_done) from None
    print_run(done, reporter.seconds, reporter.notices, as_json=invocation.as_json)


def _migrate_after_asking(
    invocation: Invocation, settings: RunSettings, choose: Callable[..., Coroutine[Any, Any, int]], *, yes: bool
) -> None:
    """Migrate; before reverting, show the data that the plan loses, ask, and run exactly that plan."""

    async def inspect(connection: Connection, migrations: Migrations) -> tuple[Plan, tuple[CountedLoss, ...]]:
        target = await choose(connection, migrations)
        location = await locate_history(connection, settings.schema)
        history = await read_history_at(connection, location)
        whole = make_plan(migrations, history, target, database=location.identity)
        losses = () if yes else expected_losses(whole.steps)  # shown only with the question, since counting takes time
        return whole, await count_rows(connection, losses, location)

    agreed, losses = invocation.run(inspect)
    if agreed.reverts and not yes and not _confirmed(agreed, losses):
        raise click.Abort

    async def same(_: Connection, __: Migrations) -> int:
        return agreed.target

    # Going up, no plan is fixed: replicas that start together have the same aim, and a slower one finds less to do.
    _migrate(invocation, settings, same, agreed=agreed if agreed.reverts else None)


def _confirmed(plan: Plan, losses: tuple[CountedLoss, ...]) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("Reverting loses data, and there is no terminal to ask on. Add --yes.")
    for loss in losses:
        echo_line(f"  {describe_loss(loss, 'would be lost:')}", err=True)
    question = f"Revert from {plan.span}, and lose the data of the reverted versions?"
    return click.confirm(question, err=True)
