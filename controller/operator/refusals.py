"""Answers of the API server to a status that it does not store: those that the next try will get as well. Pure."""

from http import HTTPStatus

MOST_FAILURES = 3
"""Failures in a row after which an answer is taken for one that lasts."""
_OF_THE_MOMENT = frozenset((HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS))
_MAY_PASS = frozenset((HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_TIMEOUT))
"""Answers that a renewed token or a second try may end; an API server that begins forbids all for a moment."""


class Refusals:
    """Answers to the status writes of one resource, which were not stored."""

    def __init__(self) -> None:
        self._failures = 0

    def lasts(self, status: int) -> bool:
        """Return True where the API server refuses a status for good, as far as can be told, and count its failures.

        A CRD that does not allow it (422), a webhook that denies it (400 or a code of its own) and a body that is too
        large (413) last. No right (403) and a webhook that fails (500) are also what an API server answers for a moment
        that begins or has lost etcd: they last once such an answer came `MOST_FAILURES` times with nothing stored in
        between.

        Args:
            status: HTTP status; 0 where there was no answer.
        """
        if not status or status in _OF_THE_MOMENT:
            return False
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _MAY_PASS:
            return True
        self._failures += 1
        return self._failures >= MOST_FAILURES

    def stored(self) -> None:
        """Note that a status was stored."""
        self._failures = 0
