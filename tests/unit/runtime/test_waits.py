"""Number of those who wait, and the time of the one that has been waiting longest."""

import pytest

from controller.runtime.waits import Waits


def test_nobody_waits_at_first() -> None:
    assert (Waits().count, Waits().longest(100.0)) == (0, 0.0)


def test_the_longest_is_the_one_that_began_first_and_has_not_ended() -> None:
    waits = Waits()
    with waits.one(10.0):
        with waits.one(20.0):
            assert (waits.count, waits.longest(25.0)) == (2, 15.0)
        assert (waits.count, waits.longest(27.0)) == (1, 17.0)
    with waits.one(30.0):
        assert (waits.count, waits.longest(31.0)) == (1, 1.0)


def test_one_who_gives_up_waits_no_longer() -> None:
    waits = Waits()
    with pytest.raises(TimeoutError), waits.one(10.0):
        raise TimeoutError
    assert waits.count == 0
