"""Reasons not to grant anything, each in one sentence that says what to do."""

from dataclasses import replace

import pytest

from controller.errors import ConfigurationError, DashdbError
from controller.roles.refusals import refuse, refuse_to_apply
from tests.unit.roles.values import FACTS, with_application


def test_an_owner_and_two_plain_roles_are_not_refused() -> None:
    refuse(FACTS)
    refuse_to_apply(FACTS)


def test_whoever_does_not_own_the_tables_is_told_who_does() -> None:
    with pytest.raises(DashdbError, match=r'belong to role "ann".*"owner" does not have') as refused:
        refuse(replace(FACTS, owner="ann", is_owner=False))
    assert (refused.value.reason, refused.value.exit_code) == ("NotOwner", 1)


@pytest.mark.parametrize(("flag", "told"), [("of_owner", "owns the database"), ("unlimited", "is a superuser")])
def test_a_role_that_grants_do_not_limit_is_refused_with_the_option_that_names_it(flag: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=f'"service": it {told}.*Give --application another') as refused:
        refuse(with_application(FACTS, **{flag: True}))
    assert refused.value.reason == "RoleUnlimited"


def test_a_missing_role_that_we_may_not_make_is_refused_with_what_to_ask_for() -> None:
    facts = replace(with_application(exists=False), creates_roles=False)
    with pytest.raises(DashdbError, match=r'no role "service".*ALTER ROLE "owner" CREATEROLE.*Nothing was') as refused:
        refuse_to_apply(facts)
    assert refused.value.reason == "RoleMissing"


def test_a_missing_role_that_we_may_make_is_made() -> None:
    refuse_to_apply(with_application(exists=False))
