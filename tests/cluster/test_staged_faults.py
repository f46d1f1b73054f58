"""Every alert fires, and every panel shows what is true, while a real fault is there.

Real operators work on real databases. Prometheus Operator reads the ServiceMonitor and the PrometheusRule of the
manifests, and Prometheus scrapes and evaluates what it writes, with all times a hundredth, or a fiftieth: an alert that
waits for half an hour waits for 18 seconds.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Set
from contextlib import ExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml

from controller import __version__
from controller.migrate.files.folder import packaged_folder
from tests.cluster.manifests_objects import NAME, own_kustomization
from tests.cluster.panels import Between, Shown, compare_panels, shown
from tests.cluster.test_migrations import add
from tests.cluster.test_shards import FIRST, names_of
from tests.support import quick_lists
from tests.support.controlplane import ControlPlane
from tests.support.database import Database
from tests.support.installation import ROOT, install_operator
from tests.support.monitoring import Monitored, install_with_pods, scraping
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.prometheus import Prometheus
from tests.support.replicas import DURATION_SECONDS, HOME
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess
from tools.dashboards import PANELS

CRD = str(ROOT / "crds" / "dashboarddatabases.yaml")
FACTOR = 100
FACTOR_OF_REPLICAS = 50
"""Less for replicas: the times of a Lease, and of a watch that begins anew, are those of production."""
LONGEST_SECONDS = 90.0

SOON_OVERDUE = {"connectTimeoutSeconds": 1, "queryTimeoutSeconds": 1}
"""Limits with which a check is overdue after four seconds."""

OF_EACH_DATABASE = {
    "DashdbDatabaseDown", "DashdbMigrationsPending", "DashdbDatabaseNotReady", "DashdbConnectionsNearLimit",
    "DashdbConnectionBudgetUsedUp", "DashdbChecksStale", "DashdbStatusRefused",
}  # fmt: skip
OF_TOTALS = {
    "DashdbDatabasesDown", "DashdbDatabasesMigrationsPending", "DashdbDatabasesNotReady",
    "DashdbDatabasesNearConnectionLimit", "DashdbNotWatching",
}  # fmt: skip
OF_THE_WATCH = {"DashdbWatchRestarts", "DashdbNotWatching"}
OF_REPLICAS = {"DashdbNoLeader", "DashdbShardAbsent"}
OF_NOBODY = {"DashdbOperatorAbsent"}

STATES = ("ready", "degraded", "not_ready", "pending", "stale")
"""Panels that show the number of databases in one state."""
SHOWN_OF_REPLICAS = {"leaders", "transitions", "releases", "watch"}
"""Panels that the test of replicas compares; the others are compared in that of each database."""


@pytest.fixture
def stopped() -> Iterator[PostgresServer]:
    """A server that the test stops."""
    with PostgresServer(18) as running:
        yield running


@pytest.fixture
def busy() -> Iterator[PostgresServer]:
    """A server on which a long migration runs."""
    with PostgresServer(18) as running:
        yield running


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """The packaged migration, and one that takes longer than a test."""
    folder = tmp_path / "migrations"
    shutil.copytree(packaged_folder(), folder)
    add(folder, 2, "SELECT pg_sleep(600);", "SELECT 1;")
    return folder


@pytest.fixture
def monitored(scraped_cluster: ControlPlane, tmp_path: Path) -> Monitored:
    """The operator of one namespace with monitoring, as manifests/monitoring says."""
    folder, name = tmp_path / "kustomization", scraped_cluster.namespace()
    folder.mkdir()
    file = own_kustomization("namespaced", folder) / "kustomization.yaml"
    file.write_text(file.read_text().replace("team-a", name))
    return install_with_pods(scraped_cluster, folder, ["operator-a"])


def apply(team: Namespace, name: str, database: Database, **spec: Any) -> None:
    """Apply a resource that is looked at every second, and is not called slow where this machine is busy."""
    health = {"intervalSeconds": 1, "slowResponseMilliseconds": 2000}
    wanted = {"health": health, "schema": {"targetVersion": 1}, **spec}
    team.apply(secret(name, connection_values(database)), resource(name, secret_name=name, **wanted))


class Databases:
    """Databases with a fault each, and one without."""

    def __init__(self, team: Namespace, postgres: PostgresServer, stopped: PostgresServer) -> None:
        self.team, self._postgres, self._stopped = team, postgres, stopped
        self._all = {name: postgres.create_database() for name in ("good", "full", "waits", "lost")}
        self._all["down"] = stopped.create_database()

    def begin(self) -> None:
        """Apply all of them, and wait until they are ready."""
        full = self._all["full"].user
        self._postgres.psql(self._postgres.superuser, sql=f'ALTER ROLE "{full}" CONNECTION LIMIT 20')
        for name, database in self._all.items():
            apply(self.team, name, database)
        self.wait_ready(*self._all)

    def wait_ready(self, *names: str) -> None:
        for name in names:
            self.team.wait_for(name, "Ready", "True", seconds=60)

    @asynccontextmanager
    async def faults(self) -> AsyncIterator[None]:
        """Stop a server, ask for an approval, lose a Secret and take 19 of 20 connections, for the time of a `with`."""
        self._stopped.stop("fast")
        apply(self.team, "waits", self._all["waits"], schema={"policy": "Manual", "targetVersion": 2})
        self.team.cluster.kubectl("delete", "secret", "lost", "-n", self.team.name)
        taken = await asyncio.gather(*(asyncpg.connect(self._all["full"].dsn) for _ in range(19)))
        try:
            yield
        finally:
            for connection in taken:
                connection.terminate()


def firing(prometheus: Prometheus) -> set[str]:
    return prometheus.labels('ALERTS{alertstate="firing"}', "alertname")


def wait_for_silence(prometheus: Prometheus, well: str) -> None:
    """Wait until WELL, a query, finds something, and no alert fires or is about to."""
    wait_until(
        lambda: bool(prometheus.query(well)) and not prometheus.query("ALERTS"),
        what=f"all is well before the faults ({well})",
        seconds=LONGEST_SECONDS,
        interval=0.2,
    )
    assert not prometheus.query('last_over_time(ALERTS{alertstate="firing"}[1h])')


def wait_for_alerts(
    prometheus: Prometheus,
    wanted: set[str],
    meanwhile: Callable[[], object] = lambda: None,
    *,
    before: Set[str] = frozenset(),
) -> None:
    """Wait until the alerts WANTED fire together; none has fired but these, and those that fired BEFORE.

    MEANWHILE is called again and again.
    """
    seen: set[str] = set()

    def all_fire() -> bool:
        seen.clear()
        seen.update(firing(prometheus))
        meanwhile()
        return wanted <= seen

    try:
        wait_until(all_fire, what="the alerts fire", seconds=LONGEST_SECONDS, interval=0.5)
    except Exception as error:
        error.add_note(f"missing: {sorted(wanted - seen)}; firing: {sorted(seen)}")
        raise
    ever = prometheus.labels('last_over_time(ALERTS{alertstate="firing"}[1h])', "alertname")
    assert ever == wanted | before


def names_in(prometheus: Prometheus, alert: str) -> set[str]:
    """Return the databases that an alert names."""
    return prometheus.labels(f'ALERTS{{alertname="{alert}",alertstate="firing"}}', "name")


def lose_the_crd_for_a_while(team: Namespace, name: str, database: Database, restarts: Callable[[], float]) -> None:
    """Delete the CRD and make it again, with a resource: the watch ends at the one, and mostly misses the other."""
    before = restarts()
    team.cluster.kubectl("delete", "-f", CRD)
    wait_until(lambda: restarts() > before, what="the watch begins anew", seconds=30, interval=0.2)
    install_operator(team.cluster)
    apply(team, name, database)
    team.wait_for(name, "Ready", "True", seconds=60)


def wait_for_lease(cluster: ControlPlane, *, transitions: int) -> None:
    """Wait until the Lease of the first of two shards has an owner again, after so many changes."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/{NAME}-1-of-2"

    def is_held() -> bool:
        spec = cluster.read(path).get("spec", {})
        return bool(spec.get("holderIdentity")) and spec["leaseTransitions"] == transitions

    wait_until(is_held, what="a replica leads", seconds=30, interval=0.1)


