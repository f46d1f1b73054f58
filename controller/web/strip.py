"""State of a database over the time that this process has seen, as a strip from left to right. Pure."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from controller.health.report import STALE, Change, Report
from controller.web.page import State, shown_time

WIDTH = 1000
"""Units from the left end of the strip to its right end."""
_LEAST = 3.0
"""Units that a state takes at least, so that a short one can be seen."""


@dataclass(frozen=True, slots=True)
class Segment:
    """State between two changes; `text` says it in words."""

    left: float
    width: float
    state: State
    text: str


@dataclass(frozen=True, slots=True)
class Strip:
    """Segments to be drawn one after the other, so that a short state covers a part of a long one; and words."""

    segments: tuple[Segment, ...]
    text: str


def strip_of(report: Report, now: datetime) -> Strip | None:
    """Return the strip from the first change that the report has to NOW; None where it has none yet."""
    changes = list(report.changes)
    if not changes or now <= changes[0].at:
        return None
    if report.reason == STALE:  # since then, nobody knows
        changes.append(Change(report.due_by, ready=False, reason=STALE))
    begin, total = changes[0].at, now - changes[0].at
    segments, ready = [], 0.0
    for change, following in pairwise([*changes, Change(now, ready=False, reason="")]):
        share = (following.at - change.at) / total
        ready += share if change.ready else 0
        state = State.READY if change.ready else State.NOT_READY
        text = f"{state} ({change.reason}) from {shown_time(change.at)} to {shown_time(following.at)} UTC"
        left, width = WIDTH * ((change.at - begin) / total), max(WIDTH * share, _LEAST)
        segments.append(Segment(round(min(left, WIDTH - width), 1), round(width, 1), state, text))
    text = f"From {shown_time(begin)} to {shown_time(now)} UTC, it was ready for {ready:.1%} of the time"
    return Strip(tuple(sorted(segments, key=lambda segment: segment.width, reverse=True)), text)
