"""Reports of all databases, in memory: a thousand scrapes cost the databases nothing."""

from datetime import UTC, datetime

from controller.health.report import Key, Report
from controller.runtime.waits import Waits


class ReportStore:
    """Reports by database.

    Attributes:
        succeeded, failed: reconciles of all databases, also of those that are gone, by whether they ended in ready.
        status_refused: statuses that the API server refused to store.
        watching: the API server lists the resources of all namespaces; None where there are none, as in the sidecar.
        connection_waits: databases that wait, since this process has as many connections to their server as it may;
            None where there is no such limit, as in the sidecar.
        watch_restarts: how often the watch of the resources ended, or had missed something, and began anew.
    """

    def __init__(self) -> None:
        self.succeeded = self.failed = 0
        self.status_refused = self.watch_restarts = 0
        self.watching: bool | None = None
        self.connection_waits: Waits | None = None
        self._refused: dict[Key, str] = {}
        self._reports: dict[Key, Report] = {}

    def put(self, key: Key, report: Report) -> None:
        """Replace the report of one database, and count the reconcile."""
        self.succeeded += report.ready
        self.failed += not report.ready
        now = report.sample.taken_at if report.sample else datetime.now(UTC)
        self._reports[key] = report.after(self._reports.get(key), now)

    def announce(self, key: Key, report: Report) -> None:
        """Set the report of a database that was not checked yet; counts nothing."""
        self._reports[key] = report

    def note_status_refused(self, key: Key, why: str | None) -> bool:
        """Note why the API server refused to store the status of one database; None where it stored it.

        Returns:
            True where this is news.
        """
        if why is None:
            return self._refused.pop(key, None) is not None
        self.status_refused += 1
        before, self._refused[key] = self._refused.get(key), why
        return before is None

    @property
    def status_refused_for(self) -> str | None:
        """Reason why the status of some database cannot be written; None where all can."""
        return next(iter(self._refused.values()), None)

    def remove(self, key: Key) -> None:
        """Forget a database; no series of it remains."""
        self._reports.pop(key, None)
        self._refused.pop(key, None)

    def latest(self, key: Key) -> Report | None:
        """Return the report of one database as it was put, however old it is."""
        return self._reports.get(key)

    def get(self, key: Key, now: datetime) -> Report | None:
        """Return the report of one database to show at `now`."""
        report = self._reports.get(key)
        return report and report.as_of(now)

    def reports(self, now: datetime) -> dict[Key, Report]:
        """Return all reports in the order of their names, as they stand at `now`; may be called from any thread."""
        return {key: report.as_of(now) for key, report in sorted(self._reports.copy().items())}
