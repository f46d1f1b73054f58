"""What of Python itself makes a process answer late: its garbage collector, and the lock that its threads share."""

import gc
import sys

_WHOLE_HEAP_EVERY = 100
"""Collections of the middle generation, ten times as many as by default. A look through the whole heap stops every
thread for a tenth of a second where hundreds of databases are watched; what it would find is small, since nearly all
that we let go of is in no cycle."""
_TURN_SECONDS = 0.002
"""For how long one thread may hold the lock while another waits for it, less than half of the default. The event loop
waits for it several times in each answer while metrics are written in a thread; these take longer the more often the
two change."""


def keep_latency_low() -> None:
    """To be called once, when everything is loaded: that is left out of every later collection, it is there for good.

    https://docs.python.org/3/library/gc.html#gc.freeze,
    https://docs.python.org/3/library/sys.html#sys.setswitchinterval
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _WHOLE_HEAP_EVERY)
    sys.setswitchinterval(_TURN_SECONDS)
