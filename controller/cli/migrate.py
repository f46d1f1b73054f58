"""`dashdb migrate`: the engine by hand."""

import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

from controller.cli import interrupts
from controller.cli.migrate_output import Reporter, print_plan, print_status, print_version
from controller.cli.options import Duration, database_options, fail, logging_options
from controller.database.connection import Connection, connected
from controller.database.target import Pooler
from controller.errors import ConfigurationError, DashdbError, MigrationLocked
from controller.logs import LogFormat
from controller.migrate.files import Migrations, packaged_folder, read_folder
from controller.migrate.history import read_history
from controller.migrate.plan import History, Plan, current_version, make_plan, newest_version
from controller.migrate.runner import Runner, RunSettings
from controller.settings import database_settings

T = TypeVar("T")
Work: TypeAlias = Callable[[Connection, Migrations], Coroutine[Any, Any, T]]

PENDING_EXIT_CODE = 8


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the shared options said."""

    database_url: str | None
    pooler: Pooler
    path: Path
    lock_timeout: float
    as_json: bool

    def run(self, work: Work[T]) -> T:
        """What `work` returns, done over a connection; people are asked and told outside of it."""
        migrations = read_folder(self.path)
        target = database_settings(os.environ, url=self.database_url, pooler=self.pooler).target

        async def over_connection() -> T:
            async with connected(target) as connection:
                return await work(connection, migrations)

        return interrupts.run(over_connection())

    def migrate(self, choose: Work[int | None]) -> None:
        """Runs the engine to the version that `choose` names, and tells what was done."""
        with Reporter(show=not self.as_json) as reporter:

            async def work(connection: Connection, migrations: Migrations) -> Plan:
                target = await choose(connection, migrations)
                settings = RunSettings(runner_wait=self.lock_timeout)
                return await Runner(connection, settings, reporter).run(migrations, target)

            done = self.run(work)
        print_plan(done, reporter.seconds, as_json=self.as_json)


def _shared(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the shared options and hands them over as one `Invocation`."""

    @click.option(
        "--path",
        type=click.Path(path_type=Path, file_okay=False),
        default=packaged_folder,
        show_default="the packaged migrations",
        help="Folder with the migration files.",
    )
    @click.option(
        "--lock-timeout",
        type=Duration(),
        default="15s",
        show_default=True,
        help="How long to wait for another runner to finish.",
    )
    @click.option("--json", "as_json", is_flag=True, help="The result as one JSON object on stdout.")
    @database_options
    @logging_options(LogFormat.TEXT)
    @wraps(function)
    def command(
        database_url: str | None,
        pooler: Pooler,
        path: Path,
        lock_timeout: float,
        as_json: bool,
        **rest: Any,
    ) -> None:
        try:
            function(Invocation(database_url, pooler, path, lock_timeout, as_json), **rest)
        except DashdbError as error:
            fail(error, as_json=as_json)

    return command


@click.group("migrate")
def command() -> None:
    """Brings a database to a version, and says where it stands.

    \b
    Exit codes: 0 done or nothing to do, 1 failed, 2 usage, 3 dirty, 4 another runner held the lock,
    5 files disagree with the history, 6 database newer than the files, 7 unreachable, 8 pending.
    """


@command.command()
@click.argument("count", metavar="[N]", type=click.IntRange(min=1), required=False)
@_shared
def up(invocation: Invocation, count: int | None) -> None:
    """Applies all that is pending, or the next N; nothing to do is success.

    \b
    Example:
      dashdb migrate up
    """

    async def choose(connection: Connection, migrations: Migrations) -> int | None:
        if count is None:
            return None
        return _version_after(make_plan(migrations, await read_history(connection)), count)

    invocation.migrate(choose)


@command.command()
@click.argument("count", metavar="[N]", type=click.IntRange(min=1), required=False)
@click.option("--all", "everything", is_flag=True, help="Back to the empty database.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_shared
def down(invocation: Invocation, count: int | None, *, everything: bool, yes: bool) -> None:
    """Reverts the last N migrations, or all of them, with the data in what they made.

    \b
    Example:
      dashdb migrate down 1 --yes
    """
    if (count is None) == (not everything):
        raise click.UsageError("Say how many to revert: dashdb migrate down 1, or dashdb migrate down --all.")

    async def look(connection: Connection, migrations: Migrations) -> Plan:
        whole = make_plan(migrations, await read_history(connection), 0)
        steps = whole.steps if everything else whole.steps[:count]
        return Plan(whole.current, _version_before(whole, len(steps)), steps)

    plan = invocation.run(look)
    if plan.steps and not yes and not _confirmed(plan):
        click.echo("Nothing was changed.", err=True)
        sys.exit(1)

    async def choose(connection: Connection, migrations: Migrations) -> int:
        now = make_plan(migrations, await read_history(connection), plan.target)
        if now.sha256 != plan.sha256:
            raise MigrationLocked(
                f"The database went from version {plan.current} to {now.current} in the meantime. Look, and run again.",
                reason="MigrationOvertaken",
            )
        return plan.target

    invocation.migrate(choose)


@command.command()
@_shared
def version(invocation: Invocation) -> None:
    """Prints the applied version: 1, `1 (dirty)` or none.

    \b
    Example:
      dashdb migrate version
    """

    async def work(connection: Connection, _: Migrations) -> History:
        return await read_history(connection)

    print_version(invocation.run(work), as_json=invocation.as_json)


@command.command()
@click.option("--exit-code", "pending_exit_code", is_flag=True, help="Exit with 8 where something is pending.")
@_shared
def status(invocation: Invocation, *, pending_exit_code: bool) -> None:
    """Shows every version: its state, when it was applied, by whom, and how long it took.

    \b
    Example:
      dashdb migrate status --exit-code
    """

    async def work(connection: Connection, migrations: Migrations) -> tuple[Migrations, History]:
        return migrations, await read_history(connection)

    migrations, history = invocation.run(work)
    print_status(migrations, history, as_json=invocation.as_json)
    if pending_exit_code and _pending(migrations, history):
        sys.exit(PENDING_EXIT_CODE)


def _pending(migrations: Migrations, history: History) -> bool:
    return newest_version(migrations) > current_version(history)


def _version_after(plan: Plan, count: int) -> int:
    steps = plan.steps[:count]
    return steps[-1].migration.version if steps else plan.current


def _version_before(plan: Plan, count: int) -> int:
    """Where `count` steps of the way to the empty database lead."""
    return plan.steps[count].migration.version if count < len(plan.steps) else plan.target


def _confirmed(plan: Plan) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("Reverting loses data and nobody is there to be asked. Add --yes.")
    question = f"Go back from version {plan.current} to {plan.target}, and lose the data in between?"
    return click.confirm(question, err=True)
