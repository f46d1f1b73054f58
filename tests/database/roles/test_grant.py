"""`dashdb roles` on a real server: what it changes, what it leaves alone, and when it changes nothing at all."""

import json
import re
from dataclasses import replace

import pytest

from controller.roles.privileges import Kind
from tests.database.programs import dashdb_here
from tests.database.roles.conftest import ROWS, Service, acl, create_role_right
from tests.database.targets import role
from tests.support.database import quoted
from tests.support.pgbouncer import PgBouncer

PASSWORD = "correct-horse"
HOSTILE = ['Quote"d', "it's; DROP TABLE dashboard; --", "$create$ $________create$", "back\\'slash", "/* -- open"]


def test_a_second_run_changes_nothing_and_says_so(granted: Service) -> None:
    before = granted.sql(ROWS, user=granted.superuser)
    again = granted.apply()
    assert again.stdout == "Nothing to do; the roles have these rights.\n"
    assert granted.sql(ROWS, user=granted.superuser) == before, "no row of a catalog was written"


def test_each_change_is_a_line(service: Service) -> None:
    lines = service.apply().stdout.splitlines()
    name = quoted(service.application.user)
    assert f"+ INSERT on table audit_log to {name}" in lines
    assert "- EXECUTE on function cleanup_expired_tokens() to PUBLIC" in lines
    assert lines[-1] == f"{len(lines) - 1} changes; nothing else was touched."


def test_the_printed_sql_does_in_psql_what_apply_does(service: Service) -> None:
    printed = service.run(*service.options).stdout
    assert "For an administrator" in printed, "these roles were made by a superuser, who alone may configure them"
    service.sql(printed, user=service.superuser)
    service.sql(printed, user=service.superuser)
    assert service.apply().stdout == "Nothing to do; the roles have these rights.\n"
    assert not service.run(*service.options).stdout.startswith("-- For an administrator")


def test_without_apply_nothing_is_written(service: Service) -> None:
    before = service.sql(ROWS, user=service.superuser)
    assert service.run(*service.options).exit_code == 0
    assert service.sql(ROWS, user=service.superuser) == before


def test_what_other_roles_were_granted_by_name_stays(service: Service) -> None:
    other = role(service.server, database=service.owner)
    name = quoted(other.user)
    service.sql(
        f"GRANT ALL ON dashboard, audit_log TO {name}; GRANT CREATE ON SCHEMA public TO {name};"
        f"GRANT TEMPORARY ON DATABASE {quoted(service.owner.name)} TO {name}"
    )
    before = [line for line in acl(service).splitlines() if other.user in line]
    service.apply()
    kept = [re.findall(rf'"{other.user}[^,}}]*', line) for line in before]
    after = [re.findall(rf'"{other.user}[^,}}]*', line) for line in acl(service).splitlines() if other.user in line]
    assert after == kept
    service.sql("CREATE TABLE public.theirs (); CREATE TEMPORARY TABLE t ()", user=other)


def test_what_the_role_was_granted_before_and_does_not_need_is_taken_away(service: Service) -> None:
    name = quoted(service.application.user)
    service.sql(
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}; GRANT ALL ON SCHEMA public TO {name};"
        f"GRANT UPDATE (user_id) ON audit_log TO {name}; GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO {name};"
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO {name}"
    )
    removed = [line for line in service.apply().stdout.splitlines() if line.startswith("- ")]
    for told in ("TRIGGER on table dashboard", "DELETE on table share_token", "UPDATE on column audit_log.user_id",
                 "CREATE on schema public", "EXECUTE on function purge_audit_log(integer)",
                 "TRUNCATE on later tables"):  # fmt: skip
        assert f"- {told} to {name}" in removed


def test_a_partition_and_a_later_table_can_be_read_by_the_application_role_alone(service: Service) -> None:
    for _ in range(3):  # each takes one of three steps
        service.sql("SELECT partition_audit_log('2026-01-01')")
    service.sql(f"GRANT ALL ON audit_log_from_2026_01 TO {quoted(service.application.user)}")
    service.apply()
    for _ in range(3):
        service.sql("SELECT partition_audit_log('2026-02-01')")
    service.sql("CREATE TABLE label (name text)")
    assert service.apply().stdout == "Nothing to do; the roles have these rights.\n"
    may = "has_table_privilege('{role}', '{table}', 'SELECT'), has_table_privilege('{role}', '{table}', '{write}')"
    write = "INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"
    for table in ("audit_log_from_2026_01", "audit_log_from_2026_02", "label"):
        for login, wanted in ((service.application, "t|f"), (service.reader, "f|f")):
            assert service.sql("SELECT " + may.format(role=login.user, table=table, write=write)).strip() == wanted


def test_what_a_role_can_do_through_public_is_a_warning(service: Service) -> None:
    service.sql("GRANT DELETE ON share_token TO PUBLIC; ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO PUBLIC")
    done = service.apply()
    told = done.stderr.replace("\n", " ")
    assert f"DELETE on table share_token by {service.reader.user}: through PUBLIC" in told
    assert f"INSERT on later tables of all schemas by {service.application.user}: through PUBLIC" in told
    beyond = json.loads(service.apply("--json").stdout)["beyond"]
    assert len(beyond) == 4