def remove_right(monitored: Monitored, kind: str) -> None:
    """Take the rule about KIND out of the Role of the operator's account."""
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{monitored.namespace}/roles/{NAME}"
    role = monitored.cluster.read(path)
    role["rules"] = [rule for rule in role["rules"] if rule["resources"] != [kind]]
    monitored.cluster.kubectl("replace", "-f", "-", input=json.dumps(role))


@pytest.mark.timeout(300)
async def test_with_series_of_each_database_alerts_and_panels_name_those_with_a_fault(
    monitored: Monitored,
    migrations: Path,
    postgres: PostgresServer,
    stopped: PostgresServer,
    busy: PostgresServer,
    tmp_path: Path,
) -> None:
    cluster, team = monitored.cluster, Namespace(monitored.cluster, monitored.namespace)
    account = cluster.service_account_kubeconfig(team.name, NAME)
    options = ["--lease", NAME, "--lease-namespace", team.name, "--connections-per-server", "2"]
    log = tmp_path / "operator.log"
    databases = Databases(team, postgres, stopped)
    on_busy = {name: busy.create_database() for name in ("long", "next", "last")}
    with (
        OperatorProcess(account, log, namespace=team.name, migrations=migrations, options=options) as operator,
        scraping(monitored, tmp_path / "prometheus", {"operator-a": operator}, factor=FACTOR) as prometheus,
    ):
        databases.begin()
        for name, database in on_busy.items():
            apply(team, name, database, pool=SOON_OVERDUE)
        databases.wait_ready(*on_busy)
        wait_for_silence(prometheus, 'dashdb_databases{state="ready"} == 8')
        async with databases.faults():
            apply(team, "long", on_busy["long"], schema={"targetVersion": 2}, pool=SOON_OVERDUE)
            for reason, name in (("SecretNotFound", "lost"), ("ConnectionRefused", "down")):
                team.wait_for(name, "Ready", "False", reason=reason)
            remove_right(monitored, "dashboarddatabases/status")
            turn = cycle((1, 2))

            def change() -> None:
                """Change a resource, whose status is then to say so: an equal one is written once a minute at most."""
                patch = json.dumps({"spec": {"health": {"intervalSeconds": next(turn)}}})
                cluster.kubectl("patch", "ddb", "good", "-n", team.name, "--type=merge", "-p", patch)

            wait_for_alerts(prometheus, OF_EACH_DATABASE, change)
            assert names_in(prometheus, "DashdbDatabaseDown") == {"down"}
            assert names_in(prometheus, "DashdbMigrationsPending") == {"waits"}
            assert names_in(prometheus, "DashdbDatabaseNotReady") == {"lost"}
            assert names_in(prometheus, "DashdbConnectionsNearLimit") == {"full"}
            instance = f"127.0.0.1:{operator.port}"
            memory = operator.resident_bytes
            waited = Between(4, LONGEST_SECONDS)
            compare_panels(
                prometheus,
                shown_of_databases(
                    team.name,
                    memory={instance: Between(memory * 0.8, memory * 1.2)},
                    cpu={instance: Between(0.001, 1.5)},
                    refused={instance: Between(3, 200)},
                    wait={"longest": waited},
                    age={"oldest": waited},
                ),
            )


