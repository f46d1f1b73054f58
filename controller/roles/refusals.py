"""Reasons not to grant anything, each of which says what to do instead. Pure."""

from controller.database.quoting import identifier
from controller.errors import ConfigurationError, DashdbError, Recovery
from controller.roles.facts import Facts
from controller.text import NAME_LENGTH, one_line


def refuse(facts: Facts) -> None:
    """Raise the error for what makes the SQL useless.

    Raises:
        DashdbError: our role does not own the tables (NotOwner).
        ConfigurationError: grants would not limit one of the roles (RoleUnlimited).
    """
    if not facts.is_owner:
        raise DashdbError(
            f"The tables belong to role {_shown(facts.owner)}, whose rights {_shown(facts.user)} does not have. Log in "
            "as the owner, the role that migrates.",
            reason="NotOwner",
            recovery=Recovery.WAITING,
        )
    for kind, role in facts.roles.items():
        if role.of_owner:
            because = "owns the database, its schema or its tables, or is a member of a role that does"
        elif role.unlimited:
            because = "is a superuser, makes roles, replicates, or reads or writes files of the server"
        else:
            continue
        raise ConfigurationError(
            f"Grants do not limit role {_shown(role.name)}: it {because}. Give --{kind} another role, "
            "which may be a new one.",
            reason="RoleUnlimited",
        )


def refuse_to_apply(facts: Facts) -> None:
    """Raise the error for a role that our role may not make.

    Raises:
        DashdbError: RoleMissing.
    """
    missing = [role.name for role in facts.roles.values() if not role.exists]
    if missing and not facts.creates_roles:
        raise DashdbError(
            f"There is no role {' and no role '.join(map(_shown, missing))}, and {_shown(facts.user)} may not make it. "
            "Ask an administrator to make it, by the part of the SQL which the same command prints without --apply; or "
            f"for ALTER ROLE {identifier(one_line(facts.user, NAME_LENGTH))} CREATEROLE. Nothing was changed.",
            reason="RoleMissing",
            recovery=Recovery.WAITING,
        )


def _shown(name: str) -> str:
    return f'"{one_line(name, NAME_LENGTH)}"'
