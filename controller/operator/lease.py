"""Decisions of the election of a leader over one Lease of coordination.k8s.io/v1. Pure.

Clocks of two machines are never compared: a Lease of somebody else is free once it has not changed for its duration,
measured from when this process first saw it so, on this process's own monotonic clock. What client-go does, too:
https://pkg.go.dev/k8s.io/client-go/tools/leaderelection.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

LONGEST_SECONDS = 60
"""Longest duration of a Lease that is respected: anybody who may write it could else keep it for years."""
RELEASED_SECONDS = 1
"""Duration in a Lease that was given back; the API takes no 0."""
_MOST_TRANSITIONS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Times of an election, all of which follow from one.

    Attributes:
        duration: seconds after which a Lease that is not renewed may be taken. 15, as in client-go and so in every
            controller of Kubernetes: a restart of the API server, 5 to 10 s, costs no leader its place.
    """

    duration: int = 15

    @property
    def deadline(self) -> float:
        """Seconds after which a leader that could not renew stops acting; the rest is for what is under way."""
        return self.duration * 2 / 3

    @property
    def renewal(self) -> float:
        """Seconds between two renewals: four may be refused before the leader has to stop, or two meet silence."""
        return self.duration * 2 / 15

    @property
    def look(self) -> float:
        """Seconds between two looks of a standby, and so the most by which it notices late that the Lease is free."""
        return min(0.5, self.duration / 15)

    @property
    def call(self) -> float:
        """Most seconds for one call to the API server: one that hangs leaves time for another try."""
        return self.duration / 5


@dataclass(frozen=True, slots=True)
class LeaseState:
    """A Lease as the API server showed it.

    Attributes:
        holder: identity of who leads; empty for nobody.
        version: its resourceVersion, which every write changes; empty where there is no such Lease.
        renewed: when the holder last renewed, by the holder's clock; never compared with another one's.
        duration: seconds for which the holder may count on it.
        transitions: how often it passed from one holder to another.
    """

    holder: str = ""
    version: str = ""
    renewed: str = ""
    duration: int = RELEASED_SECONDS
    transitions: int = 0

    @classmethod
    def parse(cls, body: Mapping[str, Any] | None) -> Self:
        """Return the state in BODY, a JSON object of the API; None where there is no such Lease."""
        if body is None:
            return cls()
        spec = body.get("spec") or {}
        return cls(
            holder=spec.get("holderIdentity") or "",
            version=body["metadata"]["resourceVersion"],
            renewed=spec.get("renewTime") or "",
            duration=min(spec.get("leaseDurationSeconds") or RELEASED_SECONDS, LONGEST_SECONDS),
            transitions=spec.get("leaseTransitions") or 0,
        )


@dataclass(frozen=True, slots=True)
class SeenLease:
    """A state, and since when it is known to be so: seconds of our monotonic clock, taken after the answer came."""

    state: LeaseState
    since: float

    def seen_again(self, state: LeaseState, now: float) -> "SeenLease":
        """Return what is known after another look."""
        return self if state == self.state else SeenLease(state, now)

    def is_free(self, identity: str, now: float) -> bool:
        """Return whether IDENTITY may take the Lease: nobody has it, or its holder did not renew for too long."""
        return self.state.holder in ("", identity) or now - self.since >= self.state.duration


def held_spec(before: Mapping[str, Any], identity: str, times: LeaseTimes, now: datetime) -> dict[str, Any]:
    """Return the spec of a Lease that IDENTITY takes or renews.

    Args:
        before: its spec until now.
        now: in UTC, for people to read.
    """
    moment = f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"
    spec = {**before, "holderIdentity": identity, "leaseDurationSeconds": times.duration, "renewTime": moment}
    if before.get("holderIdentity") != identity:
        spec["acquireTime"] = moment
        spec["leaseTransitions"] = min((before.get("leaseTransitions") or 0) + 1, _MOST_TRANSITIONS)
    return spec


def released_spec(before: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the spec of a Lease that its holder gives back, so that another one may take it at once."""
    moment = f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"
    return {**before, "holderIdentity": "", "leaseDurationSeconds": RELEASED_SECONDS, "renewTime": moment}
