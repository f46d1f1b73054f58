"""Python's garbage collector, in a process that has to answer in milliseconds."""

import gc

_WHOLE_HEAP_EVERY = 100
"""Collections of the middle generation, ten times as many as by default. A look through the whole heap stops every
thread for a tenth of a second where hundreds of databases are watched; what it would find is small, since nearly all
that we let go of is in no cycle."""


def collect_rarely() -> None:
    """Leaves what is loaded by now out of every later collection: it is there for good.

    To be called once, when everything is loaded. https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _WHOLE_HEAP_EVERY)
