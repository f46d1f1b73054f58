"""Fixtures of the chaos tests: the real parts that the cluster's tests use too."""

from pathlib import Path

import pytest

from tests.cluster.conftest import account, control_plane, postgres, team
from tests.support.binaries import pgbouncer

__all__ = ["account", "control_plane", "postgres", "team"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Get what is missing before the first test, and outside of its time."""
    here = Path(__file__).parent
    if not session.config.option.collectonly and any(here in item.path.parents for item in session.items):
        pgbouncer()
