"""`dashdb health`: one check of one database."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime

import click

from controller import __version__
from controller.cli.common import database_options, logging_options
from controller.cli.failures import fail
from controller.config.environment import DatabaseSettings, database_settings
from controller.config.tls_files import with_tls_files
from controller.database.pool.pool import Pool
from controller.database.target import Pooler
from controller.desired import Thresholds
from controller.errors import ConfigurationError
from controller.exit_codes import ExitCode
from controller.health.check import check
from controller.health.report import Report
from controller.health.verdict import CheckResult, Health
from controller.runtime.log_format import LogFormat
from controller.web import answers


@click.command("health")
@database_options
@logging_options(LogFormat.TEXT)
def command(database_url: str | None, pooler: Pooler) -> None:
    """Check the database once, and print the answer of /api/v1/health.

    \b
    Exit codes: 0 healthy or degraded, 1 unhealthy, 2 usage.

    \b
    Example:
      dashdb health
    """
    try:
        found = asyncio.run(_check(database_settings(os.environ, url=database_url, pooler=pooler)))
    except ConfigurationError as error:
        fail(error)
    now = datetime.now(UTC)
    report = Report(found.verdict, found.sample, ready=False, reason="", message="", due_by=now)
    answer = answers.health([report], now=now, version=__version__)
    click.echo(json.dumps(answer, indent=2))
    if found.verdict.health is Health.UNHEALTHY:
        sys.exit(ExitCode.FAILED)


async def _check(settings: DatabaseSettings) -> CheckResult:
    pool = Pool(with_tls_files(settings.target, settings.tls_files), settings.pool)
    try:
        return await check(pool, Thresholds(), None)
    finally:
        await pool.close()
