"""kopf's settings, each with its reason."""

import itertools

import kopf


class _Endless:
    """1, 2, 3, 5, 8, 13, then 15 s for ever: kopf gives up, and ends the process, where an iterable ends."""

    def __iter__(self) -> "itertools.chain[int]":
        return itertools.chain((1, 2, 3, 5, 8, 13), itertools.repeat(15))


def settings() -> kopf.OperatorSettings:
    """What this operator wants of kopf."""
    tuned = kopf.OperatorSettings()
    tuned.peering.standalone = True  # one resource has one loop; who leads is not kopf's business
    tuned.posting.enabled = False  # events are an outcome of a turn, posted by us with stable reasons
    tuned.scanning.disabled = True  # looking for new kinds and namespaces would need rights that we do not need
    tuned.watching.server_timeout = 300  # seconds; a watch that is renewed now and then cannot go stale for ever
    tuned.watching.client_timeout = 310
    tuned.networking.connect_timeout = 5.0
    tuned.networking.request_timeout = 30.0
    tuned.networking.error_backoffs = _Endless()  # an API server may be away for longer than 54 s
    tuned.networking.enforce_retry_after = True
    tuned.process.ultimate_exiting_timeout = None  # else kopf kills the process it was embedded in
    return tuned
