"""Settings of all tests: the number of repetitions."""

import pytest
from hypothesis import settings

from tests.support.effort import effort, examples

LONGEST_SECONDS = 600
"""Time limit of a property in its long form; other tests have the limit of pyproject.toml or one of their own."""

# A shared machine stands still for a moment now and then: the limit of a whole test is enough.
settings.register_profile("short", max_examples=100, deadline=None)
settings.register_profile("long", max_examples=examples(100), deadline=None)
settings.load_profile(effort())


def pytest_report_header() -> str:
    """Say which form of the tests runs."""
    return f"effort: {effort()} (DASHDB_TESTS=short|long)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every property as one that repeats."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.repeats)
            item.add_marker(pytest.mark.timeout(LONGEST_SECONDS))
