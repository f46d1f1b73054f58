"""Growing pauses between tries. Pure: the caller passes the random number."""

from dataclasses import dataclass

_MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double from `first` to `longest`, each shortened at random.

    Attributes:
        first, longest: seconds.
        jitter: largest part of a pause that is taken off, so that many who failed together do not stay in step. It is
            never added: `longest` is a promise.
    """

    first: float
    longest: float
    jitter: float = 0.5

    def pause(self, failures: int, chance: float) -> float:
        """Return the seconds to wait after a failure.

        Args:
            failures: how many others came right before it.
            chance: at random, from 0 to 1.
        """
        full: float = min(self.longest, self.first * 2 ** min(failures, _MOST_DOUBLINGS))
        return full * (1 - self.jitter * chance)
