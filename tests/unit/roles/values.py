"""Facts about a database for tests: an owner who may do all, and two roles that are there already."""

from dataclasses import replace
from typing import Any

from controller.roles.facts import Facts, RoleFacts
from controller.roles.privileges import APPLICATION_FUNCTIONS, OWNER_FUNCTIONS, Kind

ROLE = RoleFacts(
    "service",
    exists=True,
    unlimited=False,
    of_owner=False,
    configurable=True,
    plans_each=True,
    connects=True,
    uses_schema=True,
)
FACTS = Facts(
    database="boards",
    schema="public",
    user="owner",
    owner="owner",
    is_owner=True,
    owns_schema=True,
    owns_database=True,
    creates_roles=True,
    public_creates=False,
    public_makes_temporary=False,
    parts=(),
    sequences=("audit_log_id_seq",),
    functions=tuple(sorted((*APPLICATION_FUNCTIONS, *OWNER_FUNCTIONS))),
    roles={Kind.APPLICATION: ROLE, Kind.READ_ONLY: replace(ROLE, name="reader")},
)


def with_application(facts: Facts = FACTS, **changes: Any) -> Facts:
    """Return the facts with another application role; CHANGES are attributes of `RoleFacts`."""
    return replace(facts, roles={**facts.roles, Kind.APPLICATION: replace(facts.roles[Kind.APPLICATION], **changes)})
