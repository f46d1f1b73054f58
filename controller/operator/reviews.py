"""Decisions on who may read the endpoints, by TokenReview and SubjectAccessReview, as controller-runtime makes them.

https://pkg.go.dev/sigs.k8s.io/controller-runtime/pkg/metrics/filters: the same questions, and the same times for which
an answer holds. A token is never kept, only a keyed digest of it. The audience is the API server's own: a token that
was made for another audience is nobody's.
"""

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import structlog

from controller.operator.client import ApiUnavailable, Client
from controller.runtime.expiring_cache import ExpiringCache
from controller.runtime.throttle import LogThrottle

log = structlog.get_logger(__name__)

TOKEN_SECONDS = 60.0
"""Seconds for which it is remembered whose a token is, or that it is nobody's."""
ALLOWED_SECONDS = 300.0
"""Seconds for which it is remembered that somebody may read a path."""
FORBIDDEN_SECONDS = 30.0
"""Seconds for which it is remembered that somebody may not: a right that was just given shows soon."""
REMEMBERED = 1024
"""Answers kept of each kind; several times what a cluster's scrapers and people need, about 1 MiB."""
AT_ONCE = 4
"""Questions at one time; the rest of the connections to the API server is for the databases."""
QUESTIONS_PER_SECOND = 10.0
"""New questions a second from one address, or for one account, on the average."""
QUESTIONS_IN_A_BURST = 100.0
"""New questions at once: somebody who looks at every database of a large team may."""
QUESTION_SECONDS = 3.0
"""Seconds that the API server may take for one answer."""
DECISION_SECONDS = 5.0
"""Seconds for both answers and the wait for a turn; a scrape gives up after 10."""
_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Account:
    """Owner of a token, as the API server wrote it; JSON, so that it can be a key."""

    user: str


_NOBODY = _Account("")


class _TooManyQuestions(Exception):
    """The budget of an address or an account is used up."""


class AccessReviews:
    """Decisions about requests, remembered for a while."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._accounts: ExpiringCache[_Account] = ExpiringCache(REMEMBERED, clock)
        self._strangers: ExpiringCache[_Account] = ExpiringCache(REMEMBERED, clock)  # so that junk pushes out nobody
        self._seen_valid: ExpiringCache[bool] = ExpiringCache(REMEMBERED, clock)
        self._rights: ExpiringCache[bool] = ExpiringCache(REMEMBERED, clock)
        self._budgets: ExpiringCache[_Budget] = ExpiringCache(REMEMBERED, clock)
        self._running: dict[Hashable, asyncio.Task[Any]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._said = LogThrottle()

    async def decide(self, token: str, verb: str, path: str, address: str) -> HTTPStatus:
        """Return whether the owner of TOKEN may VERB the PATH, as `web.guard.Authorize` describes it."""
        try:
            async with asyncio.timeout(DECISION_SECONDS):
                account = await self._account_of(token, address)
                if account is _NOBODY:
                    return HTTPStatus.UNAUTHORIZED
                return HTTPStatus.OK if await self._may(account, verb, path) else HTTPStatus.FORBIDDEN
        except _TooManyQuestions:
            return HTTPStatus.TOO_MANY_REQUESTS
        except (ApiUnavailable, TimeoutError) as error:
            if self._said.allows():
                why = error.message if isinstance(error, ApiUnavailable) else "The API server did not answer in time."
                log.warning("cannot decide who may read the endpoints", error=why)
            return HTTPStatus.SERVICE_UNAVAILABLE

    async def _account_of(self, token: str, address: str) -> _Account:
        digest = hashlib.blake2b(token.encode(), key=self._key, digest_size=32).digest()
        known = self._accounts.get(digest) or self._strangers.get(digest)
        if known is not None:
            return known
        if not self._seen_valid.get(digest):  # else junk from the same address could keep a scraper out
            self._take(("address", address))
        return await self._once(digest, lambda: self._review_token(digest, token))

    async def _may(self, account: _Account, verb: str, path: str) -> bool:
        key = (account, verb, path)
        known = self._rights.get(key)
        if known is not None:
            return known
        self._take(("account", account))
        return await self._once(key, lambda: self._review_access(account, verb, path))

    async def _review_token(self, digest: bytes, token: str) -> _Account:
        status = await self._ask(_TOKEN_REVIEWS, "authentication.k8s.io/v1", "TokenReview", {"token": token})
        if status.get("authenticated") is not True or not (status.get("user") or {}).get("username"):
            self._seen_valid.drop(digest)
            self._strangers.put(digest, _NOBODY, TOKEN_SECONDS)
            return _NOBODY
        account = _Account(json.dumps(status["user"], sort_keys=True))
        self._accounts.put(digest, account, TOKEN_SECONDS)
        self._seen_valid.put(digest, True, 10 * TOKEN_SECONDS)
        return account

    async def _review_access(self, account: _Account, verb: str, path: str) -> bool:
        user = json.loads(account.user)
        spec = {"user": user["username"], **{key: user[key] for key in ("uid", "groups", "extra") if user.get(key)}}
        spec["nonResourceAttributes"] = {"verb": verb, "path": path}
        status = await self._ask(_ACCESS_REVIEWS, "authorization.k8s.io/v1", "SubjectAccessReview", spec)
        allowed = status.get("allowed") is True and not status.get("denied")
        self._rights.put((account, verb, path), allowed, ALLOWED_SECONDS if allowed else FORBIDDEN_SECONDS)
        return allowed

    async def _ask(self, path: str, version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        async with self._turns:
            review = {"apiVersion": version, "kind": kind, "spec": spec}
            answer = await self._client.create(path, review, seconds=QUESTION_SECONDS)
        return answer.get("status") or {}

    async def _once(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, or wait for the answer to the same question that is being asked."""
        task: asyncio.Task[T] | None = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.ensure_future(ask())
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    def _ended(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # those who asked may all have given up

    def _take(self, key: Hashable) -> None:
        budget = self._budgets.get(key)
        if budget is None:
            budget = _Budget(QUESTIONS_IN_A_BURST, self._clock())
        left = min(QUESTIONS_IN_A_BURST, budget.left + (self._clock() - budget.at) * QUESTIONS_PER_SECOND)
        if left < 1:
            raise _TooManyQuestions
        self._budgets.put(key, _Budget(left - 1, self._clock()), 2 * QUESTIONS_IN_A_BURST / QUESTIONS_PER_SECOND)


@dataclass(frozen=True, slots=True)
class _Budget:
    """Questions left at a time."""

    left: float
    at: float
