"""The Secrets of one resource, read by name.

They are never watched: a watch needs the right to read every Secret of its scope, since RBAC cannot grant their
metadata alone. A Secret is read when it is first needed, when the resource or its connection fails, and otherwise in
turn with those of all other resources, at a rate that the API server does not notice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from controller.database.secret import SecretData
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
FIRST_AT_ONCE = 8
"""Secrets that are read at the same time for the first time, after a start; more would run out of time together."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A Secret as it was read.

    Attributes:
        version: its resourceVersion; None if there is no such Secret.
        read_at: seconds of the monotonic clock.
    """

    version: str | None
    data: SecretData | None
    read_at: float


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

    async def read(self, name: str, *, in_doubt: bool) -> SecretData | None:
        """Return the Secret, read anew where its turn has come; as it was while the API server is away.

        Args:
            in_doubt: what it said did not work, or the resource has changed.

        Raises:
            ApiUnavailable: it was never read, and cannot be now.
        """
        known = self._seen.get(name)
        if known is None:
            await self.reads.first.take(self.namespace)
            try:
                known = self._seen[name] = await self._read(name)
            finally:
                self.reads.first.give_back(self.namespace)
        elif self.reads.allow(time.monotonic() - known.read_at, in_doubt=in_doubt):
            try:
                known = self._seen[name] = await self._read(name)
            except ApiUnavailable as error:
                known = self._seen[name] = replace(known, read_at=time.monotonic())  # the others have their turns first
                if self.reads.said.allows():
                    left_out = self.reads.said.take_left_out()
                    log.warning("a Secret was not read anew", secret=name, error=error.message, left_out=left_out)
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

    async def _read(self, name: str) -> _Found:
        found = await self.client.read_secret(self.namespace, name, ca_key=self._ca_key)
        version, data = found or (None, None)
        return _Found(version, data, time.monotonic())
