"""`dashdb roles` where it grants nothing: one error that says what to do, and no right has changed."""

import pytest

from controller.database.connection import connected
from controller.database.transaction import transaction
from controller.roles.grant import TRY_LOCK
from tests.database.programs import dashdb, dashdb_here
from tests.database.roles.conftest import ROWS, Service, acl
from tests.database.targets import target_to
from tests.support.database import quoted


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("{owner}", "owns the database, its schema or its tables"),
        ("postgres", "owns the database"),  # a superuser counts as a member of every role
        ("public", "is reserved by PostgreSQL"),
        ("two\nlines", "cannot be printed"),
        ("x" * 64, "has 64 bytes"),
    ],
)
def test_a_role_that_cannot_be_the_services_is_refused_with_exit_2(name: str, told: str, service: Service) -> None:
    before = acl(service)
    done = service.run("roles", "--application", name.format(owner=service.owner.user), "--apply")
    assert (done.exit_code, told in done.stderr) == (2, True), done.output
    assert acl(service) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("GRANT {owner} TO {role}", "is a member of a role that does"),
        ("ALTER ROLE {role} CREATEROLE", "makes roles"),
        ("GRANT pg_read_server_files TO {role}", "files of the server"),
    ],
)
def test_a_role_that_grants_do_not_limit_is_refused(change: str, told: str, service: Service) -> None:
    names = {"owner": quoted(service.owner.user), "role": quoted(service.reader.user)}
    service.sql(change.format(**names), user=service.superuser)
    done = service.run(*service.options, "--apply")
    assert (done.exit_code, told in done.stderr, "Give --read-only another" in done.stderr) == (2, True, True)


def test_one_role_cannot_be_both(service: Service) -> None:
    done = service.run("roles", "--application", "a", "--read-only", "a")
    assert (done.exit_code, "name the same role" in done.stderr) == (2, True)


def test_whoever_does_not_own_the_tables_is_refused(service: Service) -> None:
    done = dashdb_here(service.application.environ, *service.options, "--apply")
    assert (done.exit_code, done.stderr.startswith("NotOwner: The tables belong to role ")) == (1, True), done.stderr


def test_a_missing_role_that_the_owner_may_not_make_changes_nothing(service: Service) -> None:
    before = service.sql(ROWS, user=service.superuser)
    done = service.run("roles", "--application", service.application.user, "--read-only", "nobody_yet", "--apply")
    assert done.exit_code == 1
    assert done.stderr.startswith('RoleMissing: There is no role "nobody_yet"')
    assert service.sql(ROWS, user=service.superuser) == before


async def test_a_run_beside_another_one_changes_nothing_and_says_so(service: Service) -> None:
    before = acl(service)
    async with connected(target_to(service.owner)) as other, transaction(other):
        await other.execute(TRY_LOCK)
        done = dashdb(service.owner.environ, *service.options, "--apply")
    assert (done.returncode, done.stderr.startswith("GrantsLocked: Another dashdb roles --apply")) == (1, True)
    assert acl(service) == before


def test_before_the_first_migration_there_is_nothing_to_grant(service: Service) -> None:
    assert service.run("migrate", "down", "--all", "--yes").exit_code == 0
    done = service.run(*service.options, "--apply")
    assert (done.exit_code, done.stderr) == (
        1, 'TableMissing: There is no table audit_log in schema "public". Make it with: dashdb migrate up\n',
    )  # fmt: skip
