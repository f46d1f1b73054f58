"""`dashdb operator`."""

import asyncio
from importlib.metadata import version
from pathlib import Path

import click

from controller.cli.options import logging_options
from controller.log_format import LogFormat
from controller.migrate.files import packaged_folder
from controller.operator.service import Operator, OperatorSettings
from controller.signals import StopSignal
from controller.web.server import application, serving


@click.command("operator")
@click.option("--namespace", "namespaces", metavar="NS", multiple=True, help="Watch only this one; may be repeated.")
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The cluster, outside of one. No default.",
)
@click.option("--context", help="Context of the kubeconfig; default: its current one.")
@click.option(
    "--listen",
    default="0.0.0.0:8080",
    show_default=True,
    metavar="HOST:PORT",
    help="Probes, health, metrics.",
)
@click.option(
    "--path",
    type=click.Path(path_type=Path, file_okay=False),
    default=packaged_folder,
    show_default="the packaged migrations",
    help="Folder with migrations of your own.",
)
@logging_options(LogFormat.JSON)
def command(namespaces: tuple[str, ...], kubeconfig: Path | None, context: str | None, listen: str, path: Path) -> None:
    """Reconciles every DashboardDatabase of the cluster, until it is told to stop.

    \b
    Example, from a laptop:
      dashdb operator --kubeconfig ~/.kube/config --namespace team-a --listen 127.0.0.1:8080 --log-format text
    """
    host, port = _address(listen)
    asyncio.run(_run(OperatorSettings(namespaces, kubeconfig, context, path), host, port))


async def _run(settings: OperatorSettings, host: str, port: int) -> None:
    stop = StopSignal()
    stop.install()
    operator = Operator()
    app = application(operator.board, lambda: operator.watching, version=version("dashboard-database-operator"))
    async with serving(app, host, port):
        await operator.run(settings, stop)


def _address(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004
        raise click.BadParameter(f"{text!r} is not HOST:PORT, for example 127.0.0.1:8080.", param_hint="--listen")
    return host.strip("[]"), int(port)
