"""Parts of all resources, each of which one operator looks after, and which resource belongs to which. Pure."""

from dataclasses import dataclass
from hashlib import sha256

from controller.database.fields import integer
from controller.health.report import Key

MOST_SHARDS = 100
"""Largest number of shards. Each of them watches all resources, so that many more would cost more than they save."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of COUNT parts of all resources; by default the only one.

    Attributes:
        number: counted from 1.
        count: of all shards together.
    """

    number: int = 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def holds(self, key: Key) -> bool:
        """Return whether the resource of this namespace and name belongs to the shard."""
        return shard_number(key, self.count) == self.number

    def lease_name(self, name: str) -> str:
        """Return the name of the Lease by which the replicas of this shard elect, where the only one would use NAME.

        It says the count too: after a change of the count, the same number means other resources.
        """
        return name if self.count == 1 else f"{name}-{self.number}-of-{self.count}"


WHOLE = Shard()
"""All resources, where there is one operator."""


def shard_number(key: Key, count: int) -> int:
    """Return the number of the shard, from 1 to COUNT, that a resource belongs to.

    It follows from its namespace and name alone, so that each process computes the same, in each release.
    """
    digest = sha256("/".join(key).encode()).digest()
    return int.from_bytes(digest) % count + 1


def parse_shard(text: str) -> Shard:
    """Return the shard that TEXT names, such as `1/2`.

    Raises:
        ValueError: with what is accepted, to follow "TEXT is".
    """
    number, _, count = text.partition("/")
    try:
        shards = integer(1, MOST_SHARDS)(count)
        return Shard(integer(1, shards)(number), shards)
    except ValueError:
        raise ValueError(
            f"no shard. Write i/n: shard i of n, with i from 1 to n and n from 1 to {MOST_SHARDS}; for two operators "
            "1/2 and 2/2"
        ) from None
