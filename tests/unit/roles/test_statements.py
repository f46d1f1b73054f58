"""SQL for roles: who is to run which part, and that no name can leave its quotes."""

import re
from dataclasses import replace
from typing import Any

import pytest

from controller.migrate.sql.lexer import split
from controller.roles.statements import script
from tests.unit.roles.values import FACTS, with_application

HOSTILE = ['a"b', "a'b", "a; DROP TABLE dashboard; --", "$create$", "a\\'b", "$________create$ $create$", "/* a"]


def test_an_owner_who_may_do_all_leaves_nothing_to_an_administrator() -> None:
    made = script(with_application(exists=False, plans_each=False))
    assert made.administrator == ""
    assert 'CREATE ROLE "service" LOGIN' in made.owner


def test_a_role_that_is_there_is_not_made_again() -> None:
    assert "CREATE ROLE" not in script(FACTS).owner


def test_what_the_owner_may_not_do_is_a_part_for_an_administrator() -> None:
    facts = replace(
        with_application(exists=False, configurable=False, plans_each=False, uses_schema=False, connects=False),
        creates_roles=False, owns_schema=False, owns_database=False,
    )  # fmt: skip
    made = script(facts)
    for statement in ("CREATE ROLE", "ALTER ROLE", "ON SCHEMA", "ON DATABASE"):
        assert statement in made.administrator
        assert statement not in made.owner
    assert "ON TABLE" in made.owner
    assert "ON TABLE" not in made.administrator


def test_an_administrator_is_not_asked_for_what_is_done_already() -> None:
    facts = replace(with_application(configurable=False), creates_roles=False, owns_schema=False, owns_database=False)
    assert script(facts).administrator == ""


@pytest.mark.parametrize("open_to_all", ["public_creates", "public_makes_temporary"])
def test_what_public_may_do_is_closed_by_whoever_can(open_to_all: str) -> None:
    changes: dict[str, Any] = {"owns_schema": False, "owns_database": False, open_to_all: True}
    facts = replace(FACTS, **changes)
    assert "FROM PUBLIC" in script(facts).administrator


def test_functions_and_sequences_that_the_schema_does_not_have_are_not_named() -> None:
    made = script(replace(FACTS, functions=(), sequences=())).owner
    assert "FUNCTION" not in made.replace("ON FUNCTIONS", "")
    assert "SEQUENCE " not in made


def test_a_partition_can_be_read_by_the_application_alone() -> None:
    made = script(replace(FACTS, parts=(("public", "audit_log_2026_01"),))).owner
    grants = [line for line in made.splitlines() if "audit_log_2026_01" in line and line.startswith("GRANT")]
    assert grants == ['GRANT SELECT ON TABLE "public"."audit_log_2026_01" TO "service";']


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_adds_no_statement(name: str) -> None:
    plain = script(with_application(exists=False)).owner
    hostile = script(replace(with_application(exists=False, name=name), database=name, schema=name, owner=name)).owner
    assert len(split(hostile, file="roles")) == len(split(plain, file="roles"))


@pytest.mark.parametrize("name", HOSTILE)
def test_comments_hold_no_names(name: str) -> None:
    facts = replace(with_application(exists=False, name=name), database=name, schema=name, owner=name)
    comments = re.findall(r"^-- .*$", script(facts).owner, re.MULTILINE)
    assert comments
    assert comments == re.findall(r"^-- .*$", script(with_application(exists=False)).owner, re.MULTILINE)
