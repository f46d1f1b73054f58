"""Options of the operator, as the command line gives them."""

from dataclasses import dataclass, field
from pathlib import Path

from controller.operator.inputs import ResourceLimits
from controller.operator.lease import LeaseTimes
from controller.operator.shard import WHOLE, Shard


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """The Lease by which replicas elect who acts."""

    namespace: str
    name: str
    times: LeaseTimes

    @property
    def path(self) -> str:
        """Its path below the API server's address."""
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{self.name}"


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Options of the operator.

    Attributes:
        namespaces: to watch; none means all.
        migrations: folder with the migration files.
        limits: for every resource.
        connections_per_server: at the same time, for all databases on one server together.
        lease: None for an operator that is alone, and always acts.
        shard: resources that this operator looks after; all others are ignored.
    """

    namespaces: tuple[str, ...]
    kubeconfig: Path | None
    context: str | None
    migrations: Path
    limits: ResourceLimits = field(default_factory=ResourceLimits)
    connections_per_server: int = 5
    lease: LeaseSettings | None = None
    shard: Shard = WHOLE
