"""`dashdb operator`: the operator for a cluster."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import click

from controller import __version__
from controller.cli.common import Address, DurationType, NetworkType, listen_option, logging_options, tls_options
from controller.cli.listening import Endpoint, listening
from controller.database.addresses import Network, operator_rules
from controller.errors import ConfigurationError
from controller.migrate.files.folder import packaged_folder
from controller.operator.credentials import in_cluster, own_namespace
from controller.operator.inputs import ResourceLimits
from controller.operator.lease import LONGEST_SECONDS, LeaseTimes
from controller.operator.service import Operator
from controller.operator.settings import LeaseSettings, OperatorSettings
from controller.operator.shard import Shard, parse_shard
from controller.runtime.descriptors import raise_descriptor_limit
from controller.runtime.gc_tuning import keep_latency_low
from controller.runtime.log_format import LogFormat
from controller.runtime.signals import StopSignal
from controller.text import one_line
from controller.web.server import application


class ShardType(click.ParamType[Shard]):
    """Parameter type for a shard, such as 1/2."""

    name = "i/n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        try:
            return parse_shard(value)
        except ValueError as error:
            self.fail(f"{value!r} is {error}.", param, ctx)


_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""Names that a namespace can have, RFC 1123 labels:
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names."""


class NamespaceType(click.ParamType[str]):
    """Parameter type for the name of one namespace."""

    name = "namespace"
    envvar_list_splitter = ","

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _NAMESPACE.fullmatch(value):
            what = f"{one_line(value, 80)!r} is no name of a namespace, for example team-a"
            self.fail(f"{what}; for several, repeat the option.", param, ctx)
        return str(value)


