"""The Secrets of one resource, read by name.

They are never watched: a watch needs the right to read every Secret of its scope, since RBAC cannot grant their
metadata alone. A Secret is read when it is first needed, when the resource or its connection fails, and otherwise in
turn with those of all other resources, at a rate that the API server does not notice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http import HTTPStatus

import structlog

from controller.database.secret import SecretData
from controller.errors import ConfigurationError, Recovery
from controller.operator.client import ApiUnavailable, Client
from controller.runtime.budget import Budget
from controller.runtime.fair_places import FairPlaces
from controller.runtime.throttle import LogThrottle

log = structlog.get_logger(__name__)

RATE = 3.0
"""Secrets that are read anew in a second, for all resources together. With one Secret each, a change that breaks no
connection is seen after one interval for up to 90 resources at 30 s, and after 333 s for 1,000."""
BURST = 40.0
"""Secrets that may be read anew at once, such as those of databases whose login fails since they were rotated."""
FORBIDDEN_SECONDS = 5.0
"""Seconds for which the right to read a Secret that was read before has to be missing until that counts: an API server
that has just been started answers 403 until it knows its rules."""
FIRST_AT_ONCE = 8
"""Secrets that are read at the same time for the first time, after a start; more would run out of time together."""


class SecretUnreadable(ConfigurationError):
    """Error: a Secret that the API server does not give out; `SecretForbidden` where a right is missing."""

    reason = "SecretUnreadable"
    recovery = Recovery.TRANSIENT


@dataclass(frozen=True, slots=True)
class _Found:
    """A Secret as it was read.

    Attributes:
        version: its resourceVersion; None if there is no such Secret.
        data: what it says, or why it cannot be read.
        read_at: seconds of the monotonic clock.
        refused_at: when the right to read it was first found missing; None where it is there.
    """

    version: str | None
    data: SecretData | SecretUnreadable | None
    read_at: float
    refused_at: float | None = None


class SecretReads:
    """Reads of Secrets by all resources of the process.

    Attributes:
        first: places for reading a Secret that was never read.
        said: whether a failure may be logged; while the API server is away, each look would have one.
    """

    def __init__(self, resources: Callable[[], int]) -> None:
        """Begin with a full budget; RESOURCES returns how many resources share it."""
        self._resources = resources
        self._budget = Budget(rate=RATE, most=BURST)
        self.first = FairPlaces(FIRST_AT_ONCE)
        self.said = LogThrottle()

    def allow(self, age: float, *, in_doubt: bool) -> bool:
        """Return whether a Secret that was read AGE seconds ago is read anew.

        Args:
            in_doubt: what it says did not work.
        """
        return (in_doubt or age >= self._resources() / RATE) and self._budget.take()


@dataclass(slots=True)
class SecretsOfResource:
    """Reader of the Secrets that one resource names; it remembers what they were."""

    client: Client
    reads: SecretReads
    namespace: str
    _ca_key: str | None = None
    _seen: dict[str, _Found] = field(default_factory=dict)

    async def read(self, name: str, *, in_doubt: bool) -> SecretData | SecretUnreadable | None:
        """Return the Secret, read anew where its turn has come; as it was while the API server is away.

        Args:
            in_doubt: what it said did not work, or the resource has changed.

        Returns:
            What it says; None where there is none; why it cannot be read, where it never could be, or may not be any
            more.
        """
        known = self._seen.get(name)
        if known is None:
            await self.reads.first.take(self.namespace)
            try:
                known = self._seen[name] = await self._read(name)
            except ApiUnavailable as error:
                known = self._seen[name] = _Found(None, self._unreadable(name, error), time.monotonic())
            finally:
                self.reads.first.give_back(self.namespace)
        elif self.reads.allow(time.monotonic() - known.read_at, in_doubt=in_doubt):
            try:
                known = self._seen[name] = await self._read(name)
            except ApiUnavailable as error:
                known = self._seen[name] = self._not_read(name, known, error)
        return known.data

    async def changed(self) -> bool:
        """Return True where a Secret that was looked for is another one now."""
        for name, known in list(self._seen.items()):
            if self.reads.allow(0.0, in_doubt=True):
                self._seen[name] = found = await self._read(name)
                if found.version != known.version:
                    return True
        return False

    def keep(self, names: set[str], ca_key: str | None) -> None:
        """Forget the Secrets that the resource no longer names.

        Args:
            ca_key: key of the certificate authority, if the resource names one.
        """
        if ca_key != self._ca_key:  # of a Secret, only the keys that are used are kept
            self._ca_key, names = ca_key, set()
        for name in set(self._seen) - names:
            del self._seen[name]

    def _not_read(self, name: str, known: _Found, error: ApiUnavailable) -> _Found:
        """Return what is known of a Secret that could not be read now; the others have their turns before its next."""
        now = time.monotonic()
        forbidden = error.status == HTTPStatus.FORBIDDEN
        since = (known.refused_at or now) if forbidden else None
        if isinstance(known.data, SecretUnreadable) or (since is not None and now - since >= FORBIDDEN_SECONDS):
            return _Found(None, self._unreadable(name, error), now, since)
        if self.reads.said.allows():
            left_out = self.reads.said.take_left_out()
            log.warning("a Secret was not read anew", secret=name, error=error.message, left_out=left_out)
        return replace(known, read_at=now, refused_at=since)

    def _unreadable(self, name: str, error: ApiUnavailable) -> SecretUnreadable:
        if error.status != HTTPStatus.FORBIDDEN:
            text = f'Secret "{name}" cannot be read: {error.stable} It is tried again.'
            return SecretUnreadable(text)
        text = (
            f'The operator may not read Secret "{name}" in namespace {self.namespace}. Give its ServiceAccount a Role '
            f"there with resources: [secrets], resourceNames: [{name}], verbs: [get], and a RoleBinding, as in "
            "manifests/namespaced."
        )
        return SecretUnreadable(text, reason="SecretForbidden", recovery=Recovery.WAITING)

    async def _read(self, name: str) -> _Found:
        found = await self.client.read_secret(self.namespace, name, ca_key=self._ca_key)
        version, data = found or (None, None)
        return _Found(version, data, time.monotonic())
