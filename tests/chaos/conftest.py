"""The same real parts as the cluster's tests."""

from tests.cluster.conftest import account, control_plane, postgres, team

__all__ = ["account", "control_plane", "postgres", "team"]
