"""Terms begin and end as the Lease says, never two of them allow a change at once, and the fence refuses in time."""

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.operator.client import Client
from controller.operator.election import Election
from controller.operator.lease import LeaseTimes
from tests.support.effort import examples
from tests.support.processes import wait_until_async
from tests.unit.operator.leases import PATH, TIMES, Calls, LeaseServer, Replica

DEADLINE = TIMES.deadline


@pytest.fixture
def server() -> LeaseServer:
    return LeaseServer()


@pytest.fixture
def leader(server: LeaseServer) -> Replica:
    replica = Replica(server, "a")
    replica.step()
    assert replica.acts
    return replica


@pytest.fixture
def standby(server: LeaseServer, leader: Replica) -> Replica:
    replica = Replica(server, "b", ahead=1000.0)
    replica.step()
    assert not replica.acts
    return replica


def test_of_two_that_see_it_free_together_one_gets_it(server: LeaseServer) -> None:
    both = Replica(server, "a"), Replica(server, "b")
    for _ in range(8):
        for replica in both:
            replica.go_on()
    assert sorted(replica.acts for replica in both) == [False, True]


def test_a_lease_that_is_not_renewed_is_taken_when_its_duration_is_over_and_not_before(
    server: LeaseServer, standby: Replica
) -> None:
    server.now += TIMES.duration - 0.1
    standby.step()
    assert not standby.acts
    server.now += 0.1
    standby.step()
    assert (standby.acts, server.holder) == (True, "b")


def test_a_lease_that_is_renewed_is_left_alone(server: LeaseServer, leader: Replica, standby: Replica) -> None:
    for _ in range(20):
        server.now += 5
        leader.step()
        standby.step()
    assert (leader.acts, standby.acts) == (True, False)


def test_a_leader_without_the_api_server_stops_acting_at_its_deadline_and_keeps_its_term(
    server: LeaseServer, leader: Replica
) -> None:
    leader.calls.away = True
    server.now += DEADLINE - 0.1
    leader.step()
    assert leader.acts
    server.now += 0.1
    assert "not renewed in time" in leader.refused()
    assert (leader.election.role.leading, leader.election.role.standby) == (False, False)
    leader.calls.away = False
    term = leader.election.term
    leader.step()
    assert (leader.acts, leader.election.term) == (True, term)


def test_the_time_counts_from_before_the_request(server: LeaseServer, leader: Replica) -> None:
    server.now += 1
    leader.go_on()
    server.now += 6  # the answer takes long
    while not leader.go_on():
        pass
    server.now += DEADLINE - 6
    assert not leader.acts


def test_a_renewal_whose_answer_was_lost_is_ours_all_the_same(server: LeaseServer, leader: Replica) -> None:
    leader.calls.answers_lost = True
    leader.step()
    leader.calls.answers_lost = False
    server.now += 1
    term = leader.election.term
    leader.step()
    assert leader.election.term is term
    server.now += DEADLINE - 0.1
    assert leader.acts


def test_a_leader_whose_lease_was_taken_ends_its_term(server: LeaseServer, leader: Replica, standby: Replica) -> None:
    term = leader.election.term
    assert term is not None
    server.now += TIMES.duration
    standby.step()
    assert "not renewed in time" in leader.refused()
    leader.step()
    assert (term.ended.is_set(), leader.election.term) == (True, None)
    assert leader.election.role.leader == "b"
    server.now += TIMES.duration
    standby.calls.away = True
    leader.step()
    server.now += TIMES.duration
    leader.step()
    assert leader.acts
    assert leader.election.term is not term, "what asked the old term is refused for ever"


def test_the_fence_asks_the_api_server_again_after_a_moment(server: LeaseServer, leader: Replica) -> None:
    assert leader.refused() == ""
    server.edit(holderIdentity="somebody")
    server.now += 0.2
    assert leader.refused() == "", "an answer is good for a moment"
    server.now += 0.2
    assert leader.refused() == "Another replica leads now."
    leader.step()
    assert leader.election.term is None


