"""Settings of Python's garbage collector and thread switching, for a quick start and quick answers.

Measured; see docs/decisions/0006.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_WHOLE_HEAP_EVERY = 100
"""Collections of the middle generation, ten times as many as by default. A collection of the whole heap stops
every thread for a tenth of a second where hundreds of databases are watched; it would free little, since nearly none of
our garbage is in a cycle."""
_SWITCH_SECONDS = 0.002
"""Seconds for which one thread may hold the lock while another waits, less than half of the default. The event loop
waits for it several times in each answer while metrics are written in a thread; these take longer the more often the
two change."""


@contextmanager
def no_collections() -> Iterator[None]:
    """Switch collections off while modules load: none of it is garbage, and looking takes a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def keep_latency_low() -> None:
    """Leave everything that is loaded by now out of later collections; to be called once, after the start.

    It is there for good. What of it is garbage stays too: it is little, and to look for it takes a tenth of the start.

    https://docs.python.org/3/library/gc.html#gc.freeze,
    https://docs.python.org/3/library/sys.html#sys.setswitchinterval
    """
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _WHOLE_HEAP_EVERY)
    sys.setswitchinterval(_SWITCH_SECONDS)
