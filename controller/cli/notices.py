"""Notices of the server while migrations run: assigned to their files, printed as they come, and kept for JSON."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import click

from controller.cli.failures import SHOWN_NOTICES
from controller.database.notices import Notice, NoticeReader
from controller.migrate.plan.model import Step

MOST_KEPT = 1000
"""Limit of the notices of a run in its JSON."""


class RunNotices:
    """Notices of one run. A file that is tried again, since a lock was held, repeats none that it has shown.

    Args:
        show: prints a notice of a file.
        show_left_out: prints the number of notices of a file, or of several sent together, that were not shown.

    Attributes:
        reader: what the connection passes the notices to.
        kept: the notices in the form of the JSON, up to `MOST_KEPT`.
        left_out: number of notices that are not among them.
    """

    def __init__(self, show: Callable[[str, Notice], None], show_left_out: Callable[[str, int], None]) -> None:
        self._show = show
        self._show_left_out = show_left_out
        self.reader = NoticeReader(self._receive)
        self._files: Sequence[str] = ("",)
        self._statement = 0
        self._shown: dict[str, list[Notice]] = {}
        self._repeated: dict[str, int] = {}
        self.kept: list[dict[str, Any]] = click.get_current_context().meta.setdefault(SHOWN_NOTICES, [])
        self.left_out = 0

    def send(self, steps: Sequence[Step], statement: int) -> None:
        """Assign the next notices to the file of `steps`, or to several that are sent together.

        Args:
            statement: number of the first statement that is sent.
        """
        files = [step.label for step in steps]
        if files == self._files and statement > self._statement:
            self._statement = statement
            return
        self.finish()
        self._shown = {file: shown for file, shown in self._shown.items() if file in files}
        self._files, self._statement, self._repeated = files, statement, {}
        self.reader.start_file()

    def finish(self) -> None:
        """Say how many notices of the last file were not shown."""
        count, self.reader.left_out = self.reader.left_out, 0
        self.left_out += count
        if count:
            self._show_left_out(self._files[0], count)

    def _receive(self, notice: Notice) -> None:
        file = self._files[min(notice.transactions, len(self._files) - 1)]
        notice = replace(notice, transactions=0)
        shown, at = self._shown.setdefault(file, []), self._repeated.get(file, 0)
        self._repeated[file] = at + 1
        if shown[at : at + 1] == [notice]:
            return
        shown[at:] = [notice]
        if len(self.kept) < MOST_KEPT:
            self.kept.append({"file": file, **_as_json(notice)})
        else:
            self.left_out += 1
        self._show(file, notice)


def _as_json(notice: Notice) -> dict[str, Any]:
    fields = {"severity": notice.severity, "sqlstate": notice.sqlstate, "message": notice.message}
    return {**fields, "hint": notice.hint or None}
