"""`dashdb serve`: the sidecar."""

import asyncio
import os
from pathlib import Path

import click

from controller import __version__
from controller.cli.common import Address, DurationType, database_options, listen_option, logging_options
from controller.cli.invocation import path_option
from controller.config.environment import DatabaseSettings, database_settings
from controller.config.tls_files import with_tls_files
from controller.database.target import Pooler, Target
from controller.database.tls import tls_context
from controller.health.store import ReportStore
from controller.migrate.files.source import MigrationSource
from controller.migrate.history.session import RunSettings
from controller.runtime.gc_tuning import keep_latency_low
from controller.runtime.log_format import LogFormat
from controller.runtime.signals import StopSignal
from controller.sidecar.preparation import Wanted
from controller.sidecar.service import Sidecar
from controller.web.server import application, serving


@click.command("serve")
@click.option("--migrate", is_flag=True, help="Bring the schema to the newest version first.")
@click.option("--seed", is_flag=True, help="Write the system templates first.")
@listen_option
@path_option
@click.option("--schema", metavar="NAME", help="Schema to work in; default: the first of the search_path.")
@click.option(
    "--lock-timeout",
    type=DurationType(),
    default="15s",
    show_default=True,
    help="How long to wait for another runner to finish; then it is tried again.",
)
@database_options
@logging_options(LogFormat.JSON)
def command(
    *,
    listen: Address,
    path: Path,
    schema: str | None,
    lock_timeout: float,
    database_url: str | None,
    pooler: Pooler,
    migrate: bool,
    seed: bool,
) -> None:
    """Watches one database from beside its backend, and serves probes, health and metrics of it.

    It starts, and /live answers, while the database is down; /ready answers 200 once the database answers and has
    been migrated and seeded, where that was asked for.

    \b
    Example:
      DB_HOST=127.0.0.1 DB_NAME=perses DB_USER=perses DB_PASSWORD=... dashdb serve --migrate --seed
    """
    settings = database_settings(os.environ, url=database_url, pooler=pooler)
    tls_context(_target(settings))  # a certificate that cannot be used is said now, and not as a failed check
    source = MigrationSource(path)
    if migrate:
        source.read()
    wanted = Wanted(source.read, RunSettings(runner_wait=lock_timeout, schema=schema), migrate, seed)
    asyncio.run(_run(settings, wanted, listen))


async def _run(settings: DatabaseSettings, wanted: Wanted, listen: Address) -> None:
    stop = StopSignal()
    stop.install()
    store = ReportStore()
    sidecar = Sidecar(lambda: _target(settings), settings.pool, wanted, store)
    app = application(store, sidecar.not_ready, version=__version__)
    async with serving(app, listen.host, listen.port):
        keep_latency_low()
        await sidecar.run(stop)


def _target(settings: DatabaseSettings) -> Target:
    """Read anew each time: certificates are renewed in place."""
    return with_tls_files(settings.target, settings.tls_files)
