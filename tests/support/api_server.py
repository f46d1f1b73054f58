"""Command lines of etcd and kube-apiserver, and the check whether the latter is ready."""

import http.client
import json
import ssl
from pathlib import Path

from tests.support.binaries import etcd, kube_apiserver

# Metadata says who did what to which object and how it ended, without any content, so no secret gets into it
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


def etcd_command(folder: Path, client_port: int, peer_port: int) -> list[str | Path]:
    """One member, without fsync: only a crash of the whole machine could lose data."""
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        etcd(),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=error",
    ]


def api_server_command(folder: Path, port: int, etcd_url: str) -> list[str | Path]:
    """FOLDER holds tls/, accounts/ and tokens.csv; the audit log is written to it."""
    policy = folder / "audit-policy.json"
    policy.write_text(json.dumps(AUDIT_POLICY))
    return [
        kube_apiserver(),
        f"--etcd-servers={etcd_url}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",  # without it a loopback advertise address is refused
        f"--cert-dir={folder}",
        f"--tls-cert-file={folder / 'tls' / 'server.pem'}",
        f"--tls-private-key-file={folder / 'tls' / 'server.key'}",
        f"--service-account-key-file={folder / 'accounts' / 'server.pem'}",
        f"--service-account-signing-key-file={folder / 'accounts' / 'server.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--authorization-mode=RBAC",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--allow-privileged",
        # it refuses Pods in a namespace without the `default` account, which only a controller would create
        "--disable-admission-plugins=ServiceAccount",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--audit-log-maxsize=2000",  # MB: never rotated within a test run, so that counts are whole
    ]


def ask(port: int, ca: Path, token: str, path: str) -> tuple[int, str]:
    """Return HTTP status and body of PATH, over TLS that is verified. Raises OSError where nothing answers."""
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def is_ready(port: int, ca: Path, token: str) -> bool:
    """Return whether /readyz says ok."""
    try:
        return ask(port, ca, token, "/readyz")[0] == http.client.OK
    except OSError:
        return False
