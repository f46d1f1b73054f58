"""Number of repetitions in tests: `short` in `make test`, `long` in `make chaos`, as DASHDB_TESTS says.

Every test runs in both; the long form has more rounds, more examples and longer waits. A test with two forms
bears the mark `repeats`, by which `make chaos` finds it.
"""

import os
from enum import StrEnum

VARIABLE = "DASHDB_TESTS"
LONG_FACTOR = 10
"""Factor by which a property is tried with more examples in the long form."""


class Effort(StrEnum):
    """The two forms of the tests that repeat."""

    SHORT = "short"
    LONG = "long"


def effort() -> Effort:
    """Return the form that DASHDB_TESTS asks for; `short` where it is not set.

    Raises:
        ValueError: it is neither `short` nor `long`.
    """
    given = os.environ.get(VARIABLE) or Effort.SHORT
    if given not in list(Effort):
        raise ValueError(f"{VARIABLE} is {given!r}: write short or long")
    return Effort(given)


def rounds(*, short: int, long: int) -> int:
    """Return how often to repeat something, or how many seconds to watch it."""
    return long if effort() is Effort.LONG else short


def examples(short: int) -> int:
    """Return how many examples Hypothesis is to try; SHORT is at least the 100 of its default."""
    return rounds(short=short, long=short * LONG_FACTOR)
