"""The commands. Each room's code is imported by the command that needs it: `--help` loads none of it."""

import signal
import sys
from typing import ClassVar

import click

from controller.cli.interrupts import Interrupted
from controller.cli.options import fail
from controller.errors import DashdbError

INTERRUPTED = 128 + signal.SIGINT


class _Lazy(click.Group):
    """Loads a command's module when the command is named; the list of all needs no module."""

    _MODULES: ClassVar = {
        "migrate": "Brings a database to a version, and says where it stands.",
        "operator": "Reconciles every DashboardDatabase of the cluster.",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self._MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self._MODULES:
            return None
        from importlib import import_module  # noqa: PLC0415

        command: click.Command = import_module(f"controller.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(self._MODULES.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="dashboard-database-operator", prog_name="dashdb")
def root() -> None:
    """Keeps the PostgreSQL database behind a dashboards service migrated, seeded, healthy and watched.

    \b
    Example:
      DB_HOST=127.0.0.1 DB_NAME=perses DB_USER=perses DB_PASSWORD=... dashdb migrate up
    """


def main() -> None:
    """Entry point; every error of ours is one line on stderr and an exit code of its own."""
    try:
        root.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort as abort:
        by_signal = isinstance(abort.__cause__ or abort.__context__, KeyboardInterrupt)
        click.echo("Interrupted; nothing was changed." if by_signal else "Aborted; nothing was changed.", err=True)
        sys.exit(INTERRUPTED if by_signal else 1)
    except Interrupted as interrupted:
        click.echo(str(interrupted), err=True)
        sys.exit(interrupted.exit_code)
    except DashdbError as error:
        fail(error)
