"""Statements that are measured, with the promise that each is to hold; they are those of docs/reference/schema.md."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

from benchmarks.queries.fill import LARGEST, PROJECTS, RARE, TEMPLATES, Sizes

PROMISED_MS = {"list": 10, "recent": 20, "search": 50, "token": 5, "audit": 30}
"""Milliseconds that users were promised, at p95 with one client."""
AIM = 0.1
"""Share of the promise that is aimed at, above `SELECT 1`."""
LIST = "SELECT id, name, project, state, created_at, updated_at FROM dashboard"
AUDIT = "SELECT timestamp, user_id, action, resource_id, result FROM audit_log"
NEWEST = "ORDER BY updated_at DESC, id DESC LIMIT 50"
LAST = "ORDER BY timestamp DESC LIMIT 100"


@dataclass(frozen=True)
class Draw:
    """Random parameters, of which half the projects are the largest one."""

    sizes: Sizes
    numbers: random.Random

    def project(self) -> str:
        skewed = 1 + int((PROJECTS - 1) * self.numbers.random() ** 3)
        return LARGEST if self.numbers.random() < 0.5 else f"project-{skewed:04}"

    def user(self) -> str:
        return f"user-{int(self.sizes.users * self.numbers.random() ** 3)}"

    def dashboard(self) -> str:
        return f"dashboard-{uuid.UUID(md5(str(self.numbers.randint(1, self.sizes.dashboards)).encode()).hexdigest())}"

    def token(self) -> uuid.UUID:
        return uuid.UUID(md5(f"token{self.numbers.randint(1, self.sizes.tokens)}".encode()).hexdigest())

    def moment(self) -> datetime:
        return datetime.now(UTC) - timedelta(days=300 * self.numbers.random())

    def template(self) -> str:
        return f"template-{self.numbers.randint(1, TEMPLATES)}"


@dataclass(frozen=True)
class Statement:
    """Statement, the promise that it belongs to, and its parameters."""

    kind: str
    name: str
    sql: str
    draw: Callable[[Draw], tuple[Any, ...]] = lambda _: ()

    @property
    def title(self) -> str:
        return f"{self.kind}: {self.name}"


def _by_name(clause: str) -> str:
    return f"{LIST} WHERE project = $1 {clause} ORDER BY name LIMIT 50"


LISTS = (
    Statement("list", "first page by name", _by_name(""), lambda d: (d.project(),)),
    Statement("list", "first page by name, active", _by_name("AND state = 'active'"), lambda d: (d.project(),)),
    Statement("list", "first page by name, drafts", _by_name("AND state = 'draft'"), lambda _: (LARGEST,)),
    Statement("list", "first page by name, any state as parameter", _by_name("AND state = $2"),
              lambda d: (d.project(), d.numbers.choice(("draft", "active", "archived")))),
    Statement("list", "next page by name", _by_name("AND name > $2"), lambda d: (d.project(), "memory gpu 5")),
    Statement("list", "next page by name, active", _by_name("AND state = 'active' AND name > $2"),
              lambda d: (d.project(), "memory gpu 5")),
    Statement("list", "first page by time", f"{LIST} WHERE project = $1 {NEWEST}", lambda d: (d.project(),)),
    Statement("list", "next page by time", f"{LIST} WHERE project = $1 AND (updated_at, id) < ($2, $3) {NEWEST}",
              lambda d: (d.project(), d.moment(), d.dashboard())),
    Statement("list", "next page by time, active",
              f"{LIST} WHERE project = $1 AND state = 'active' AND (updated_at, id) < ($2, $3) {NEWEST}",
              lambda d: (d.project(), d.moment(), d.dashboard())),
    Statement("list", "made from a template", "SELECT id FROM dashboard WHERE template_id = $1 LIMIT 50",
              lambda d: (d.template(),)),
)  # fmt: skip

RECENT = (
    Statement("recent", "all", f"{LIST} ORDER BY updated_at DESC LIMIT 10"),
    Statement("recent", "all, active", f"{LIST} WHERE state = 'active' ORDER BY updated_at DESC LIMIT 10"),
    Statement("recent", "all, any state as parameter", f"{LIST} WHERE state = $1 ORDER BY updated_at DESC LIMIT 10",
              lambda d: (d.numbers.choice(("draft", "active", "archived")),)),
    Statement("recent", "project", f"{LIST} WHERE project = $1 ORDER BY updated_at DESC LIMIT 10",
              lambda d: (d.project(),)),
    Statement("recent", "project, active (quick start)",
              f"{LIST} WHERE project = $1 AND state = 'active' ORDER BY updated_at DESC LIMIT 10",
              lambda d: (d.project(),)),
    Statement("recent", "project, drafts",
              f"{LIST} WHERE project = $1 AND state = 'draft' ORDER BY updated_at DESC LIMIT 10",
              lambda d: (d.project(),)),
    Statement("recent", "user", f"{LIST} WHERE updated_by = $1 ORDER BY updated_at DESC LIMIT 10",
              lambda d: (d.user(),)),
)  # fmt: skip

NEEDLES = {
    "3 letters, frequent": "lat", "3 letters, rare": RARE[:3], "5 letters, frequent": "laten",
    "5 letters, rare": RARE[:5], "10 letters, frequent": "production", "10 letters, rare": RARE,
    "nothing": "no such name", "upper case": "LATENCY", "accents": "überw", "Cyrillic": "ЗАДЕР", "Chinese": "遅延監",
}  # fmt: skip
"""Texts that are searched in any part of a name, by what is special about them."""
PREFIXES = {"2 letters, frequent": "la", "2 letters, rare": RARE[:2], "1 letter": "l"}
"""Texts that words begin with: an index of three letters at a time knows no shorter ones in the middle of a word."""


def _search(name: str, condition: str, *patterns: str) -> tuple[Statement, ...]:
    """Return a search over all, and one in a project: the first names that match, and then their rows."""
    found = f"SELECT project, name FROM dashboard WHERE ({condition})"
    project = f"project = ${len(patterns) + 1}"
    return (
        Statement("search", name, f"{LIST} WHERE (project, name) IN ({found} ORDER BY name LIMIT 20) ORDER BY name",
                  lambda _: patterns),
        Statement("search", f"{name}, project",
                  f"{LIST} WHERE (project, name) IN ({found} AND {project} ORDER BY name LIMIT 20) ORDER BY name",
                  lambda d: (*patterns, d.project())),
        Statement("search", f"{name}, not sorted", f"{LIST} WHERE ({condition}) LIMIT 20", lambda _: patterns),
    )  # fmt: skip


SEARCHES = (
    *(s for name, text in NEEDLES.items() for s in _search(name, "name ILIKE $1", f"%{text}%")),
    *(
        s
        for name, text in PREFIXES.items()
        for s in _search(name, "name ILIKE $1 OR name ILIKE $2", f"{text}%", f"% {text}%")
    ),
)

TOKENS = (
    Statement("token", "is it valid", "SELECT share_token_is_valid($1, '10.1.2.3')", lambda d: (d.token(),)),
    Statement("token", "of a dashboard",
              "SELECT token_id, expires_at FROM share_token WHERE dashboard_id = $1 ORDER BY created_at DESC LIMIT 50",
              lambda d: (d.dashboard(),)),
    Statement("token", "about to expire",
              "SELECT token_id, expires_at FROM share_token WHERE NOT revoked AND expires_at > now()"
              " ORDER BY expires_at LIMIT 50"),
    Statement("token", "of a user",
              "SELECT token_id, expires_at FROM share_token WHERE created_by = $1 ORDER BY created_at DESC LIMIT 50",
              lambda d: (d.user(),)),
)  # fmt: skip

WEEK = "timestamp > now() - interval '7 days'"
AUDITS = (
    Statement("audit", "project and action, a week (quick start)",
              f"{AUDIT} WHERE project_id = $1 AND action LIKE 'dashboard.%' AND {WEEK} {LAST}",
              lambda d: (d.project(),)),
    Statement("audit", "project and an action that never was, a week",
              f"{AUDIT} WHERE project_id = $1 AND action LIKE 'nothing.%' AND {WEEK} {LAST}",
              lambda d: (d.project(),)),
    Statement("audit", "project and an action that never was, 90 days",
              f"{AUDIT} WHERE project_id = $1 AND action LIKE 'nothing.%' AND timestamp > $2 {LAST}",
              lambda d: (d.project(), datetime.now(UTC) - timedelta(days=90))),
    Statement("audit", "project and action as parameter",
              f"{AUDIT} WHERE project_id = $1 AND action = $2 AND {WEEK} {LAST}",
              lambda d: (d.project(), "token.revoke")),
    Statement("audit", "project", f"{AUDIT} WHERE project_id = $1 {LAST}", lambda d: (d.project(),)),
    Statement("audit", "user (quick start)",
              "SELECT * FROM audit_log WHERE user_id = $1 ORDER BY timestamp DESC LIMIT 10",
              lambda d: (d.user(),)),
    Statement("audit", "resource", f"{AUDIT} WHERE resource_type = 'Dashboard' AND resource_id = $1 {LAST}",
              lambda d: (d.dashboard(),)),
    Statement("audit", "token", f"{AUDIT} WHERE token_id = $1 {LAST}", lambda d: (d.token(),)),
    Statement("audit", "last 100 of all", f"{AUDIT} {LAST}"),
    Statement("audit", "next page of all", f"{AUDIT} WHERE timestamp < $1 {LAST}", lambda d: (d.moment(),)),
    Statement("audit", "failures", f"{AUDIT} WHERE result <> 'success' {LAST}"),
    Statement("audit", "failures of a project", f"{AUDIT} WHERE project_id = $1 AND result <> 'success' {LAST}",
              lambda d: (d.project(),)),
)  # fmt: skip

FAVOURITES = (
    Statement("list", "preferences of a user", "SELECT * FROM user_preferences WHERE user_id = $1",
              lambda d: (d.user(),)),
    Statement("list", "who has a favourite",
              "SELECT user_id FROM user_preferences WHERE favorite_dashboards @> jsonb_build_array($1::text)",
              lambda d: (d.dashboard(),)),
    Statement("list", "favourites of a user",
              "SELECT d.id, d.name FROM user_preferences AS p, jsonb_array_elements_text(p.favorite_dashboards) AS f,"
              " dashboard AS d WHERE p.user_id = $1 AND d.id = f", lambda d: (d.user(),)),
)  # fmt: skip

TEMPLATES_OF = (
    Statement("list", "templates of a category",
              "SELECT id, name FROM dashboard_template WHERE category = $1 ORDER BY name LIMIT 50",
              lambda d: (d.numbers.choice(("custom", "notebook")),)),
)  # fmt: skip

STATEMENTS = (*TEMPLATES_OF, *LISTS, *RECENT, *SEARCHES, *TOKENS, *AUDITS, *FAVOURITES)
