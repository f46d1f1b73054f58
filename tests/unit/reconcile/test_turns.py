"""Few databases at once, in the process and on each server, and none held up by a slow one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from controller.reconcile import turns as module
from controller.reconcile.turns import Turns
from controller.runtime.waits import Waits


class Action:
    """Something that has a turn until it is let go."""

    def __init__(self, turns: Turns, group: str = "team-a", *, server: str = "db:5432", acts: bool = False) -> None:
        self.entered = asyncio.Event()
        self.let_go = asyncio.Event()
        self.task = asyncio.create_task(self._run(turns.action if acts else turns.look, server, group))

    async def _run(self, turn: Any, server: str, group: str) -> None:
        async with turn(server, group):
            self.entered.set()
            await self.let_go.wait()


async def let_go(*actions: Action) -> None:
    """End the turns of all ACTIONS, also of those that still wait for one."""
    for action in actions:
        action.let_go.set()
    await asyncio.gather(*(action.task for action in actions))


async def test_no_more_than_the_places_run_at_once() -> None:
    turns = Turns(2)
    actions = [Action(turns) for _ in range(3)]
    async with asyncio.timeout(5):
        await asyncio.gather(actions[0].entered.wait(), actions[1].entered.wait())
        assert not actions[2].entered.is_set()
        actions[0].let_go.set()
        await actions[2].entered.wait()
        await let_go(*actions)


async def test_a_slow_action_gives_its_place_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.01)
    turns = Turns(1)
    slow, next_one = Action(turns), Action(turns)
    async with asyncio.timeout(5):
        await next_one.entered.wait()
        assert not slow.task.done()
        await let_go(slow, next_one)


async def test_servers_that_did_not_answer_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", 60.0)
    turns = Turns(1, on_a_server=2)
    async with asyncio.timeout(5), AsyncExitStack() as silent:
        for number in range(10):
            turn = turns.look if number % 2 else turns.look_and_act
            await silent.enter_async_context(turn(f"silent-{number}:5432", "team-a", silent=True))
        async with turns.look("db:5432", "team-a"):
            pass


@pytest.mark.parametrize("slow_seconds", [0.0, 60.0])
async def test_each_place_is_given_back_once(monkeypatch: pytest.MonkeyPatch, slow_seconds: float) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", slow_seconds)
    turns = Turns(1)
    async with asyncio.timeout(5):
        for _ in range(3):
            async with turns.look("db:5432", "team-a"):
                await asyncio.sleep(0.001)
    first, second = Action(turns), Action(turns)
    async with asyncio.timeout(5):
        await first.entered.wait()
        if slow_seconds:
            assert not second.entered.is_set(), "a place was given back twice"
        await let_go(first, second)


async def test_a_cancelled_action_gives_its_place_back() -> None:
    turns = Turns(1)
    cancelled = Action(turns)
    async with asyncio.timeout(5):
        await cancelled.entered.wait()
        cancelled.task.cancel()
        waiting = Action(turns)
        await waiting.entered.wait()
        waiting.let_go.set()
        await waiting.task


async def test_a_namespace_with_many_databases_delays_another_by_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", 60.0)
    turns = Turns(on_a_server=1)
    many = [Action(turns, "many") for _ in range(100)]
    async with asyncio.timeout(5):
        await many[0].entered.wait()
        few = [Action(turns, "few") for _ in range(2)]
        await asyncio.sleep(0)
        order = [many[0], many[1], few[0], many[2], few[1], many[3]]
        for action in order:
            await action.entered.wait()
            action.let_go.set()
        for action in many:
            action.let_go.set()
        await asyncio.gather(*(action.task for action in [*many, *few]))


async def test_one_who_gives_up_waiting_takes_no_place_with_him(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", 60.0)
    turns = Turns(1)
    first = Action(turns)
    async with asyncio.timeout(5):
        await first.entered.wait()
        gives_up, at_the_last_moment, patient = Action(turns), Action(turns, "b"), Action(turns, "c")
        await asyncio.sleep(0)
        gives_up.task.cancel()
        first.let_go.set()
        await first.task
        at_the_last_moment.task.cancel()
        patient.let_go.set()
        await patient.task


async def test_a_server_has_no_more_turns_than_connections_and_holds_up_no_other() -> None:
    turns = Turns(on_a_server=2)
    looks = [Action(turns, f"team-{number}") for number in range(3)]
    elsewhere = Action(turns, server="other:5432")
    async with asyncio.timeout(5):
        for look in (looks[0], looks[1], elsewhere):
            await look.entered.wait()
        assert not looks[2].entered.is_set()
        await let_go(*looks, elsewhere)


async def test_who_waits_for_a_turn_on_a_server_is_counted() -> None:
    waits = Waits()
    turns = Turns(on_a_server=2, waits=waits)
    looks = [Action(turns, f"team-{number}") for number in range(3)]
    async with asyncio.timeout(5):
        for look in looks[:2]:
            await look.entered.wait()
        assert waits.count == 1
        await let_go(*looks)
    assert waits.count == 0


async def test_a_namespace_whose_looks_hang_leaves_one_turn_of_the_server_to_others() -> None:
    turns = Turns(on_a_server=3)
    hanging = [Action(turns, "many") for _ in range(3)]
    async with asyncio.timeout(5):
        for look in hanging[:2]:
            await look.entered.wait()
        other = Action(turns, "few")
        await other.entered.wait()
        assert not hanging[2].entered.is_set()
        await let_go(*hanging, other)


async def test_a_server_on_which_long_actions_run_can_still_be_looked_at() -> None:
    turns = Turns(on_a_server=2)
    actions = [Action(turns, acts=True) for _ in range(3)]
    async with asyncio.timeout(5):
        await actions[0].entered.wait()
        look = Action(turns)
        await look.entered.wait()
        assert not actions[1].entered.is_set()
        await let_go(*actions, look)


async def test_one_who_will_act_looks_in_the_same_turn_once_actions_on_its_server_end() -> None:
    turns = Turns(on_a_server=2)
    action = Action(turns, acts=True)
    async with asyncio.timeout(5):
        await action.entered.wait()
        waiting = asyncio.create_task(may_act(turns))
        await asyncio.sleep(0)
        assert not waiting.done()
        await let_go(action)
        assert await waiting


async def test_one_who_will_act_only_looks_where_actions_on_its_server_do_not_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STALLED_SECONDS", 0.01)
    turns = Turns(on_a_server=2)
    action = Action(turns, acts=True)
    async with asyncio.timeout(5):
        await action.entered.wait()
        assert not await may_act(turns)
        await let_go(action)
        assert await may_act(turns)


async def may_act(turns: Turns) -> bool:
    """Return whether a look has the turn to act as well."""
    async with turns.look_and_act("db:5432", "team-a") as acts:
        return acts


async def test_namespaces_get_the_places_of_the_process_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", 60.0)
    turns = Turns(1)
    many = [Action(turns, "many", server=f"host-{number}:5432") for number in range(5)]
    async with asyncio.timeout(5):
        await many[0].entered.wait()
        few = Action(turns, "few", server="other:5432")
        await asyncio.sleep(0)
        for each in (many[0], many[1], few):
            await each.entered.wait()
            each.let_go.set()
        for each in many:
            each.let_go.set()
        await asyncio.gather(*(each.task for each in (*many, few)))


async def test_nothing_is_kept_of_a_server_that_nobody_uses_any_more() -> None:
    turns = Turns(on_a_server=5)
    for number in range(100):
        async with turns.look(f"db-{number}:5432", "team-a"):
            pass
    assert not turns._looks


@asynccontextmanager
async def first_waiting(turns: Turns) -> AsyncIterator[tuple[Action, asyncio.Task[None]]]:
    """Yield an action that has the only place, and a new database that waits for it; end both."""
    async with asyncio.timeout(5):
        holder = Action(turns, acts=True)
        await holder.entered.wait()
        new = asyncio.create_task(first_turn(turns, "team-a"))
        await asyncio.sleep(0)
        yield holder, new
        await let_go(holder)
        await asyncio.gather(new, return_exceptions=True)


async def first_turn(turns: Turns, group: str, *, urgent: bool = False) -> None:
    async with turns.look_and_act("db:5432", group, new=True, urgent=urgent):
        pass


async def test_looks_let_databases_pass_that_wait_for_their_first_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LET_PASS_SECONDS", 0.001)
    turns = Turns(1)
    async with first_waiting(turns) as (holder, _):
        looking = asyncio.create_task(turns.let_new_ones_pass("team-a", seconds=60))
        await turns.let_new_ones_pass("team-b", seconds=60)  # those of other namespaces are not waited for
        done, _ = await asyncio.wait([looking], timeout=0.02)
        assert not done
        await let_go(holder)
        await looking


async def test_looks_let_new_databases_pass_for_a_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LET_PASS_SECONDS", 0.001)
    turns = Turns(1)
    async with first_waiting(turns) as (_, new):
        await turns.let_new_ones_pass("team-a", seconds=0.01)
        assert not new.done()


async def test_one_that_gives_up_its_first_turn_is_not_waited_for() -> None:
    turns = Turns(1)
    async with first_waiting(turns) as (_, new):
        new.cancel()
        await asyncio.gather(new, return_exceptions=True)
        await turns.let_new_ones_pass("team-a", seconds=60)


async def test_nobody_waits_for_new_databases_of_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALLED_SECONDS", 0.01)
    turns = Turns(10, on_a_server=2)
    looks = [Action(turns), Action(turns)]
    async with first_waiting(turns) as (_, new):
        await turns.let_new_ones_pass("team-a", seconds=60)
        assert not new.done(), "it waits for a turn to look"
        await let_go(*looks)
        await new


async def test_a_new_database_that_is_not_ready_comes_before_those_that_were() -> None:
    turns, order = Turns(1, on_a_server=2), []

    async def taken(name: str, *, urgent: bool) -> None:
        await first_turn(turns, "team-a", urgent=urgent)
        order.append(name)

    async with first_waiting(turns) as (holder, _):
        firsts = [asyncio.create_task(taken(f"ready {n}", urgent=False)) for n in range(3)]
        await asyncio.sleep(0)
        firsts.append(asyncio.create_task(taken("broken", urgent=True)))
        await asyncio.sleep(0)
        await let_go(holder)
        await asyncio.gather(*firsts)
    assert order == ["broken", "ready 0", "ready 1", "ready 2"]
