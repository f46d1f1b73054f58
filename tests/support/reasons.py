"""Reasons that the program can show, collected from its source: in status, events, health and errors."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from controller.database.failures import AUTHENTICATION_FAILED, SERIALIZATION_FAILURE
from controller.database.pool.server_places import NO_PLACE
from controller.health.report import STALE, STARTING
from controller.health.verdict import SLOW

CODE = Path(__file__).parents[2] / "controller"
ONLY_FOR_COMMANDS = frozenset((
    "CatalogNotComparable", "CatalogNotRecorded", "CatalogOutdated", "GrantWithoutEffect", "GrantsLocked",
    "HistoryExists", "KubectlFailed", "KubectlMissing", "LinterMissing", "MoreThanOneSchema", "NotOwner",
    "PgDumpFailed", "PgDumpMissing", "PoolerInTheWay", "RoleMissing", "RoleUnlimited", "ScratchForbidden",
    "ScratchNotDropped", "SquashDifferent",
))  # fmt: skip
"""Reasons of errors that no report shows, only a command that a person runs."""
ONLY_FOR_EVENTS = frozenset((
    "DatabaseReplaced", "MaintenanceFailed", "SchemaDrifted", "SchemaMigrated", "SpecFieldUnknown", "TemplatesWritten",
))  # fmt: skip
"""Reasons of events that are no reason of a condition."""
_NOT_SHOWN = frozenset(("", "Failed"))
"""Reason of a value that has none yet, and that of the base of all errors, which is never raised itself."""
_MAKERS = frozenset(("Blocked", "Event", "Finding", "Verdict", "_stalled"))
"""Functions and classes that take a reason without its name; of `Finding`, also `Finding.good` and the like."""
_REASON = re.compile(r"[A-Z][A-Za-z]+")


@cache
def all_reasons() -> frozenset[str]:
    """Return every reason that a condition, an event, health or an error of a command can have."""
    found = {reason for path in sorted(CODE.rglob("*.py")) for reason in _reasons(ast.parse(path.read_text()))}
    failures = (CODE / "database/failures.py").read_text()
    found |= set(re.findall(r'"(\w+)",\s*_(?:WAITING|TRANSIENT)', failures))
    named = {AUTHENTICATION_FAILED, NO_PLACE, SERIALIZATION_FAILURE, SLOW, STALE, STARTING}
    return frozenset((found | named) - _NOT_SHOWN)


def shown_in_reports() -> frozenset[str]:
    """Return the reasons that health and the conditions of a resource can show."""
    return all_reasons() - ONLY_FOR_COMMANDS - ONLY_FOR_EVENTS


def _reasons(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.keyword) and node.arg == "reason":
            yield from _constant(node.value)
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["reason"]:
            yield from _constant(node.value)
        if isinstance(node, ast.Call) and ast.unparse(node.func).partition(".")[0] in _MAKERS:
            for argument in node.args:
                yield from (text for text in _constant(argument) if _REASON.fullmatch(text))


def _constant(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
