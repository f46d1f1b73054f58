"""Control plane, servers and operator of the tests of the cluster."""

from tests.cluster.conftest import account, apply, control_plane, database, operator, postgres, team

__all__ = ["account", "apply", "control_plane", "database", "operator", "postgres", "team"]
