"""Parts of a history that are checked at the same time: all versions once, in order, and of about equal work."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.migrate.verify.verify import LEAST_OF_A_PART, MOST_TOGETHER, parts_of


@given(st.integers(0, 5000), st.integers(1, 8))
def test_each_version_is_in_one_part_and_their_order_stays(count: int, most: int) -> None:
    parts = parts_of(count, most)
    assert list(chain.from_iterable(parts)) == list(range(count))
    assert 1 <= len(parts) <= most


@pytest.mark.parametrize(("count", "parts"), [(1, 1), (39, 1), (40, 2), (1000, 2)])
def test_short_histories_are_not_divided(count: int, parts: int) -> None:
    assert len(parts_of(count, MOST_TOGETHER)) == parts
    assert LEAST_OF_A_PART == 20


def test_the_first_part_has_more_versions_since_their_catalogs_are_smaller() -> None:
    lengths = [len(part) for part in parts_of(180, 3)]
    assert lengths == sorted(lengths, reverse=True)
    work = [sum(1 + 2 * version / 180 for version in part) for part in parts_of(180, 3)]
    assert max(work) / min(work) < 1.1
