"""Pauses between tries."""

import pytest

from controller.runtime.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(first=0.5, longest=5.0)
    assert [backoff.pause(failures, 0.0) for failures in range(6)] == [0.5, 1, 2, 4, 5, 5]


def test_a_very_long_row_of_failures_is_no_overflow() -> None:
    assert Backoff(first=0.5, longest=5.0).pause(10**9, 0.0) == 5.0


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 5.0), (0.5, 3.75), (1.0, 2.5)])
def test_jitter_is_taken_off_and_never_added(chance: float, pause: float) -> None:
    assert Backoff(first=5.0, longest=5.0, jitter=0.5).pause(0, chance) == pause
