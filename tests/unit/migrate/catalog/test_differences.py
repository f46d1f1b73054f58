"""Differences between two catalogs, in words."""

import pytest

from controller.migrate.catalog.differences import Catalog, Kind, differences, is_damage

DASHBOARD = {
    "table dashboard": "",
    "column dashboard.name": "text not null",
    "constraint dashboard_pkey on dashboard": "PRIMARY KEY (id)",
    "index ix on dashboard": "CREATE INDEX ix ON public.dashboard USING btree (name)",
    "comment on table dashboard": "One dashboard a row",
    "comment on column dashboard.name": "Its name",
    "comment on index ix on dashboard": "For search",
    "privileges on table dashboard": "SELECT to reader",
    "sequence dashboard_id_seq on dashboard": "bigint start 1",
}
FUNCTION = {"function f(integer)": "CREATE OR REPLACE FUNCTION public.f(integer)\n RETURNS ..."}


def said(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    return [str(each) for each in differences(Catalog(1, wanted), Catalog(1, found))]


def test_equal_catalogs_differ_in_nothing_whatever_their_versions() -> None:
    assert differences(Catalog(1, DASHBOARD), Catalog(2, dict(DASHBOARD))) == ()


def test_each_kind_of_difference_is_one_line() -> None:
    wanted = DASHBOARD | FUNCTION
    found = wanted | {
        "column dashboard.note": "text",
        "column dashboard.name": "text",
        "function f(integer)": FUNCTION["function f(integer)"] + " else",
    }
    del found["index ix on dashboard"], found["comment on index ix on dashboard"]
    assert said(wanted, found) == [
        "column dashboard.name: changed (text not null -> text)",
        "column dashboard.note: added (text)",
        "function f(integer): changed",
        "index ix on dashboard: missing",
    ]


def test_a_difference_carries_both_definitions_in_full() -> None:
    missing, changed = differences(Catalog(1, {"type a": "enum", "type b": "x"}), Catalog(1, {"type b": "y" * 200}))
    assert (missing.kind, missing.before, missing.after) == (Kind.MISSING, "enum", None)
    assert (changed.kind, changed.before, changed.after) == (Kind.CHANGED, "x", "y" * 200)
    assert str(changed) == "type b: changed"


def test_a_definition_that_says_nothing_is_said_so() -> None:
    assert said({"table t": ""}, {"table t": "row level security"}) == [
        "table t: changed (no definition -> row level security)"
    ]


def test_a_missing_table_stands_for_all_that_is_on_it() -> None:
    assert said(DASHBOARD | FUNCTION, FUNCTION) == ["table dashboard: missing"]
    assert said(FUNCTION, DASHBOARD | FUNCTION) == ["table dashboard: added"]


def test_an_added_column_stands_for_its_comment() -> None:
    found = DASHBOARD | {"column dashboard.note": "text", "comment on column dashboard.note": "A note"}
    assert said(DASHBOARD, found) == ["column dashboard.note: added (text)"]


def test_what_is_on_another_table_is_not_folded_into_it() -> None:
    other = {"table dashboard_template": "", "index ix2 on dashboard_template": "CREATE INDEX ..."}
    assert said(DASHBOARD | other, {"table dashboard_template": ""}) == [
        "index ix2 on dashboard_template: missing",
        "table dashboard: missing",
    ]


def test_names_with_dots_spaces_and_quotes_are_folded_like_others() -> None:
    odd = {'table "a.b on ""c"""': "", 'column "a.b on ""c""".x': "text", 'index "i on t" on "a.b on ""c"""': "CREATE"}
    assert said(odd, {}) == ['table "a.b on ""c""": missing']
    assert said({'column "a.b".x': "text", "table a": ""}, {}) == ['column "a.b".x: missing', "table a: missing"]


@pytest.mark.parametrize(
    ("name", "before", "after", "damage"),
    [
        ("table t", "", None, True),
        ("column t.c", "text", None, True),
        ("function f()", "...", None, True),
        ("trigger g on t", "CREATE TRIGGER g", None, True),
        ("trigger g on t", "CREATE TRIGGER g", "CREATE TRIGGER g, disabled", True),
        ("trigger g on t", "CREATE TRIGGER g", "CREATE TRIGGER g, on replicas", True),
        ("trigger g on t", "CREATE TRIGGER g", "CREATE TRIGGER g, always", False),
        ("trigger g on t", "CREATE TRIGGER g, disabled", "CREATE TRIGGER g, on replicas", False),
        ("trigger g on t", "CREATE TRIGGER g, disabled", "CREATE TRIGGER h, disabled", False),
        ("trigger g on t", "CREATE TRIGGER g, disabled", "CREATE TRIGGER g", False),
        ("column t.c", "text", "text, disabled", False),
        ("index i on t", "...", None, False),
        ("constraint k on t", "CHECK (true)", None, False),
        ("comment on table t", "words", None, False),
        ("privileges on table t", "SELECT to reader", None, False),
        ("table t", None, "", False),
    ],
)
def test_damage_is_what_programs_use_and_is_missing_or_disabled(
    name: str, before: str | None, after: str | None, damage: bool
) -> None:
    wanted, found = ({} if each is None else {name: each} for each in (before, after))
    [difference] = differences(Catalog(1, wanted), Catalog(1, found))
    assert is_damage(difference) is damage