def test_the_fence_refuses_where_the_api_server_does_not_answer(server: LeaseServer, leader: Replica) -> None:
    leader.calls.away = True
    server.now += 1
    assert leader.refused() == "It is not known who leads. The API server did not answer to call."
    leader.calls.away = False
    assert leader.refused() == ""


def test_the_fence_refuses_after_a_stop_in_the_middle_of_its_question(server: LeaseServer, leader: Replica) -> None:
    server.now += 1
    assert "not renewed in time" in leader.refused(stopped_for=DEADLINE)


def test_a_lease_that_names_nobody_refuses_and_is_taken_again_at_once(server: LeaseServer, leader: Replica) -> None:
    server.edit(holderIdentity=None)
    server.now += 1
    assert leader.refused() == "The Lease names nobody as the leader."
    leader.step()
    assert (leader.refused(), server.holder) == ("", "a")


def test_a_lease_that_is_gone_is_made_again_by_who_may(server: LeaseServer, leader: Replica) -> None:
    server.lease, server.may_create = None, False
    leader.step()
    server.now += DEADLINE
    assert "not renewed in time" in leader.refused()
    server.may_create = True
    leader.step()
    assert (leader.acts, server.holder) == (True, "a")


def test_what_others_have_written_into_the_lease_stays(server: LeaseServer, leader: Replica) -> None:
    server.edit(strategy="OldestEmulationVersion")
    leader.step()
    assert server.lease is not None
    assert server.lease["spec"]["strategy"] == "OldestEmulationVersion"
    assert server.holder == "a"


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["a step", "a step", "a step", "a piece of one"]),
        st.sampled_from([0.0, 0.0, 0.0, 1.0, 5.0, 9.0, 15.0]),
        st.sampled_from(["answered", "answered", "answered", "away", "lost"]),
    ),
    min_size=20,
    max_size=60,
)


@settings(max_examples=examples(100))
@given(moves=MOVES)
def test_never_do_two_act_whatever_is_late_lost_or_stopped(moves: list[tuple[str, str, float, str]]) -> None:
    server = LeaseServer()
    replicas = {name: Replica(server, name, ahead=ahead) for name, ahead in (("a", 0.0), ("b", -7.0))}
    for name, size, seconds, fate in moves:
        replica = replicas[name]
        replica.calls.away, replica.calls.answers_lost = fate == "away", fate == "lost"
        while not replica.go_on() and size == "a step":
            pass
        server.now += seconds  # the others, and this one in the middle of its call, do not know that time has passed
        acting = [each.name for each in replicas.values() if each.acts]
        assert acting in ([], [server.holder])


class InTime(Calls):
    """Calls that are answered in the event loop."""

    async def _call(self, act: Any) -> Any:
        await asyncio.sleep(0)
        return act()


async def test_it_takes_part_for_the_time_of_a_with_and_gives_the_lease_back(server: LeaseServer) -> None:
    election = Election(cast("Client", InTime(server)), PATH, "a", LeaseTimes(3))
    async with election.running():
        await asyncio.wait_for(election.began.wait(), 5)
        assert server.holder == "a"
        term = election.term
    assert (server.holder, term is not None and term.ended.is_set()) == ("", True)
    assert server.lease is not None
    assert server.lease["spec"]["leaseDurationSeconds"] == 1


async def test_a_fault_of_its_own_is_logged_and_the_next_try_does_better(
    server: LeaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    election = Election(cast("Client", InTime(server)), PATH, "a", LeaseTimes(3))

    async def broken() -> None:
        raise KeyError("metadata")

    with monkeypatch.context() as patched:
        patched.setattr(election, "step", broken)
        async with election.running():

            async def troubled() -> bool:
                return election.trouble is not None

            await wait_until_async(troubled, what="it says so", seconds=5)
            patched.undo()
            await asyncio.wait_for(election.began.wait(), 5)
            assert election.trouble is None
