"""Random specs and Secrets, on a real API server: the operator goes on, and the password is seen nowhere."""

import base64
import copy
import json
import random
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from controller.resource import GROUP, PLURAL, VERSION
from tests.support.controlplane import ControlPlane
from tests.support.effort import rounds
from tests.support.installation import install_operator
from tests.support.processes import free_port, wait_until
from tests.support.resources import Namespace, resource
from tests.support.serving import OperatorProcess

CANARY = "c4nary-Horse"
BATCH = 50
PAGES = ("/", "/metrics", "/api/v1/health", "/metrics/health", "/ready")
MOST_MORE_DESCRIPTORS, MOST_MORE_BYTES = 16, 60 * 1024 * 1024
"""What the operator may hold afterwards besides what it held before: connections to the API server, caches."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63 - 1, 1.5, "", " ", "x", "verify-full", "disable", "Manual", "a" * 300,
    "\u202e\u2028", "\x00", "1\n2", "sha256:" + "0" * 64, "${PASSWORD}", "{{7*7}}", "../../etc", [], {}, [1],
    {"name": "x"}, {"name": "secret-1", "key": "ca.crt"}, {"key": "y"},
)  # fmt: skip
PATHS = (
    "connection", "connection.secretRef", "connection.secretRef.name", "connection.caSecretRef", "connection.sslMode",
    "connection.clientCertificateSecretRef", "connection.pooler", "pool", "pool.maxOpenConnections",
    "pool.maxIdleConnections", "pool.connectTimeoutSeconds", "pool.queryTimeoutSeconds", "schema", "schema.policy",
    "schema.targetVersion", "schema.approvedPlan", "schema.lockTimeoutMilliseconds", "templates", "templates.seed",
    "health", "health.intervalSeconds", "health.slowResponseMilliseconds", "maintenance", "maintenance.intervalSeconds",
    "maintenance.auditRetentionDays", "suspend", "unknown", "unknown.field",
)  # fmt: skip
CONTENTS: tuple[bytes, ...] = (
    b"", b" ", b"\x00", b"\xff\xfe", b"\n", b"a\nb", b"x" * 5000, b"x" * 300_000, b"127.0.0.1", b"::1", b"[::1]",
    b"/tmp", b"db..x", b"-", b"5432", b"0", b"65536", b"-1", b"1e3", b"disable", b"prefer", b"verify-full",
    b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"postgresql://u:p@h/d", "…\u202e".encode(),
)  # fmt: skip
KEYS = ("host", "port", "dbname", "database", "user", "username", "sslmode", "ca.crt", "tls.crt", "tls.key", "other")


def random_spec(chance: random.Random, secret: str) -> dict[str, Any]:
    """Return a spec with some fields set at random, mostly to what does not belong there."""
    spec: dict[str, Any] = resource("x", secret_name=secret)["spec"]
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        *parents, last = chance.choice(PATHS).split(".")
        at: Any = spec
        for parent in parents:
            at = at.setdefault(parent, {}) if isinstance(at, dict) else None
        if isinstance(at, dict):
            at[last] = copy.deepcopy(chance.choice(VALUES))  # else one may get into itself
    return spec


def random_secret(chance: random.Random, port: int) -> dict[str, bytes]:
    """Return the data of a Secret; its password holds CANARY, and its server, if it is one, is not there."""
    data = {
        "host": b"127.0.0.1", "port": str(port).encode(), "dbname": b"perses", "user": b"ann", "sslmode": b"disable",
        "password": CANARY.encode() + chance.choice((b"", b"\n", b" x", b"\xff", b"y" * 3000, b"z" * 9000)),
    }  # fmt: skip
    for _ in range(chance.choice((0, 0, 1, 2, 4))):
        data[chance.choice(KEYS)] = chance.choice(CONTENTS)
    if "tls.key" in data:
        data["tls.key"] += CANARY.encode()
    return data


class Cluster:
    """API server, as an administrator with a client of its own."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        api = config.new_client_from_config(str(cluster.kubeconfig))
        self._objects, self._core = client.CustomObjectsApi(api), client.CoreV1Api(api)
        self._where = (GROUP, VERSION, namespace, PLURAL)
        self._namespace = namespace

    def create_secret(self, name: str, data: dict[str, bytes]) -> None:
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}
        self._core.create_namespaced_secret(self._namespace, body)  # type: ignore[arg-type]  # JSON will do

    def create(self, name: str, spec: dict[str, Any]) -> bool:
        """Return whether the API server took it; a fault of the server is an error."""
        body = {**resource(name, secret_name="x"), "spec": spec}
        try:
            self._objects.create_namespaced_custom_object(*self._where, body)
        except ApiException as refused:
            if refused.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
                raise
            return False
        return True

    def resources(self) -> list[dict[str, Any]]:
        found: Any = self._objects.list_namespaced_custom_object(*self._where)
        items: list[dict[str, Any]] = found["items"]
        return items

    def clear(self) -> None:
        self._objects.delete_collection_namespaced_custom_object(*self._where)
        self._core.delete_collection_namespaced_secret(self._namespace)


def reason(body: dict[str, Any]) -> str | None:
    conditions = body.get("status", {}).get("conditions", [])
    return next((str(each["reason"]) for each in conditions if each["type"] == "Ready"), None)


@pytest.mark.repeats
@pytest.mark.timeout(1800)
def test_random_specs_and_secrets_neither_stop_the_operator_nor_show_the_password(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    reasons: dict[str, int] = {}
    with ControlPlane() as running:
        account = install_operator(running)
        team = Namespace(running, running.namespace())
        cluster = Cluster(running, team.name)
        with OperatorProcess(account, tmp_path / "operator.log", namespace=team.name) as operator:
            files, memory = operator.descriptors, operator.resident_bytes
            port = free_port()
            for _ in range(rounds(short=4, long=10_000 // BATCH)):
                admitted = 0
                for number in range(BATCH):
                    cluster.create_secret(f"secret-{number}", random_secret(chance, port))
                    admitted += cluster.create(f"random-{number}", random_spec(chance, f"secret-{number}"))

                def all_judged(admitted: int = admitted) -> bool:
                    return sum(reason(each) is not None for each in cluster.resources()) == admitted

                wait_until(all_judged, what=f"each has a status (seed {seed})", seconds=60, interval=0.2)
                found = cluster.resources()
                assert CANARY not in json.dumps([each.get("status") for each in found]), f"seed {seed}"
                for each in found:
                    reasons[str(reason(each))] = reasons.get(str(reason(each)), 0) + 1
                assert CANARY not in "".join(operator.get(path)[1] for path in PAGES), f"seed {seed}"
                cluster.clear()
            most = files + MOST_MORE_DESCRIPTORS
            wait_until(lambda: operator.descriptors <= most, what="descriptors are given back", seconds=30)
            assert operator.is_alive()
            assert operator.resident_bytes - memory < MOST_MORE_BYTES
            assert CANARY not in json.dumps(team.events())
            assert CANARY not in operator.log, f"seed {seed}"
            assert "Traceback" not in operator.log, f"seed {seed}"
            for file in ("cmdline", "environ"):
                assert CANARY.encode() not in Path(f"/proc/{operator.pid}/{file}").read_bytes()
    assert not {"InternalError", "SpecInvalid"} & reasons.keys(), (seed, reasons)
    assert {"SecretValueInvalid", "ConnectionRefused"} <= reasons.keys(), (seed, reasons)
