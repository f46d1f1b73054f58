"""Places that groups get in turn, whose number may change."""

import asyncio

from controller.runtime.fair_places import FairPlaces


async def test_a_place_that_is_given_back_goes_to_whoever_waits() -> None:
    places = FairPlaces(1)
    await places.take("a")
    waiting = asyncio.create_task(places.take("b"))
    await asyncio.sleep(0)
    assert (places.free, bool(places.waiting())) == (0, True)
    places.give_back("a")
    await waiting
    assert (places.taken, bool(places.waiting())) == (1, False)


async def test_with_fewer_places_nobody_gets_one_until_enough_are_back() -> None:
    places = FairPlaces(3)
    for _ in range(3):
        await places.take("a")
    places.resize(1)
    waiting = asyncio.create_task(places.take("b"))
    await asyncio.sleep(0)
    for _ in range(2):
        places.give_back("a")
        assert not waiting.done()
    assert (places.taken, places.free) == (1, 0)
    places.give_back("a")
    await waiting
    assert places.taken == 1


async def test_more_places_go_to_those_who_wait_at_once() -> None:
    places = FairPlaces(1)
    await places.take("a")
    waiting = [asyncio.create_task(places.take("b")) for _ in range(3)]
    await asyncio.sleep(0)
    places.resize(3)
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [True, True, False]
    places.give_back("a")
    await waiting[2]
    assert places.taken == 3


async def test_one_place_is_kept_from_each_group_for_the_others() -> None:
    places = FairPlaces(3, shared=True)
    many = [asyncio.create_task(places.take("many")) for _ in range(3)]
    await asyncio.sleep(0)
    assert [task.done() for task in many] == [True, True, False]
    await places.take("few")
    places.give_back("few")
    await asyncio.sleep(0)
    assert not many[2].done()
    places.give_back("many")
    await many[2]
    assert (places.taken, bool(places.waiting())) == (2, False)


async def test_the_only_place_is_kept_from_nobody() -> None:
    places = FairPlaces(1, shared=True)
    await places.take("many")
    waiting = asyncio.create_task(places.take("many"))
    await asyncio.sleep(0)
    places.give_back("many")
    await waiting


async def test_who_is_urgent_comes_before_the_others_of_its_group_and_not_before_other_groups() -> None:
    places, order = FairPlaces(1), []

    async def take(group: str, name: str, *, urgent: bool = False) -> None:
        await places.take(group, urgent=urgent)
        order.append(name)
        places.give_back(group)

    await places.take("a")
    waiting = [
        asyncio.create_task(take("a", "first")),
        asyncio.create_task(take("b", "other")),
        asyncio.create_task(take("a", "urgent", urgent=True)),
        asyncio.create_task(take("a", "urgent too", urgent=True)),
    ]
    await asyncio.sleep(0)
    assert (places.waiting("a"), places.waiting("b"), places.waiting()) == (3, 1, 4)
    places.give_back("a")
    await asyncio.gather(*waiting)
    assert order == ["urgent", "other", "urgent too", "first"]


async def test_who_was_urgent_and_gives_up_is_forgotten() -> None:
    places = FairPlaces(1)
    await places.take("a")
    urgent = asyncio.create_task(places.take("a", urgent=True))
    waiting = asyncio.create_task(places.take("a"))
    await asyncio.sleep(0)
    urgent.cancel()
    await asyncio.gather(urgent, return_exceptions=True)
    assert places.waiting("a") == 1
    places.give_back("a")
    await waiting
    assert (places.taken, places.waiting()) == (1, 0)