@click.command("operator")
@click.option(
    "--namespace",
    "namespaces",
    metavar="NS",
    type=NamespaceType(),
    multiple=True,
    envvar="WATCH_NAMESPACE",
    help="Watch only this namespace, for example team-a; may be repeated. Default: the namespaces in the variable "
    "WATCH_NAMESPACE, with a comma between two, as Operator Lifecycle Manager names them; where it is empty, all.",
)
@click.option(
    "--shard",
    metavar="I/N",
    type=ShardType(),
    default="1/1",
    show_default=True,
    help="Look after one of N parts of the resources alone, counted from 1: two operators with 1/2 and 2/2 share them, "
    "by a hash of namespace and name, and each elects by a Lease of its own. Each has "
    "--connections-per-server for itself. docs/scaling.md says when that is worth it, and how to change N.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Kubeconfig, for use outside a cluster. No default.",
)
@click.option("--context", help="Context of the kubeconfig; default: its current one.")
@listen_option
@tls_options
@click.option(
    "--authorize-endpoints",
    is_flag=True,
    help=(
        "Ask the API server who may read what names databases: all but /live and /ready then need a Bearer token whose "
        "account has the verb get on the nonResourceURL, such as /metrics; for /api/v1/health that is /health. Needs "
        "the right to create TokenReviews and SubjectAccessReviews, which a Role in one namespace cannot give. "
        "Default: everybody may read, and messages show no host and no user."
    ),
)
@click.option(
    "--metrics-per-database/--no-metrics-per-database",
    default=True,
    show_default=True,
    help="About 20 series of each database in /metrics, 1.5 kB. Without them only the totals of all databases remain, "
    "and the alerts say how many databases are concerned, not which. To write 1000 databases takes 30 ms of the "
    "operator, so switch them off for what Prometheus has to store: from about 5000 databases on (100,000 series).",
)
@click.option(
    "--path",
    type=click.Path(path_type=Path, file_okay=False),
    default=packaged_folder,
    show_default="the packaged migrations",
    help="Folder with the migration files.",
)
@click.option(
    "--connections-per-server",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="Connections to one server (host and port) at the same time, however many databases it has; one less for a "
    "single namespace. A migration uses one, and a second one to see who blocks it; the server's users get the rest.",
)
@click.option(
    "--shortest-interval",
    type=DurationType(),
    default="5s",
    show_default=True,
    help="Time between two checks of a database at least, whatever its resource asks for, so that no tenant keeps the "
    "operator busy; for example 30s.",
)
@click.option(
    "--allow-plaintext",
    is_flag=True,
    help="Let a resource say sslMode: disable where its Secret has no sslmode. Without it, only a Secret can.",
)
@click.option(
    "--deny-address",
    "denied",
    metavar="CIDR",
    type=NetworkType(),
    multiple=True,
    help="Never connect to a database at an address of this network; may be repeated, for example 10.0.0.0/24. Always "
    "denied: loopback (unless started outside a cluster), link-local, multicast and unspecified addresses, metadata of "
    "clouds, the API server. Else a resource could find out what listens where only the operator can reach it.",
)
@click.option(
    "--allow-address",
    "allowed",
    metavar="CIDR",
    type=NetworkType(),
    multiple=True,
    help="Exception from the denied addresses; may be repeated, for example 127.0.0.1/32 for one in the same Pod.",
)
@click.option(
    "--lease",
    metavar="NAME",
    help="Elect which of several replicas acts, by the Lease of this name, for example dashdb-operator; the others "
    "stand by. Needs the rights to get and update it, and to create it where it does not exist. Default: no election; "
    "then no second replica may run.",
)
@click.option(
    "--lease-namespace",
    metavar="NS",
    help="Namespace of the Lease, for example dashdb-system. Default: that of this Pod; outside a cluster, none.",
)
@click.option(
    "--lease-duration",
    type=click.IntRange(3, LONGEST_SECONDS),
    default=LeaseTimes().duration,
    show_default=True,
    metavar="SECONDS",
    help="Time after which a standby takes the place of a leader that died without a word; a leader that cannot renew "
    "the Lease for two thirds of it stops acting. 15 survives a restart of the API server.",
)
@logging_options(LogFormat.JSON)
def command(
    *,
    namespaces: tuple[str, ...],
    shard: Shard,
    kubeconfig: Path | None,
    context: str | None,
    listen: Address,
    tls_certificate: Path | None,
    tls_key: Path | None,
    authorize_endpoints: bool,
    metrics_per_database: bool,
    path: Path,
    connections_per_server: int,
    shortest_interval: float,
    allow_plaintext: bool,
    denied: tuple[Network, ...],
    allowed: tuple[Network, ...],
    lease: str | None,
    lease_namespace: str | None,
    lease_duration: int,
) -> None:
    """Reconcile every DashboardDatabase of the cluster until a signal ends it.

    \b
    Example:
      dashdb operator --kubeconfig ~/.kube/config --namespace team-a --log-format text
      dashdb operator --shard 1/2 --lease dashdb-operator
    """
    rules = operator_rules(denied, allowed, in_cluster=in_cluster(), environ=os.environ)
    limits = ResourceLimits(shortest_interval, plaintext_allowed=allow_plaintext, address_rules=rules)
    election = None if lease is None else _lease_settings(shard.lease_name(lease), lease_namespace, lease_duration)
    settings = OperatorSettings(namespaces, kubeconfig, context, path, limits, connections_per_server, election, shard)
    endpoint = Endpoint.of(listen, tls_certificate, tls_key)
    asyncio.run(_run(settings, endpoint, authorize=authorize_endpoints, metrics_per_database=metrics_per_database))


def _lease_settings(name: str, namespace: str | None, duration: int) -> LeaseSettings:
    namespace = namespace or own_namespace()
    if namespace is None:
        raise ConfigurationError("Outside of a cluster, --lease also needs --lease-namespace NS.")
    return LeaseSettings(namespace, name, LeaseTimes(duration))


async def _run(settings: OperatorSettings, endpoint: Endpoint, *, authorize: bool, metrics_per_database: bool) -> None:
    raise_descriptor_limit()
    stop = StopSignal()
    stop.install()
    operator = Operator()
    may_read = operator.may_read if authorize else None
    app = application(
        operator.store,
        operator.not_ready,
        version=__version__,
        authorize=may_read,
        metrics_per_database=metrics_per_database,
        role=operator.role,
        shard=(settings.shard.number, settings.shard.count),
    )
    async with listening(app, endpoint):
        keep_latency_low()
        await operator.run(settings, stop)
