"""Guarded endpoints with tokens of a real API server."""

import base64
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.support.controlplane import ControlPlane
from tests.support.installation import ROOT, install_operator
from tests.support.monitoring import install_prometheus_account
from tests.support.processes import wait_until
from tests.support.resources import Namespace, resource, secret
from tests.support.serving import OperatorProcess
from tests.unit.web.test_guard import GUARDED


@contextmanager
def guarded(account: Path, folder: Path) -> Iterator[OperatorProcess]:
    with OperatorProcess(account, folder / "operator.log", authorize=True) as operator:
        yield operator


def install_readers(cluster: ControlPlane) -> None:
    """Make the account of Prometheus, and give it the rights of the manifests to read metrics."""
    install_prometheus_account(cluster)
    readers = (ROOT / "manifests/cluster-wide/endpoint-readers.yaml").read_text()
    cluster.kubectl("apply", "-f", "-", input=readers)


def account_without_rights(team: Namespace) -> str:
    team.cluster.kubectl("create", "serviceaccount", "somebody", "-n", team.name)
    return "somebody"


def test_prometheus_may_scrape_and_sees_nothing_else(account: Path, team: Namespace, tmp_path: Path) -> None:
    install_readers(team.cluster)
    token = team.cluster.token("monitoring", "prometheus-k8s")
    with guarded(account, tmp_path) as operator:
        status, body = operator.get("/metrics", token)
        assert (status, "dashdb_build_info" in body) == (200, True)
        others = [path for path in GUARDED if path != "/metrics"]
        assert [operator.get(path, token)[0] for path in others] == [403] * len(others)
        assert token not in operator.log


def test_the_runbooks_give_an_account_the_right_to_read_health(account: Path, team: Namespace, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "runbooks.md").read_text().partition("## Read the endpoints")[2]
    lines = re.findall(r"^    kubectl (create .*)$", text, re.MULTILINE)
    install_readers(team.cluster)
    *made, token = [team.cluster.kubectl(*shlex.split(line)).stdout.strip() for line in lines]
    assert len(made) == 2
    [curl] = re.findall(r"^    curl .*(/api/\S+)$", text, re.MULTILINE)
    with guarded(account, tmp_path) as operator:
        assert operator.get(curl)[0] == 401
        assert operator.get(curl, token)[0] in (200, 503)  # as the databases of other tests are
        assert operator.get("/", token)[0] == 200


def test_what_kubernetes_gives_every_account_is_no_right_to_any_of_it(
    account: Path, team: Namespace, tmp_path: Path
) -> None:
    token = team.cluster.token(team.name, account_without_rights(team))
    with guarded(account, tmp_path) as operator:
        assert [operator.get(path, token)[0] for path in GUARDED] == [403] * len(GUARDED)


def test_an_account_without_the_right_is_forbidden_until_it_gets_it(
    account: Path, team: Namespace, tmp_path: Path
) -> None:
    name = account_without_rights(team)
    token = team.cluster.token(team.name, name)
    path = f"/api/v1/health/{team.name}/perses"
    with guarded(account, tmp_path) as operator:
        assert operator.get(path, token)[0] == 403
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": team.name},
            "rules": [{"nonResourceURLs": [f"/health/{team.name}/*"], "verbs": ["get"]}],
        }
        team.cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump(role))
        subject = f"--serviceaccount={team.name}:{name}"
        team.cluster.kubectl("create", "clusterrolebinding", team.name, f"--clusterrole={team.name}", subject)
        wait_until(lambda: operator.get(path, token)[0] == 404, what="the right shows", seconds=60)
        assert operator.get("/api/v1/health/kube-system/perses", token)[0] == 403


def test_who_may_read_sees_host_and_user_in_messages(account: Path, team: Namespace, tmp_path: Path) -> None:
    values = {"host": "no-such-host.invalid", "port": "5432", "dbname": "d", "user": "u", "password": "p"}
    team.apply(secret("perses-db", values), resource("perses", secret_name="perses-db"))
    name = account_without_rights(team)
    subject = f"--serviceaccount={team.name}:{name}"
    team.cluster.kubectl("create", "clusterrolebinding", team.name, "--clusterrole=cluster-admin", subject)
    with guarded(account, tmp_path) as operator:
        token = team.cluster.token(team.name, name)
        team.wait_for("perses", "Connected", "False", reason="HostNotFound")
        path = f"/ready/{team.name}/perses"
        wait_until(lambda: "HostNotFound" in operator.get(path, token)[1], what="the report is there", seconds=20)
        assert "no-such-host.invalid" in operator.get(path, token)[1]


def test_tokens_of_nobody_are_refused(account: Path, team: Namespace, tmp_path: Path) -> None:
    name = account_without_rights(team)
    good = team.cluster.token(team.name, name)
    header, payload, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["sub"] = "system:serviceaccount:kube-system:admin"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    other_audience = team.cluster.token(team.name, name, "--audience=somebody-else")
    gone = team.cluster.token(team.name, name)
    with guarded(account, tmp_path) as operator:
        for token in ("junk", f"{header}.{forged}.{signature}", good[:-4] + "AAAA", other_audience, None):
            assert operator.get("/metrics", token)[0] == 401, token
        team.cluster.kubectl("delete", "serviceaccount", name, "-n", team.name)
        wait_until(lambda: operator.get("/metrics", gone)[0] == 401, what="the account is gone", seconds=70)


@pytest.mark.timeout(180)
def test_without_the_api_server_what_is_known_is_answered_and_nothing_else(tmp_path: Path) -> None:
    with ControlPlane() as cluster:
        account = install_operator(cluster)
        install_readers(cluster)
        known, unknown = (cluster.token("monitoring", "prometheus-k8s") for _ in range(2))
        with guarded(account, tmp_path) as operator:
            assert operator.get("/metrics", known)[0] == 200
            cluster.stop_apiserver()
            assert operator.get("/metrics", known)[0] == 200
            for _ in range(20):
                status, body = operator.get("/metrics", unknown if known != unknown else "another")
                assert (status, "cannot be asked" in body) == (503, True)
            assert operator.get("/live")[0] == 200
            assert operator.log.count("cannot decide who may read") == 1
            cluster.start_apiserver()
            wait_until(lambda: operator.get("/metrics", unknown)[0] == 200, what="it answers again", seconds=30)