def shown_of_databases(namespace: str, **of_the_process: Shown) -> dict[str, Shown]:
    """Return the panels, while three databases on a server wait for one migration, and four more have a fault each."""
    overdue = ("long", "next", "last")
    states = {"ready": 1, "degraded": 1, "not ready": 2, "migrations wait": 1, "not checked in time": 3}

    def each(*names: str, value: float | Between) -> Shown:
        return {f"{namespace}/{name}": value for name in names}

    answer, few = Between(0.00001, 1), Between(0, 50)
    return {
        **{key: {"": value} for key, value in zip(STATES, states.values(), strict=True)},
        "states": states,
        "which": each("down", "lost", "waits", *overdue, value=1),
        "response": each("good", "full", "waits", *overdue, value=answer),
        "connections": {**each("good", "waits", *overdue, value=few), **each("full", value=95)},
        "reconciles": {"ready": Between(0.1, 20), "not ready": Between(0.1, 20)},
        "waiting": {"waiting": Between(2, 4)},
        **of_the_process,
    }


@pytest.mark.timeout(300)
async def test_without_series_of_each_database_alerts_and_panels_count_them(
    monitored: Monitored, migrations: Path, postgres: PostgresServer, stopped: PostgresServer, tmp_path: Path
) -> None:
    cluster, team = monitored.cluster, Namespace(monitored.cluster, monitored.namespace)
    account = cluster.service_account_kubeconfig(team.name, NAME)
    log = tmp_path / "operator.log"
    options = ["--no-metrics-per-database"]
    databases = Databases(team, postgres, stopped)
    with (
        OperatorProcess(account, log, namespace=team.name, migrations=migrations, options=options) as operator,
        scraping(monitored, tmp_path / "prometheus", {"operator-a": operator}, factor=FACTOR) as prometheus,
    ):
        databases.begin()
        wait_for_silence(prometheus, 'dashdb_databases{state="ready"} == 5')
        async with databases.faults():
            for reason, name in (("SecretNotFound", "lost"), ("ConnectionRefused", "down")):
                team.wait_for(name, "Ready", "False", reason=reason)
            remove_right(monitored, "dashboarddatabases")
            wait_for_alerts(prometheus, OF_TOTALS)
            states = {"ready": 1, "degraded": 1, "not ready": 2, "migrations wait": 1, "not checked in time": 0}
            panels = {key: {"": value} for key, value in zip(STATES, states.values(), strict=True)}
            compare_panels(prometheus, {"states": states, **panels})


