"""The operator is removed as docs/release.md says, in either order: nothing hangs, and the data stays."""

import re
from pathlib import Path

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.database import Database
from tests.support.installation import ROOT, install_operator
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess

CRD = "dashboarddatabases.dashdb.dev"


def removal() -> list[str]:
    """The commands of the section, without `kubectl`: the operator first, then the CRD."""
    section = (ROOT / "docs" / "release.md").read_text().partition("## Remove it")[2].partition("\n## ")[0]
    return re.findall(r"^    kubectl (.*)$", section, re.MULTILINE)


@pytest.mark.parametrize("first", ["operator", "CRD"])
def test_nothing_hangs_whatever_is_removed_first_and_the_data_stays(
    first: str, own_cluster: ControlPlane, postgres: PostgresServer, database: Database, tmp_path: Path
) -> None:
    account = install_operator(own_cluster)
    team = Namespace(own_cluster, own_cluster.namespace())
    operator = OperatorProcess(account, tmp_path / "operator.log")
    with operator:
        team.apply(secret("db", connection_values(database)), resource("perses", secret_name="db"))
        team.wait_for("perses", "Ready", "True")
        whole, crd = removal()
        if first == "operator":
            operator.stop()
        for command in (whole, crd) if first == "operator" else (crd, whole):
            place = command.replace(" manifests/", f" {ROOT / 'manifests'}/").replace(" crds/", f" {ROOT / 'crds'}/")
            own_cluster.kubectl(*place.split(), "--wait=false")  # no controller ends a namespace here
        gone = ("get", "crd", CRD)
        wait_until(lambda: own_cluster.kubectl(*gone, check=False).returncode != 0, what="the CRD is gone", seconds=20)
        if first == "CRD":
            assert operator.get("/live")[0] == 200
            assert operator.stop() == 0
    assert "Traceback" not in operator.log
    left = own_cluster.kubectl("get", "clusterrole,clusterrolebinding", "-o", "name").stdout
    assert "dashboard-database-operator" not in left
    count = postgres.psql(database, args=("-At",), sql="SELECT count(*) FROM dashboard_template")
    assert count.strip() == "4"
