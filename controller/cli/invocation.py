"""The options that every verb with a database shares, and what they make possible."""

import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

from controller.cli import interrupts
from controller.cli.options import Duration, database_options, fail, logging_options
from controller.database.connection import Connection, connected
from controller.database.target import Pooler, Target
from controller.errors import DashdbError
from controller.log_format import LogFormat
from controller.migrate.files import Migrations, packaged_folder, read_folder
from controller.migrate.watch import Beside
from controller.settings import database_settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the shared options said.

    Attributes:
        lock_timeout: seconds to wait for another runner.
        schema: None for the first of the search_path.
    """

    database_url: str | None
    pooler: Pooler
    path: Path
    schema: str | None
    lock_timeout: float
    as_json: bool

    @property
    def migrations(self) -> Migrations:
        return read_folder(self.path)

    @property
    def target(self) -> Target:
        return database_settings(os.environ, url=self.database_url, pooler=self.pooler).target

    @property
    def beside(self) -> Beside:
        """Opens one more connection."""
        return partial(connected, self.target)

    def run(self, work: "Work[T]") -> T:
        """What `work` returns, done over a connection; people are asked and told outside of it."""
        migrations, target = self.migrations, self.target

        async def over_connection() -> T:
            async with connected(target) as connection:
                return await work(connection, migrations)

        return interrupts.run(over_connection())


Work: TypeAlias = Callable[[Connection, Migrations], Coroutine[Any, Any, T]]


def path_option(function: Callable[..., None]) -> Callable[..., None]:
    """`--path`."""
    return click.option(
        "--path",
        type=click.Path(path_type=Path, file_okay=False),
        default=packaged_folder,
        show_default="the packaged migrations",
        help="Folder with the migration files.",
    )(function)


def shared(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the shared options and hands them over as one `Invocation`; errors of ours end the program."""

    @path_option
    @click.option("--schema", metavar="NAME", help="Schema to work in; default: the first of the search_path.")
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
        schema: str | None,
        lock_timeout: float,
        *,
        as_json: bool,
        **rest: Any,
    ) -> None:
        try:
            function(Invocation(database_url, pooler, path, schema, lock_timeout, as_json), **rest)
        except DashdbError as error:
            fail(error, as_json=as_json)

    return command
