"""Few actions at once, and none held up by a slow one."""

import asyncio

import pytest

from controller.reconcile import limiter
from controller.reconcile.limiter import Limiter


class Action:
    """Something that runs in a slot until it is let go."""

    def __init__(self, places: Limiter, group: str = "team-a") -> None:
        self.entered = asyncio.Event()
        self.let_go = asyncio.Event()
        self.task = asyncio.create_task(self._run(places, group))

    async def _run(self, places: Limiter, group: str) -> None:
        async with places.one(group):
            self.entered.set()
            await self.let_go.wait()


async def test_no_more_than_the_places_run_at_once() -> None:
    places = Limiter(2)
    actions = [Action(places) for _ in range(3)]
    async with asyncio.timeout(5):
        await asyncio.gather(actions[0].entered.wait(), actions[1].entered.wait())
        assert not actions[2].entered.is_set()
        actions[0].let_go.set()
        await actions[2].entered.wait()
        for action in actions:
            action.let_go.set()
        await asyncio.gather(*(action.task for action in actions))


async def test_a_slow_action_gives_its_place_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "SLOW_SECONDS", 0.01)
    places = Limiter(1)
    slow, next_one = Action(places), Action(places)
    async with asyncio.timeout(5):
        await next_one.entered.wait()
        assert not slow.task.done()
        for action in (slow, next_one):
            action.let_go.set()
        await asyncio.gather(slow.task, next_one.task)


@pytest.mark.parametrize("slow_seconds", [0.0, 60.0])
async def test_each_place_is_given_back_once(monkeypatch: pytest.MonkeyPatch, slow_seconds: float) -> None:
    monkeypatch.setattr(limiter, "SLOW_SECONDS", slow_seconds)
    places = Limiter(1)
    async with asyncio.timeout(5):
        for _ in range(3):
            async with places.one("team-a"):
                await asyncio.sleep(0.001)
    first, second = Action(places), Action(places)
    async with asyncio.timeout(5):
        await first.entered.wait()
        if slow_seconds:
            assert not second.entered.is_set(), "a place was given back twice"
        for action in (first, second):
            action.let_go.set()
        await asyncio.gather(first.task, second.task)


async def test_a_cancelled_action_gives_its_place_back() -> None:
    places = Limiter(1)
    cancelled = Action(places)
    async with asyncio.timeout(5):
        await cancelled.entered.wait()
        cancelled.task.cancel()
        waiting = Action(places)
        await waiting.entered.wait()
        waiting.let_go.set()
        await waiting.task


async def test_a_namespace_with_many_databases_delays_another_by_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "SLOW_SECONDS", 60.0)
    places = Limiter(1)
    many = [Action(places, "many") for _ in range(100)]
    async with asyncio.timeout(5):
        await many[0].entered.wait()
        few = [Action(places, "few") for _ in range(2)]
        await asyncio.sleep(0)
        order = [many[0], many[1], few[0], many[2], few[1], many[3]]
        for action in order:
            await action.entered.wait()
            action.let_go.set()
        for action in many:
            action.let_go.set()
        await asyncio.gather(*(action.task for action in [*many, *few]))


async def test_one_who_gives_up_waiting_takes_no_place_with_him(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "SLOW_SECONDS", 60.0)
    places = Limiter(1)
    first = Action(places)
    async with asyncio.timeout(5):
        await first.entered.wait()
        gives_up, at_the_last_moment, patient = Action(places), Action(places, "b"), Action(places, "c")
        await asyncio.sleep(0)
        gives_up.task.cancel()
        first.let_go.set()
        await first.task
        at_the_last_moment.task.cancel()
        patient.let_go.set()
        await patient.task
