"""Control plane, servers and operator of the tests of the cluster, and an account with fewer rights."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cluster.conftest import account, apply, control_plane, database, operator, postgres, team
from tests.field.cluster.limited import Limited
from tests.support.controlplane import ControlPlane
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess

__all__ = ["account", "apply", "control_plane", "database", "operator", "postgres", "team"]


@pytest.fixture
def limited(control_plane: ControlPlane, team: Namespace) -> Limited:
    """An account for one namespace, whose rights a test takes and gives."""
    return Limited(control_plane, team)


@pytest.fixture
def limited_operator(limited: Limited, team: Namespace, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator with that account."""
    with OperatorProcess(limited.kubeconfig, tmp_path / "operator.log", namespace=team.name) as running:
        yield running


@pytest.fixture
def mute_port() -> Iterator[int]:
    """Port at which connections are accepted, and nothing is ever said."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]
