"""Rights of the application role and of the read-only role. Pure.

docs/reference/schema.md has the same as a table; a test tries each cell of it on a real server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kind of role; its value is the name of its option and of its column in the documentation."""

    APPLICATION = "application"
    READ_ONLY = "read-only"


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights to tables, and why a role has them.

    Attributes:
        reason: becomes a comment of the SQL.
    """

    privileges: tuple[str, ...]
    tables: tuple[str, ...]
    reason: str


HISTORY = ("schema_version", "schema_version_detail")

GRANTS: Mapping[Kind, tuple[Grant, ...]] = {
    Kind.APPLICATION: (
        Grant(
            ("SELECT", "INSERT", "UPDATE", "DELETE"),
            ("dashboard", "dashboard_template", "user_preferences"),
            "Dashboards, templates and preferences: all rights to rows; a trigger keeps system templates.",
        ),
        Grant(
            ("SELECT", "INSERT", "UPDATE"),
            ("share_token",),
            "Share tokens are revoked by UPDATE. A token that was deleted could be made anew; dashdb removes old ones.",
        ),
        Grant(("SELECT", "INSERT"), ("audit_log",), "Audit rows are added and read; dashdb removes old ones."),
        Grant(("SELECT",), HISTORY, "The history is read, also by a dashdb that only reports; the owner writes it."),
    ),
    Kind.READ_ONLY: (
        Grant(
            ("SELECT",),
            ("dashboard", "dashboard_template", "user_preferences", *HISTORY),
            "Tables without secrets. Whoever reads share_token, or audit_log with its token ids, may use the tokens.",
        ),
    ),
}
TABLES = tuple(sorted({table for grants in GRANTS.values() for grant in grants for table in grant.tables}))

APPLICATION_FUNCTIONS = ("in_maintenance(regclass)", "share_token_is_valid(uuid, inet)")
"""Functions that the service calls: for the check of a token, and through conditions of triggers."""
OWNER_FUNCTIONS = (
    "audit_log_partitions()",
    "cleanup_expired_tokens()",
    "partition_audit_log(date)",
    "purge_audit_log(integer)",
    "remove_audit_rows(regclass, regclass, bigint, timestamp with time zone)",
    "split_audit_log(regclass, date, date)",
    "stamp_audit_row()",
    "update_share_token_usage()",
    "update_template_usage_stats()",
)
"""Functions that the owner calls, or that run with the owner's rights."""

PART_PRIVILEGES: Mapping[Kind, tuple[str, ...]] = {Kind.APPLICATION: ("SELECT",), Kind.READ_ONLY: ()}
"""Rights to each partition of a table, and to each table that a later migration makes: a service needs none to
a partition, so only a migration itself may grant more."""


def table_privileges(kind: Kind, table: str) -> tuple[str, ...]:
    """Return the rights of a role to one of `TABLES`."""
    return next((grant.privileges for grant in GRANTS[kind] if table in grant.tables), ())
