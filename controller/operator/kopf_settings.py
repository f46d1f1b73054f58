"""Settings of kopf, each with its reason."""

from collections.abc import Iterator
from itertools import count

import kopf

from controller.operator.client import PAGE
from controller.runtime.backoff import Backoff

API_BACKOFF = Backoff(first=1.0, longest=15.0, jitter=0.0)
"""Pauses between two tries of kopf to reach the API server."""


class _Endless:
    """Pauses without an end: kopf gives up, and ends the process, where an iterable ends."""

    def __iter__(self) -> Iterator[float]:
        return (API_BACKOFF.pause(failures, 0.0) for failures in count())


def settings() -> kopf.OperatorSettings:
    """Return the settings that this operator needs."""
    tuned = kopf.OperatorSettings()
    tuned.peering.standalone = True  # one resource has one loop; who leads is not kopf's business
    tuned.posting.enabled = False  # events belong to the result of a reconcile, posted by us with stable reasons
    tuned.scanning.disabled = True  # looking for new kinds and namespaces would need rights that we do not need
    tuned.watching.server_timeout = 300  # seconds; a watch that is renewed now and then cannot go stale for ever
    tuned.watching.client_timeout = 310
    tuned.watching.chunk_size = PAGE  # else all resources are in memory at once when the watch begins
    # Seconds; for so long a worker keeps its whole object after an event, and all of them do when the watch begins.
    tuned.queueing.idle_timeout = 1.0
    tuned.networking.connect_timeout = 5.0
    tuned.networking.request_timeout = 30.0
    tuned.networking.error_backoffs = _Endless()  # an API server may be away for longer than 54 s
    tuned.networking.enforce_retry_after = True
    tuned.process.ultimate_exiting_timeout = None  # else kopf kills the process it was embedded in
    return tuned
