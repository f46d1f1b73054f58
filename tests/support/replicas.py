"""Two replicas of the operator that elect a leader, and their Lease, as the administrator sees it."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.installation import manifests
from tests.support.processes import SupportError, wait_until
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess

HOME = "dashdb-system"
"""Namespace in which the manifests let the operator's account use a Lease."""
NAME = "dashboard-database-operator"
DURATION_SECONDS = 5
"""Duration of the Lease in tests: short, and long enough that a busy machine costs no leader its place."""


@dataclass(frozen=True)
class Replicas:
    """Replicas that share a Lease; not started yet."""

    team: Namespace
    both: tuple[OperatorProcess, OperatorProcess]

    def lease(self) -> dict[str, Any]:
        """Return the spec of the Lease."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/{NAME}"
        spec: dict[str, Any] = self.team.cluster.read(path).get("spec") or {}
        return spec

    def kubectl(self, *arguments: str, **options: Any) -> None:
        """Run kubectl on the namespace of the Lease."""
        self.team.cluster.kubectl(*arguments, "-n", HOME, **options)

    def install_lease(self) -> None:
        """Apply the Lease of the manifests."""
        lease = next(item for item in manifests(self.team.cluster) if item["kind"] == "Lease")
        self.team.cluster.kubectl("apply", "-f", "-", input=json.dumps(lease))

    def start(self) -> tuple[OperatorProcess, OperatorProcess]:
        """Start one, and once it leads the other; return leader and standby."""
        first, second = self.both
        first.start()
        self.wait_for_leader(first)
        second.start()
        return first, second

    def wait_for_leader(self, replica: OperatorProcess, *, seconds: float = 30) -> None:
        """Wait until REPLICA says that it leads."""
        wait_until(lambda: leads(replica), what=f"it leads, see {replica.log_file}", seconds=seconds)


def metric(replica: OperatorProcess, name: str) -> float | None:
    """Return the value of a series without labels; None where the replica does not answer, or has none."""
    try:
        lines = replica.get("/metrics")[1].splitlines()
    except (OSError, SupportError):
        return None
    return next((float(line.split()[1]) for line in lines if line.startswith(f"{name} ")), None)


def leads(replica: OperatorProcess) -> bool:
    """Return whether REPLICA says that it leads."""
    return metric(replica, "dashdb_leader") == 1


def forget_the_lease(team: Namespace) -> None:
    """Let nobody have the Lease, as it is after the installation."""
    nobody = '{"spec":{"holderIdentity":null,"leaseTransitions":null,"renewTime":null,"acquireTime":null}}'
    team.cluster.kubectl("patch", "lease", NAME, "-n", HOME, "--type=merge", "-p", nobody)


@contextmanager
def replicas(
    account: Path | tuple[Path, Path],
    team: Namespace,
    folder: Path,
    *,
    migrations: Path | None = None,
    seconds: int = DURATION_SECONDS,
) -> Iterator[Replicas]:
    """Yield two replicas that watch TEAM; they end with the `with`, and leave their logs in FOLDER.

    ACCOUNT is the kubeconfig of both, or one for each.
    """
    forget_the_lease(team)
    options = ["--lease", NAME, "--lease-namespace", HOME, "--lease-duration", str(seconds)]
    logs = [folder / f"{letter}-{secrets.token_hex(2)}.log" for letter in "ab"]
    accounts = account if isinstance(account, tuple) else (account, account)
    both = [
        OperatorProcess(each, log, namespace=team.name, migrations=migrations, options=options)
        for each, log in zip(accounts, logs, strict=True)
    ]
    try:
        yield Replicas(team, (both[0], both[1]))
    finally:
        for each in both:
            each.kill()
