"""Content of the pages for people: all databases with what is wrong first, and one with its conditions. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlencode

from controller.health.report import STARTING, Key, Report
from controller.health.verdict import Health
from controller.text import one_line
from controller.web.answers import full_name

MOST_ROWS = 500
"""Most databases on one page; a person filters, and a page of thousands takes seconds to draw."""
REFRESH_SECONDS = 30
"""Seconds after which a page loads itself again, for those who ask for that: the default interval of checks."""
_SEARCH_LENGTH = 253
"""Most characters of a search, as of a name in Kubernetes."""


class State(StrEnum):
    """State of a database for people, worst first."""

    NOT_READY = "not ready"
    NOT_CHECKED = "not checked yet"
    DEGRADED = "degraded"
    READY = "ready"


_ORDER = tuple(State)
LINKS = ("/live", "/ready", "/api/v1/health", "/metrics/health", "/metrics")
"""Other endpoints, which have the same for programs."""


def state_of(report: Report) -> State:
    """Return the state of a database: a degraded one serves its users, and wants to be looked at."""
    if report.reason == STARTING:
        return State.NOT_CHECKED
    if not report.ready:
        return State.NOT_READY
    return State.READY if report.verdict.health is Health.HEALTHY else State.DEGRADED


@dataclass(frozen=True, slots=True)
class Selection:
    """Choice of databases, as the address of the page says it.

    Attributes:
        search: part of a name, a reason or a message, in any case; empty for all.
        state: None for all.
        refresh: whether the page loads itself again. That takes away what a person is reading, so it has to be
            asked for.
    """

    search: str = ""
    state: State | None = None
    refresh: bool = False

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> "Selection":
        """Return the choice; whatever makes no sense in the query counts as not given."""
        state = query.get("state", "")
        return cls(
            search=one_line(query.get("search", ""), _SEARCH_LENGTH).strip(),
            state=State(state) if state in _ORDER else None,
            refresh=query.get("refresh") == "on",
        )

    def address(self, **changes: Any) -> str:
        """Return the address, in the same page, of this choice with CHANGES of its attributes."""
        chosen = replace(self, **changes)
        query = {"search": chosen.search, "state": chosen.state or "", "refresh": "on" if chosen.refresh else ""}
        return "?" + urlencode({name: value for name, value in query.items() if value})

    def chooses(self, row: "Row") -> bool:
        text = f"{row.name} {row.reason} {row.message}".casefold()
        return (self.state is None or row.state is self.state) and self.search.casefold() in text


@dataclass(frozen=True, slots=True)
class Row:
    """One database in the table of all; texts are empty where nothing is known.

    Attributes:
        path: address of its own page.
        since, checked: times in UTC.
    """

    name: str
    path: str
    state: State
    since: str
    reason: str
    message: str
    schema: str
    templates: str
    connections: str
    response: str
    checked: str


@dataclass(frozen=True, slots=True)
class Overview:
    """Page of all databases.

    Attributes:
        counts: number of databases in each state, those that were not chosen included.
        chosen: number of databases that the selection chooses; `rows` are the first of them.
    """

    rows: tuple[Row, ...]
    counts: Mapping[State, int]
    chosen: int

    @property
    def left_out(self) -> int:
        return self.chosen - len(self.rows)

    @property
    def title(self) -> str:
        """Words for the tab of a browser: how many are in which state, without those that are ready."""
        unready = [f"{count} {state}" for state, count in self.counts.items() if count and state is not State.READY]
        return ", ".join(unready) or ("all ready" if any(self.counts.values()) else "no databases yet")


def overview(reports: Mapping[Key, Report], selection: Selection) -> Overview:
    """Return the page of all databases: the worst state first, in it the newest change, then by name."""
    rows = [row_of(key, report) for key, report in reports.items()]
    chosen = sorted((row for row in rows if selection.chooses(row)), key=lambda row: row.name)
    chosen.sort(key=lambda row: row.since, reverse=True)
    chosen.sort(key=lambda row: _ORDER.index(row.state))
    counts = Counter(row.state for row in rows)
    return Overview(
        rows=tuple(chosen[:MOST_ROWS]),
        counts={state: counts[state] for state in State},
        chosen=len(chosen),
    )


def row_of(key: Key, report: Report) -> Row:
    """Return what the table says of one database."""
    sample = report.sample
    connections = ""
    if sample is not None and sample.server_connection_limit is not None:
        connections = f"{sample.server_connections} of {sample.server_connection_limit}"
    state = state_of(report)
    degraded = state is State.DEGRADED
    return Row(
        name=full_name(key),
        path="/databases/" + "/".join(quote(part, safe="") for part in key if part),
        state=state,
        since=shown_time(report.since),
        reason=report.verdict.reason if degraded else report.reason,
        message=one_line((report.verdict.warning or "") if degraded else report.message),
        schema=_schema(report),
        templates=", ".join(f"{count} {name}" for name, count in report.templates.items()),
        connections=connections,
        response="" if sample is None or sample.response_ms is None else f"{sample.response_ms:.1f} ms",
        checked=shown_time(sample.taken_at if sample else None),
    )


def _schema(report: Report) -> str:
    if report.schema_version is None:
        return ""
    pending = f", {report.pending} pending" if report.pending else ""
    return f"{report.schema_version}{' (dirty)' if report.dirty else ''}{pending}"


@dataclass(frozen=True, slots=True)
class Condition:
    """Answer to one question, in words; `style` is the state whose colours it has."""

    name: str
    holds: str
    style: str
    reason: str
    message: str


_HOLDS = {True: ("yes", State.READY), False: ("no", State.DEGRADED), None: ("not known", State.DEGRADED)}


def conditions_of(report: Report) -> tuple[Condition, ...]:
    """Return the conditions of one database in the order in which a person would ask."""
    return tuple(
        Condition(each.condition, *_HOLDS[each.holds], each.reason, one_line(each.message)) for each in report.answers
    )


def reasons_of(row: Row, report: Report) -> tuple[str, ...]:
    """Return the reasons for which the page says what to do: that of the state, and those of what does not hold."""
    return (row.reason, *(each.reason for each in report.answers if not each.holds))


@dataclass(frozen=True, slots=True)
class ShownChange:
    """Change of a database, in words."""

    at: str
    state: State
    reason: str


def changes_of(report: Report) -> tuple[ShownChange, ...]:
    """Return the changes of one database that this process saw, the newest first."""
    return tuple(
        ShownChange(shown_time(each.at), State.READY if each.ready else State.NOT_READY, each.reason)
        for each in reversed(report.changes)
    )


def facts_of(row: Row) -> tuple[tuple[str, str], ...]:
    """Return names and values of what is known of one database."""
    return (
        ("in this state since (UTC)", row.since),
        ("version of the schema", row.schema),
        ("system templates", row.templates),
        ("connections on the server", row.connections),
        ("answered in", row.response),
        ("checked at (UTC)", row.checked),
    )


def links_of(key: Key) -> tuple[str, ...]:
    """Return the addresses at which programs find one database."""
    name = full_name(key) if key[0] else ""
    return tuple(f"{path}/{name}" if name else path for path in ("/ready", "/api/v1/health", "/metrics/health"))


def shown_time(moment: datetime | None) -> str:
    """Return a time in UTC as people read it; the page says of which zone it is."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
