"""Fixture for promtool, built before the first test that asks for it."""

from pathlib import Path

import pytest

from tests.support.binaries import promtool


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before the first test: a cold build takes longer than a test may."""
    here = Path(__file__).parent
    if not session.config.option.collectonly and any(here in item.path.parents for item in session.items):
        promtool()