def test_roles_that_are_missing_are_made_where_the_owner_may(service: Service) -> None:
    create_role_right(service)
    names = ("new_" + service.owner.name, "reader_" + service.owner.name)
    options = ("roles", "--application", names[0], "--read-only", names[1])
    first = service.run(*options, "--apply")
    assert first.exit_code == 0, first.output
    assert f'Role "{names[0]}" has no password yet: set one in psql with \\password.' in first.stderr
    assert service.run(*options, "--apply").stdout == "Nothing to do; the roles have these rights.\n"
    made = service.sql(
        f"SELECT rolcanlogin, rolpassword IS NULL, rolsuper FROM pg_authid WHERE rolname IN {names}",
        user=service.superuser,
    )
    assert made.split() == ["t|t|f", "t|t|f"]
    service.sql(f"ALTER ROLE {names[0]} PASSWORD '{PASSWORD}'")
    login = replace(service.owner, user=names[0], password=PASSWORD)
    assert service.sql("SHOW plan_cache_mode; SELECT count(*) FROM dashboard", user=login).split() == [
        "force_custom_plan", "0",
    ]  # fmt: skip


def test_an_administrator_gets_what_the_owner_may_not(service: Service) -> None:
    service.sql(
        "ALTER SCHEMA public OWNER TO postgres; GRANT CREATE ON SCHEMA public TO PUBLIC", user=service.superuser
    )
    options = ("roles", "--application", "app_" + service.owner.name)
    found = json.loads(service.run(*options, "--json").stdout)
    for statement in ("CREATE ROLE", "SET plan_cache_mode", "REVOKE CREATE ON SCHEMA"):
        assert statement in found["administrator_sql"]
        assert statement not in found["sql"]
    service.sql(found["administrator_sql"], user=service.superuser)
    service.sql(found["administrator_sql"], user=service.superuser)
    assert service.run(*options, "--apply").exit_code == 0
    assert json.loads(service.run(*options, "--json").stdout)["administrator_sql"] is None


def test_what_an_administrator_has_still_to_run_is_a_warning(service: Service) -> None:
    assert "an administrator has still to run a part" in service.apply().stderr


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_the_name_of_a_role_and_nothing_else(name: str, service: Service) -> None:
    create_role_right(service)
    own = f"{service.owner.name[-4:]} {name}"
    done = service.run("roles", "--application", own, "--apply")
    assert done.exit_code == 0, done.output
    literal = "'" + own.replace("'", "''") + "'"
    found = service.sql(f"SELECT count(*), has_table_privilege({literal}, 'audit_log', 'INSERT') FROM dashboard")
    assert found.strip() == "0|t"
    assert service.run("roles", "--application", own, "--apply").stdout.startswith("Nothing to do")


def test_a_superuser_grants_as_the_owner(service: Service) -> None:
    done = dashdb_here(service.superuser.environ, *service.options, "--apply")
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    assert service.apply().stdout == "Nothing to do; the roles have these rights.\n"


@pytest.mark.parametrize("kind", Kind)
def test_either_role_reports_on_the_schema_and_changes_nothing(kind: Kind, granted: Service) -> None:
    login = granted.as_role(kind).environ
    for report in ("migrate status", "migrate drift", "migrate plan", "templates list", "health"):
        done = dashdb_here(login, *report.split())
        assert done.exit_code == 0, done.output
    assert dashdb_here(login, "migrate", "down", "--all", "--yes").exit_code != 0
    seeded = dashdb_here(login, "templates", "seed")
    assert (seeded.exit_code == 0) is (kind is Kind.APPLICATION), "who may write templates may seed them"


def test_it_works_in_another_schema_and_leaves_the_first_one_alone(service: Service) -> None:
    before = acl(service)
    service.sql('CREATE SCHEMA "Bo""ards"')
    assert service.run("migrate", "up", "--schema", 'Bo"ards').exit_code == 0
    service.apply("--schema", 'Bo"ards')
    service.sql('SELECT count(*) FROM "Bo""ards".dashboard', user=service.reader)
    assert acl(service) == before
    assert service.run(*service.options, "--schema", "nowhere").exit_code == 7


def test_it_works_through_pgbouncer(service: Service) -> None:
    with PgBouncer(service.server) as pooler:
        pooled = pooler.before(service.owner).environ
        done = dashdb_here(pooled, *service.options, "--apply", "--pooler", "pgbouncer")
        assert done.exit_code == 0, done.output
        again = dashdb_here(pooled, *service.options, "--apply", "--pooler", "pgbouncer")
    assert again.stdout == "Nothing to do; the roles have these rights.\n"


def test_tables_that_are_made_anew_get_their_rights_by_another_run(granted: Service) -> None:
    assert granted.run("migrate", "down", "--all", "--yes").exit_code == 0
    assert granted.run("migrate", "up").exit_code == 0
    granted.apply()
    granted.sql("DELETE FROM dashboard", user=granted.application)
    may = f"SELECT has_table_privilege('{granted.reader.user}', 'audit_log', 'SELECT')"
    assert granted.sql(may).strip() == "f"


def test_no_output_holds_a_password(service: Service) -> None:
    secrets = service.server.passwords | {service.application.password, service.reader.password}
    for done in (service.run(*service.options), service.apply(), service.apply("--json")):
        assert [secret for secret in secrets if secret in done.output] == []
