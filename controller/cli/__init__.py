"""Commands of `dashdb`. Each one imports the packages that it needs, so that `--help` loads none of them."""

import sys
import traceback

import click

from controller import __version__
from controller.cli.failures import fail, fail_early
from controller.cli.interrupts import Interrupted
from controller.cli.lazy import LazyGroup
from controller.errors import DashdbError, InternalError
from controller.exit_codes import ExitCode
from controller.runtime.home import ensure_home
from controller.runtime.signals import end_at_sigterm

_COMMANDS = {
    "migrate": ("controller.cli.migrate:command", "Bring a database to a version, and show its state."),
    "templates": ("controller.cli.templates.commands:command", "Seed the system templates, and show their state."),
    "roles": ("controller.cli.roles:command", "Give the role of a service its rights, and no more."),
    "serve": ("controller.cli.serve:command", "Migrate, seed and check one database as a sidecar."),
    "health": ("controller.cli.health:command", "Check one database once."),
    "operator": ("controller.cli.operator:command", "Reconcile every DashboardDatabase of the cluster."),
}


@click.group(
    cls=LazyGroup,
    commands_at=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="dashdb")
def root() -> None:
    """Keep the PostgreSQL database of a dashboards service migrated, seeded, healthy and monitored.

    \b
    Example:
      DB_HOST=127.0.0.1 DB_NAME=perses DB_USER=perses DB_PASSWORD=... dashdb migrate up
    """


def main() -> None:
    """Run the program; print each error as its last words, and exit with its code."""
    run_group(root)


def run_group(group: click.Group, prog_name: str | None = None) -> None:
    """Run a group of commands as the program; print each error as its last words, and exit with its code."""
    end_at_sigterm()
    ensure_home()
    try:
        group.main(standalone_mode=False, prog_name=prog_name)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        fail_early("Usage", error.format_message(), ExitCode.USAGE, error.show)
    except click.Abort as abort:
        by_signal = isinstance(abort.__cause__ or abort.__context__, KeyboardInterrupt)
        reason, code = ("Interrupted", ExitCode.INTERRUPTED) if by_signal else ("Aborted", ExitCode.FAILED)
        fail_early(reason, f"{reason}; nothing was changed.", code)
    except Interrupted as interrupted:
        fail_early("Interrupted", str(interrupted), interrupted.exit_code)
    except DashdbError as error:
        fail(error)
    except BrokenPipeError:
        raise
    except Exception as fault:  # noqa: BLE001 - its text may repeat a password
        traceback.print_tb(fault.__traceback__)
        fail(InternalError(f"A fault of this program ({type(fault).__name__}); the lines above say where."))