@pytest.mark.timeout(300)
def test_replicas_that_cannot_lead_shards_without_one_and_an_operator_that_is_gone(
    scraped_cluster: ControlPlane, database: Database, tmp_path: Path
) -> None:
    team = Namespace(scraped_cluster, scraped_cluster.namespace())
    folder = tmp_path / "kustomization"
    folder.mkdir()
    pods = {"operator-a": "1/2", "operator-b": "1/2", "operator-c": "2/2"}
    monitored = install_with_pods(scraped_cluster, own_kustomization("shards", folder), list(pods))
    account = scraped_cluster.service_account_kubeconfig(HOME, NAME)
    lease = ["--lease", NAME, "--lease-namespace", HOME, "--lease-duration", str(DURATION_SECONDS)]
    within = [sys.executable, quick_lists.__file__, str(60 / FACTOR_OF_REPLICAS)]
    processes = {
        pod: OperatorProcess(
            account, tmp_path / f"{pod}.log", authorize=True, options=[*lease, "--shard", shard], within=within
        )
        for pod, shard in pods.items()
    }
    with ExitStack() as stack:
        for process in processes.values():
            stack.callback(process.kill)
        standby, leader, of_the_other_shard = processes.values()
        standby.start()
        wait_for_lease(scraped_cluster, transitions=1)
        leader.start()
        of_the_other_shard.start()
        standby.stop()
        wait_for_lease(scraped_cluster, transitions=2)
        standby.start()
        prometheus = stack.enter_context(
            scraping(monitored, tmp_path / "prometheus", processes, factor=FACTOR_OF_REPLICAS)
        )
        wait_for_silence(prometheus, "sum(dashdb_leader) == 2 and count(dashdb_build_info) == 3")
        releases = {"releases": {__version__: 3}}
        compare_panels(prometheus, {"leaders": {"": 2}, "transitions": {"changes": 2}, **releases})

        [name] = names_of(FIRST, team, 1)

        def restarts() -> float:
            [found] = prometheus.query(f'dashdb_watch_restarts_total{{instance="127.0.0.1:{leader.port}"}}')
            return float(found["value"][1])

        while restarts() < 4:
            lose_the_crd_for_a_while(team, name, database, restarts)
        scraped_cluster.kubectl("delete", "-f", CRD)  # and this time it stays away
        wait_for_alerts(prometheus, OF_THE_WATCH)
        watch = shown(prometheus, "watch")
        assert watch[f"127.0.0.1:{standby.port}"] == 0
        assert watch[f"127.0.0.1:{leader.port}"] == pytest.approx(restarts(), rel=0.3)

        standby.kill()
        of_the_other_shard.kill()
        scraped_cluster.kubectl("delete", "rolebinding", f"{NAME}-lease-1-of-2", "-n", HOME)
        wait_for_alerts(prometheus, OF_REPLICAS, before=OF_THE_WATCH)
        assert prometheus.labels('ALERTS{alertname="DashdbNoLeader"}', "shard") == {"1/2"}
        releases = {"releases": {__version__: 1}}
        compare_panels(prometheus, {"leaders": {"": 0}, "transitions": {"changes": 2}, **releases})

        leader.kill()
        wait_for_alerts(prometheus, OF_NOBODY, before=OF_THE_WATCH | OF_REPLICAS)
        # The restarts of the last hour count a while longer.
        assert firing(prometheus) - {"DashdbWatchRestarts"} == OF_NOBODY


def test_every_alert_is_staged() -> None:
    rules = yaml.safe_load((ROOT / "manifests/monitoring/prometheus-rule.yaml").read_text())["spec"]["groups"]
    alerts = {rule["alert"] for group in rules for rule in group["rules"]}
    assert alerts == OF_EACH_DATABASE | OF_TOTALS | OF_THE_WATCH | OF_REPLICAS | OF_NOBODY


def test_every_panel_is_compared() -> None:
    of_the_process: dict[str, Shown] = {key: {} for key in ("memory", "cpu", "refused", "wait", "age")}
    compared = shown_of_databases("team-a", **of_the_process).keys()
    assert compared | SHOWN_OF_REPLICAS == {panel.key for panel in PANELS}
