"""The second part of the tour: the operator on a real API server."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.demo.engine import TABLES, curl
from tests.demo.stage import Stage
from tests.support.controlplane import ControlPlane
from tests.support.database import Database
from tests.support.installation import install_operator
from tests.support.postgres import PostgresServer
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess

QUICK_START = Path(__file__).parents[1] / "database" / "schema" / "quick-start.sql"
INTERVAL_SECONDS = 3


class Tour:
    """State that the steps of the tour share."""

    def __init__(
        self, stage: Stage, cluster: ControlPlane, postgres: PostgresServer, operator: OperatorProcess
    ) -> None:
        self.stage = stage
        self.cluster = cluster
        self.postgres = postgres
        self.operator = operator
        cluster.kubectl("create", "namespace", "team-a")
        self.team = Namespace(cluster, "team-a")
        self.database: Database = postgres.create_database("perses")

    def kubectl(self, *words: str) -> str:
        """Run and show a kubectl command in the team's namespace."""
        answer = self.cluster.kubectl(*words, "-n", self.team.name).stdout
        self.stage.command(f"kubectl {' '.join(words)} -n {self.team.name}", answer)
        return answer

    def curl(self, path: str) -> int:
        """Ask an endpoint of the operator, show the answer, and return the HTTP status."""
        return curl(self.stage, self.operator, path)

    def psql(self, statement: str) -> str:
        answer = self.postgres.psql(self.database, sql=statement)
        self.stage.command(f'psql perses -c "{statement}"', answer)
        return answer


def apply(tour: Tour) -> None:
    """The main job: a Secret, a resource, Ready."""
    tour.stage.heading("A Secret and a DashboardDatabase: that is all a team writes")
    wanted = resource("perses", secret_name="perses-db", health={"intervalSeconds": INTERVAL_SECONDS})
    tour.stage.command("cat perses.yaml", json.dumps(wanted["spec"], indent=1))
    started = time.monotonic()
    printed = tour.team.apply(secret("perses-db", connection_values(tour.database)), wanted)
    tour.stage.command("kubectl apply -f perses-db.yaml -f perses.yaml", printed)
    tour.kubectl("wait", "--for=condition=Ready", "ddb/perses", "--timeout=30s")
    tour.stage.say(f"Ready {time.monotonic() - started:.1f} s after kubectl apply began.")
    tour.kubectl("get", "ddb")
    conditions = "-o=jsonpath={range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{'\\n'}{end}"
    answer = tour.cluster.kubectl("get", "ddb", "perses", conditions, "-n", tour.team.name).stdout
    tour.stage.command("kubectl get ddb perses -o jsonpath=... # the conditions", answer)
    seeded = tour.team.condition("perses", "TemplatesSeeded")
    tour.stage.check("Connected, SchemaCurrent, TemplatesSeeded, Healthy", seeded["status"] == "True")


def look_inside(tour: Tour) -> None:
    """Show the tables, templates and history in the database."""
    tour.stage.heading("What it did to the database")
    listed = tour.postgres.psql(tour.database, sql="\\dt")
    tour.stage.command("psql perses -c '\\dt'", listed)
    tour.stage.check("six tables", all(f" {table} " in listed for table in TABLES))
    panels = "(SELECT count(*) FROM jsonb_object_keys(doc->'spec'->'panels')) AS panels"
    templates = tour.psql(f"SELECT id, category, version, {panels} FROM dashboard_template ORDER BY id")
    tour.stage.check("four system templates with their panels", templates.count("template-") == 4)
    tour.psql("SELECT * FROM schema_version")
    answer = tour.postgres.psql(tour.database, file=QUICK_START)
    tour.stage.command(f"psql perses -f {QUICK_START.name}   # the users' everyday statements", answer)
    tour.stage.check("every statement of the quick start runs as written", "My Dashboard" in answer)


def ask_the_endpoints(tour: Tour) -> None:
    """Probes, health, metrics."""
    tour.stage.heading("Probes, health and metrics")
    paths = ("/live", "/ready", f"/api/v1/health/{tour.team.name}/perses", "/metrics/health")
    for path in paths:
        tour.stage.check(f"{path} answers 200", tour.curl(path) == 200)
    body = tour.operator.get("/metrics")[1]
    ours = [line for line in body.splitlines() if line.startswith("dashdb_")]
    tour.stage.command(f"curl localhost:{tour.operator.port}/metrics | grep ^dashdb_", "\n".join(ours))
    series = f'dashdb_database_ready{{name="perses",namespace="{tour.team.name}"}} 1.0'
    tour.stage.check("Prometheus sees the database ready", series in ours)


def break_and_mend(tour: Tour) -> None:
    """3 a.m."""
    tour.stage.heading("3 a.m.: PostgreSQL goes away, and comes back")
    tour.stage.say("PostgreSQL is shut down.")
    tour.postgres.stop("fast")
    with tour.stage.waiting("The operator notices"):
        tour.team.wait_for("perses", "Ready", "False", seconds=30)
    tour.kubectl("get", "ddb", "-o", "wide")
    tour.stage.check("unhealthy is said with 503", tour.curl(f"/api/v1/health/{tour.team.name}/perses") == 503)
    tour.stage.check("/live stays 200: no probe kills the operator for it", tour.operator.get("/live")[0] == 200)
    tour.stage.say("PostgreSQL is started again.")
    tour.postgres.start()
    with tour.stage.waiting("The operator heals the resource by itself"):
        tour.team.wait_for("perses", "Ready", "True", seconds=30)
    tour.kubectl("get", "ddb")
    events = "".join(f"{e['type']:8} {e['reason']:18} {e['note']}\n" for e in tour.team.events())
    tour.stage.command(f"kubectl events -n {tour.team.name}", events)
    tour.stage.check("the outage is in the events", "ConnectionRefused" in events)


def forget(tour: Tour) -> None:
    """Deleting the resource is no way to lose data."""
    tour.stage.heading("Deleting the resource keeps the data")
    tour.kubectl("delete", "ddb", "perses", "--timeout=10s")
    kept = tour.psql("SELECT count(*) AS dashboards FROM dashboard")
    tour.stage.check("the dashboard of the quick start is still there", "1" in kept.split())


@contextmanager
def operator_running(stage: Stage, postgres: PostgresServer, folder: Path) -> Iterator[Tour]:
    """Start kube-apiserver with etcd, and the operator with its own account's rights; gone afterwards."""
    stage.heading("A cluster: kube-apiserver with etcd, and the operator")
    with ExitStack() as stack:
        with stage.waiting("kube-apiserver with etcd"):
            cluster = stack.enter_context(ControlPlane())
        kubeconfig = install_operator(cluster)
        stage.say("Installed from manifests/: the CRD, the operator's ServiceAccount and its rights.")
        operator = OperatorProcess(kubeconfig, folder / "operator.log")
        with stage.waiting("dashdb operator, with the token of its own ServiceAccount"):
            stack.enter_context(operator)
        yield Tour(stage, cluster, postgres, operator)


STEPS = (apply, look_inside, ask_the_endpoints, break_and_mend, forget)
