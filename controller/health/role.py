"""Part of this process in the election of a leader, as the endpoints show it. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Role:
    """Part of one replica.

    Attributes:
        leading: it holds the Lease, and may change something now.
        standby: it observes no database, since another replica does. Neither leading nor standby is a leader that does
            not reach the API server: it goes on observing, and changes nothing.
        leader: identity of who holds the Lease, as last seen: name of the Pod, `_` and a random suffix; empty for
            nobody.
        transitions: how often the Lease passed from one holder to another.
    """

    leading: bool
    standby: bool
    leader: str
    transitions: int
