"""Promises about the endpoints."""

import json
import socket
from contextlib import ExitStack
from pathlib import Path

from tests.database.programs import environ
from tests.support.controlplane import ControlPlane
from tests.support.installation import install_operator
from tests.support.processes import free_port, wait_until
from tests.support.resources import Namespace, resource, secret
from tests.support.serving import OperatorProcess, ServingProcess

NAMING = ("/", "/metrics", "/metrics/health", "/api/v1/health", "/ready/team-a/perses", "/api/v1/health/team-a/perses")
SECRET = {"host": "db-of-team-a.invalid", "port": "5432", "dbname": "d", "user": "user-of-team-a", "password": "p"}


def test_silent_clients_keep_no_probe_out_and_fill_no_log(tmp_path: Path) -> None:
    nowhere = {"DB_HOST": "127.0.0.1", "DB_PORT": str(free_port()), "DB_NAME": "d", "DB_USER": "u", "DB_PASSWORD": "p"}
    sidecar = ServingProcess(["serve"], tmp_path / "log", environ(nowhere), descriptors=256)
    sidecar.start(wait=False)
    with ExitStack() as stack:
        stack.callback(sidecar.kill)
        sidecar.wait_alive()
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", sidecar.port)))
        for _ in range(20):
            assert sidecar.get("/live") == (200, '{"alive": true}')
        assert sidecar.get("/metrics")[0] == 200
        assert sidecar.descriptors < 256
        assert len(sidecar.log) < 10_000


def test_strangers_learn_of_no_tenant_and_readers_of_an_open_endpoint_of_no_host_and_no_user(tmp_path: Path) -> None:
    with ControlPlane() as cluster:
        account = install_operator(cluster)
        cluster.kubectl("create", "namespace", "team-a")
        cluster.kubectl("create", "serviceaccount", "stranger", "-n", "team-a")
        team = Namespace(cluster, "team-a")
        team.apply(secret("perses-db", SECRET), resource("perses", secret_name="perses-db"))
        with OperatorProcess(account, tmp_path / "open", namespace="team-a") as operator:
            team.wait_for("perses", "Connected", "False", reason="HostNotFound")
            wait_until(lambda: "HostNotFound" in operator.get("/")[1], what="it is reported", seconds=20)
            said = "".join(operator.get(path)[1] for path in NAMING)
            assert "team-a/perses" in said
            assert SECRET["host"] not in said
            assert SECRET["user"] not in said
        token = cluster.token("team-a", "stranger")
        with OperatorProcess(account, tmp_path / "guarded", namespace="team-a", authorize=True) as operator:
            assert [operator.get(path)[0] for path in NAMING] == [401] * len(NAMING)
            answers = [operator.get(path, token) for path in NAMING]
            assert [status for status, _ in answers] == [403] * len(NAMING)
            assert all(set(json.loads(body)) == {"error"} and "team-a" not in body for _, body in answers)
            assert token not in operator.log
