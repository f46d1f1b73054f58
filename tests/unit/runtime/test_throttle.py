"""A thing that others cause is logged once in a period, and the rest is counted."""

from controller.runtime.throttle import LogThrottle


def test_a_thing_is_said_once_in_a_period_and_again_in_the_next() -> None:
    now = 100.0
    throttle = LogThrottle(60, lambda: now)
    assert [throttle.allows() for _ in range(4)] == [True, False, False, False]
    assert throttle.take_left_out() == 3
    now = 160.0
    assert throttle.allows()
    assert throttle.take_left_out() == 0
