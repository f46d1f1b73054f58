"""Content of a Lease, whatever others wrote into it, and the moment from which it is free."""

from datetime import UTC, datetime

import pytest

from controller.operator.lease import (
    LONGEST_SECONDS,
    LeaseState,
    LeaseTimes,
    SeenLease,
    held_spec,
    released_spec,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, 1500, tzinfo=UTC)


@pytest.mark.parametrize("duration", [3, 5, 15, LONGEST_SECONDS])
def test_there_is_time_for_two_calls_that_hang_before_the_deadline_and_a_reserve_after_it(duration: int) -> None:
    times = LeaseTimes(duration)
    assert 2 * (times.renewal + times.call) <= times.deadline + 0.01
    assert times.duration - times.deadline >= 1
    assert times.look <= 0.5


def test_a_lease_that_is_not_there_and_one_that_is_empty_are_free() -> None:
    for body in (None, {"metadata": {"resourceVersion": "7"}}, {"metadata": {"resourceVersion": "7"}, "spec": None}):
        assert SeenLease(LeaseState.parse(body), 0.0).is_free("a", 0.0)


def test_a_duration_of_years_is_not_respected() -> None:
    spec = {"holderIdentity": "somebody", "leaseDurationSeconds": 10**9}
    seen = SeenLease(LeaseState.parse({"metadata": {"resourceVersion": "7"}, "spec": spec}), 0.0)
    assert not seen.is_free("a", LONGEST_SECONDS - 1)
    assert seen.is_free("a", LONGEST_SECONDS)


def test_any_change_begins_the_duration_anew() -> None:
    state = LeaseState("b", "1", "", 15)
    seen = SeenLease(state, 0.0)
    assert seen.seen_again(state, 9.0).since == 0.0
    assert seen.seen_again(LeaseState("b", "2", "", 15), 9.0).since == 9.0


def test_a_renewal_changes_the_time_and_a_new_holder_counts() -> None:
    first = held_spec({}, "a", LeaseTimes(15), NOW)
    moment = "2026-03-01T12:00:00.001500Z"
    assert first == {
        "holderIdentity": "a", "leaseDurationSeconds": 15, "acquireTime": moment, "renewTime": moment,
        "leaseTransitions": 1,
    }  # fmt: skip
    later = NOW.replace(second=2)
    renewed = held_spec(first, "a", LeaseTimes(15), later)
    assert renewed == {**first, "renewTime": "2026-03-01T12:00:02.001500Z"}
    given_back = released_spec(renewed, later)
    assert (given_back["holderIdentity"], given_back["leaseTransitions"]) == ("", 1)
    assert held_spec(given_back, "b", LeaseTimes(15), later)["leaseTransitions"] == 2


def test_the_count_stays_what_the_api_takes() -> None:
    most = 2**31 - 1
    assert held_spec({"leaseTransitions": most}, "a", LeaseTimes(15), NOW)["leaseTransitions"] == most
