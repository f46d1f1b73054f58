"""Rights that roles have in the end, compared with those that they should have."""

from controller.roles.effect import Effect, effect_from
from controller.roles.privileges import TABLES, Kind, table_privileges

NAMES = {Kind.APPLICATION: "service", Kind.READ_ONLY: "reader"}
WANTED = [
    [name, privilege, f"table {table}", table]
    for kind, name in NAMES.items()
    for table in TABLES
    for privilege in table_privileges(kind, table)
]


def test_wanted_rights_differ_in_nothing() -> None:
    assert effect_from(WANTED, NAMES) == Effect()


def test_a_right_that_does_not_hold_is_missing() -> None:
    without = [row for row in WANTED if row[:2] + row[3:] != ["service", "INSERT", "audit_log"]]
    assert effect_from(without, NAMES).missing == ("INSERT on table audit_log to service",)


def test_a_right_beyond_the_wanted_ones_is_told() -> None:
    more = [
        ["service", "DELETE", "table audit_log", "audit_log"],
        ["reader", "SELECT", "table public.audit_log_2026_01", ""],
        ["service", "SELECT", "table public.audit_log_2026_01", ""],
        ["reader", "EXECUTE", "function purge_audit_log(integer)", None],
    ]
    assert effect_from([*WANTED, *more], NAMES).beyond == (
        "DELETE on table audit_log by service",
        "EXECUTE on function purge_audit_log(integer) by reader",
        "SELECT on table public.audit_log_2026_01 by reader",
    )


def test_nobody_has_a_right_by_which_tables_are_changed_or_watched() -> None:
    given = {privilege for kind in Kind for table in TABLES for privilege in table_privileges(kind, table)}
    assert given == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert {table_privileges(Kind.READ_ONLY, table) for table in TABLES} == {(), ("SELECT",)}
