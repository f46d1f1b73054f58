"""`dashdb serve`: the sidecar."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click

from controller import __version__
from controller.cli.common import Address, DurationType, database_options, listen_option, logging_options, tls_options
from controller.cli.invocation import path_option
from controller.cli.listening import Endpoint, listening
from controller.config.environment import DatabaseSettings, database_settings, to_desired
from controller.config.tls_files import with_tls_files
from controller.database.target import Pooler, Target
from controller.database.tls import tls_context
from controller.desired import Desired
from controller.health.report import starting
from controller.health.store import ReportStore
from controller.health.unnamed import general_words
from controller.migrate.files.source import MigrationSource
from controller.runtime.descriptors import raise_descriptor_limit
from controller.runtime.gc_tuning import keep_latency_low, no_collections
from controller.runtime.log_format import LogFormat
from controller.runtime.signals import StopSignal
from controller.text import one_line
from controller.web.server import application


@click.command("serve")
@click.option("--migrate", is_flag=True, help="Bring the schema to the newest version first.")
@click.option("--seed", is_flag=True, help="Write the system templates first.")
@listen_option
@tls_options
@path_option
@click.option("--schema", metavar="NAME", help="Schema to work in; default: the first of the search_path.")
@click.option(
    "--lock-timeout",
    type=DurationType(),
    default="15s",
    show_default=True,
    help="How long to wait for another runner to finish before the next try.",
)
@database_options
@logging_options(LogFormat.JSON)
def command(
    *,
    listen: Address,
    tls_certificate: Path | None,
    tls_key: Path | None,
    path: Path,
    schema: str | None,
    lock_timeout: float,
    database_url: str | None,
    pooler: Pooler,
    migrate: bool,
    seed: bool,
) -> None:
    """Migrate, seed and check one database as a sidecar of its backend, and serve probes, health and metrics.

    It starts, and /live answers, while the database is down; /ready answers 200 once the database has been migrated
    and seeded, if the options ask for that, and from then on while it answers.

    \b
    Example:
      DB_HOST=127.0.0.1 DB_NAME=perses DB_USER=perses DB_PASSWORD=... dashdb serve --migrate --seed
    """
    endpoint = Endpoint.of(listen, tls_certificate, tls_key)
    settings = database_settings(os.environ, url=database_url, pooler=pooler)
    target = _target(settings)
    source = MigrationSource(path)
    if migrate:
        source.read()
    desired = to_desired(settings, target, migrate=migrate, seed=seed, schema=schema, runner_wait=lock_timeout)
    asyncio.run(_run(desired, lambda: _target(settings), source, endpoint))


async def _run(
    desired: Desired, read_target: Callable[[], Target], source: MigrationSource, endpoint: Endpoint
) -> None:
    raise_descriptor_limit()
    stop = StopSignal()
    stop.install()
    await tls_context(read_target())  # an invalid certificate is an error at the start, not a failed check
    store, key = ReportStore(), ("", read_target().database)
    store.announce(key, starting())

    def not_ready() -> str | None:
        if stop.is_set():
            return "Stopping after a signal."
        report = store.get(key, datetime.now(UTC))
        if report is None:
            return "Starting: no report yet."
        return None if report.ready else one_line(f"{report.reason}: {general_words(report.reason, report.message)}")

    async with listening(application(store, not_ready, version=__version__), endpoint):
        # The engine is loaded in a thread: /live answers meanwhile.
        sidecar = await asyncio.to_thread(_load_engine)
        keep_latency_low()
        adapter = sidecar.SidecarAdapter(desired, read_target)
        await sidecar.run_sidecar(adapter, key=key, store=store, migrations=source.read, stop=stop)


def _load_engine() -> ModuleType:
    with no_collections():
        return import_module("controller.sidecar.service")


def _target(settings: DatabaseSettings) -> Target:
    """Read the target again, since certificate files may be replaced."""
    return with_tls_files(settings.target, settings.tls_files)
