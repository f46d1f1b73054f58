"""The real parts, started once for each file that asks for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.binaries import certs_program, etcd, kube_apiserver, monitoring_crds, pgbouncer
from tests.support.controlplane import ControlPlane
from tests.support.postgres import PostgresServer


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before the first test: a cold build takes longer than a test may."""
    here = Path(__file__).parent
    if not session.config.option.collectonly and any(here in item.path.parents for item in session.items):
        for prepare in (kube_apiserver, etcd, monitoring_crds, certs_program, pgbouncer):
            prepare()


@pytest.fixture(scope="module", params=[18, 15])
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with PostgresServer(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    with ControlPlane() as running:
        yield running
