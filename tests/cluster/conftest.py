"""A control plane and a PostgreSQL for each test process; an operator and a namespace for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.database import Database
from tests.support.installation import install_operator
from tests.support.monitoring import install_prometheus_account
from tests.support.postgres import PostgresServer
from tests.support.prometheus_operator import running_prometheus_operator
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    with ControlPlane() as running:
        yield running


@pytest.fixture
def own_cluster() -> Iterator[ControlPlane]:
    """A control plane whose CRD no other test needs."""
    with ControlPlane() as running:
        yield running


@pytest.fixture
def scraped_cluster(own_cluster: ControlPlane, tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane of the test's own with our CRD, Prometheus Operator, and the account of Prometheus."""
    install_operator(own_cluster)
    with running_prometheus_operator(own_cluster, tmp_path):
        install_prometheus_account(own_cluster)
        yield own_cluster


@pytest.fixture(scope="session")
def account(control_plane: ControlPlane) -> Path:
    """A kubeconfig of the operator's own ServiceAccount, with the CRD and its rights installed."""
    return install_operator(control_plane)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(18) as running:
        yield running


@pytest.fixture
def team(control_plane: ControlPlane, account: Path) -> Namespace:
    """A fresh namespace."""
    return Namespace(control_plane, control_plane.namespace())


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    """A fresh database."""
    created = postgres.create_database()
    yield created
    postgres.drop_database(created)


@pytest.fixture
def operator(account: Path, team: Namespace, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator that watches the test's namespace alone, with its own account's rights."""
    with OperatorProcess(account, tmp_path / "operator.log", namespace=team.name) as running:
        yield running


@pytest.fixture
def apply(team: Namespace, database: Database) -> Callable[..., None]:
    """Apply the Secret `perses-db` and the DashboardDatabase `perses`, which is observed every second."""

    def _apply(*, values: dict[str, str] | None = None, **spec: object) -> None:
        wanted = {"health": {"intervalSeconds": 1}, **spec}
        team.apply(
            secret("perses-db", values or connection_values(database)),
            resource("perses", secret_name="perses-db", **wanted),
        )

    return _apply
