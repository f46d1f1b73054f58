"""Questions to the API server: which, how often, and for how long an answer holds; tests/cluster asks a real one."""

import asyncio
from http import HTTPStatus
from typing import Any, cast

import pytest

from controller.operator import reviews
from controller.operator.client import ApiUnavailable, Client
from controller.operator.reviews import (
    ALLOWED_SECONDS,
    AT_ONCE,
    FORBIDDEN_SECONDS,
    QUESTIONS_IN_A_BURST,
    QUESTIONS_PER_SECOND,
    REMEMBERED,
    TOKEN_SECONDS,
    AccessReviews,
)

OK, UNAUTHORIZED, FORBIDDEN = HTTPStatus.OK, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN
BUSY, UNAVAILABLE = HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE


class Asked:
    """An API server that knows tokens that begin with `good`, and lets their owners read what `allowed` says."""

    def __init__(self) -> None:
        self.allowed: set[str] = {"/metrics"}
        self.known = "good"
        self.down = False
        self.questions: list[dict[str, Any]] = []
        self.at_once = self.most_at_once = 0
        self.answering = asyncio.Event()
        self.answering.set()

    async def create(self, path: str, body: dict[str, Any], *, seconds: float) -> dict[str, Any]:
        self.questions.append(body)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.answering.wait()
            if self.down:
                raise ApiUnavailable(f"POST {path}", 0)
        finally:
            self.at_once -= 1
        spec = body["spec"]
        if body["kind"] == "TokenReview":
            user = {"username": spec["token"], "uid": "1", "groups": ["g"], "extra": {"k": ["v"]}}
            return {"status": {"authenticated": True, "user": user} if spec["token"].startswith(self.known) else {}}
        return {"status": {"allowed": spec["nonResourceAttributes"]["path"] in self.allowed}}

    def count(self, kind: str) -> int:
        return sum(question["kind"] == kind for question in self.questions)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(asked: Asked, clock: Clock) -> AccessReviews:
    return AccessReviews(cast("Client", asked), clock)


async def decide(access: AccessReviews, token: str = "good", path: str = "/metrics", address: str = "a") -> HTTPStatus:
    return await access.decide(token, "get", path, address)


async def test_the_questions_are_those_of_controller_runtime(access: AccessReviews, asked: Asked) -> None:
    assert await decide(access) is OK
    assert [question["spec"] for question in asked.questions] == [
        {"token": "good"},
        {
            "user": "good",
            "uid": "1",
            "groups": ["g"],
            "extra": {"k": ["v"]},
            "nonResourceAttributes": {"verb": "get", "path": "/metrics"},
        },
    ]


async def test_a_token_of_nobody_and_a_path_of_others_are_refused(access: AccessReviews) -> None:
    assert await decide(access, "junk") is UNAUTHORIZED
    assert await decide(access, path="/") is FORBIDDEN


async def test_answers_hold_for_their_time(access: AccessReviews, asked: Asked, clock: Clock) -> None:
    for seconds in (0.0, TOKEN_SECONDS - 1, 2.0, ALLOWED_SECONDS - TOKEN_SECONDS):
        clock.now += seconds
        for _ in range(3):
            assert await decide(access) is OK
    assert (asked.count("TokenReview"), asked.count("SubjectAccessReview")) == (3, 2)


async def test_a_right_that_was_just_given_shows_soon(access: AccessReviews, asked: Asked, clock: Clock) -> None:
    assert await decide(access, path="/") is FORBIDDEN
    asked.allowed.add("/")
    assert await decide(access, path="/") is FORBIDDEN
    clock.now += FORBIDDEN_SECONDS
    assert await decide(access, path="/") is OK


async def test_a_token_that_was_revoked_is_good_for_a_minute_at_most(
    access: AccessReviews, asked: Asked, clock: Clock
) -> None:
    assert await decide(access) is OK
    asked.known = "none"
    clock.now += TOKEN_SECONDS
    assert await decide(access) is UNAUTHORIZED


async def test_nothing_holds_a_token(access: AccessReviews) -> None:
    await decide(access, "good-c4nary")
    await decide(access, "junk-c4nary")
    assert "c4nary" not in repr((access._strangers._entries, access._seen_valid._entries, [*access._accounts._entries]))


async def test_without_the_api_server_nobody_is_let_in_and_it_is_said_once(
    access: AccessReviews, asked: Asked, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await decide(access) is OK
    asked.down = True
    assert await decide(access) is OK
    clock.now += TOKEN_SECONDS
    for _ in range(50):
        assert await decide(access) is UNAVAILABLE
    said = capsys.readouterr()
    assert (said.out + said.err).count("cannot decide") == 1


async def test_an_api_server_that_hangs_is_given_up(
    access: AccessReviews, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews, "DECISION_SECONDS", 0.05)
    asked.answering.clear()
    decisions = await asyncio.gather(*(decide(access, f"good-{number}") for number in range(20)))
    assert set(decisions) == {UNAVAILABLE}
    assert asked.most_at_once == AT_ONCE
    asked.answering.set()


async def test_the_same_question_is_asked_once_at_a_time(access: AccessReviews, asked: Asked) -> None:
    assert set(await asyncio.gather(*(decide(access) for _ in range(50)))) == {OK}
    assert len(asked.questions) == 2


async def test_junk_from_one_address_does_not_reach_the_api_server_for_ever(
    access: AccessReviews, asked: Asked, clock: Clock
) -> None:
    burst = int(QUESTIONS_IN_A_BURST)
    decisions = [await decide(access, f"junk-{number}") for number in range(burst + 10)]
    assert decisions == [UNAUTHORIZED] * burst + [BUSY] * 10
    assert await decide(access, "good", address="b") is OK
    clock.now += 1
    decisions = [await decide(access, f"more-{number}") for number in range(20)]
    assert decisions.count(UNAUTHORIZED) == QUESTIONS_PER_SECOND


async def test_a_scraper_behind_the_address_of_an_attacker_still_gets_in(
    access: AccessReviews, asked: Asked, clock: Clock
) -> None:
    assert await decide(access) is OK
    for number in range(2 * int(QUESTIONS_IN_A_BURST)):
        await decide(access, f"junk-{number}")
    clock.now += TOKEN_SECONDS
    for number in range(2 * int(QUESTIONS_IN_A_BURST)):
        await decide(access, f"more-{number}")
    assert await decide(access) is OK


async def test_an_account_that_asks_for_every_path_is_slowed_down(access: AccessReviews, asked: Asked) -> None:
    decisions = [await decide(access, path=f"/ready/a/{number}") for number in range(int(QUESTIONS_IN_A_BURST) + 5)]
    assert decisions.count(BUSY) == 5


async def test_what_is_remembered_has_a_bound(access: AccessReviews, asked: Asked) -> None:
    for number in range(REMEMBERED + 50):
        await decide(access, f"good-{number}", path=f"/{number}", address=str(number))
        await decide(access, f"junk-{number}", address=str(number))
    caches = (access._accounts, access._strangers, access._seen_valid, access._rights, access._budgets)
    assert all(len(cache) <= REMEMBERED for cache in caches)
    assert access._running == {}
