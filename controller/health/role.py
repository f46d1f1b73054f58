"""Part of this process in the election of a leader, as the endpoints show it. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Role:
    """Part of one replica.

    Attributes:
        leading: it holds the Lease, and may change something now.
        standby: it observes no database, since another replica does. Two are neither leading nor standby: a leader that
            does not reach the API server, which goes on observing and changes nothing; and one that has just lost the
            Lease, until what it had under way is rolled back.
        leader: identity of who holds the Lease, as last seen: name of the Pod, `_` and a random suffix; empty for
            nobody.
        transitions: how often the Lease passed from one holder to another.
    """

    leading: bool
    standby: bool
    leader: str
    transitions: int
