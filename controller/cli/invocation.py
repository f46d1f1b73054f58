"""Options that all commands with a database share, as one value."""

import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

from controller.cli import interrupts
from controller.cli.common import DurationType, database_options, logging_options
from controller.cli.failures import fail
from controller.config.environment import database_settings
from controller.config.tls_files import with_tls_files
from controller.database.connection import Connection, OpenConnection, connected
from controller.database.target import Pooler, Target
from controller.errors import DashdbError
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.migrate.files.migration import Migrations
from controller.runtime.log_format import LogFormat

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OnDatabase:
    """Values of the options that all commands with a database share.

    Attributes:
        schema: name of the schema; None for the first of the search_path.
    """

    database_url: str | None
    pooler: Pooler
    schema: str | None
    as_json: bool

    @property
    def target(self) -> Target:
        settings = database_settings(os.environ, url=self.database_url, pooler=self.pooler)
        return with_tls_files(settings.target, settings.tls_files)

    @property
    def open_connection(self) -> OpenConnection:
        """Function that opens another connection to the database."""
        return partial(connected, self.target)

    def run_on_database(self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """Run `work` with a connection, and return its result; prompts and output belong outside of it."""
        target = self.target

        async def connect_and_work() -> T:
            async with connected(target) as connection:
                return await work(connection)

        return interrupts.run(connect_and_work())


@dataclass(frozen=True, slots=True)
class Invocation(OnDatabase):
    """Values of the options of a command that needs the migration files as well.

    Attributes:
        lock_timeout: seconds to wait for another runner.
    """

    path: Path
    lock_timeout: float

    @property
    def migrations(self) -> Migrations:
        return read_folder(self.path)

    def run(self, work: "Work[T]") -> T:
        """Run `work` as `run_on_database` does, with the files, which are read before the connection is opened."""
        migrations = self.migrations
        return self.run_on_database(lambda connection: work(connection, migrations))


Work: TypeAlias = Callable[[Connection, Migrations], Coroutine[Any, Any, T]]


def path_option(function: Callable[..., None]) -> Callable[..., None]:
    """Add the option `--path`."""
    return click.option(
        "--path",
        type=click.Path(path_type=Path, file_okay=False),
        default=packaged_folder,
        show_default="the packaged migrations",
        help="Folder with the migration files.",
    )(function)


def database_command_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `OnDatabase`, passed as one argument; end the program at an error of ours."""

    @_database_and_schema
    @wraps(function)
    def command(database_url: str | None, pooler: Pooler, schema: str | None, *, as_json: bool, **rest: Any) -> None:
        _run_or_fail(function, OnDatabase(database_url, pooler, schema, as_json), **rest)

    return command


def migration_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `Invocation`, passed as one argument; end the program at an error of ours."""

    @path_option
    @click.option(
        "--lock-timeout",
        type=DurationType(),
        default="15s",
        show_default=True,
        help="How long to wait for another runner to finish.",
    )
    @_database_and_schema
    @wraps(function)
    def command(
        database_url: str | None,
        pooler: Pooler,
        path: Path,
        schema: str | None,
        lock_timeout: float,
        *,
        as_json: bool,
        **rest: Any,
    ) -> None:
        _run_or_fail(function, Invocation(database_url, pooler, schema, as_json, path, lock_timeout), **rest)

    return command


def _database_and_schema(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        logging_options(LogFormat.TEXT),
        database_options,
        click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object on stdout."),
        click.option("--schema", metavar="NAME", help="Schema to work in; default: the first of the search_path."),
    ):
        function = option(function)
    return function


def _run_or_fail(function: Callable[..., None], invocation: OnDatabase, **rest: Any) -> None:
    try:
        function(invocation, **rest)
    except DashdbError as error:
        fail(error, as_json=invocation.as_json)
