"""A role of the database that is not its owner gets none of the owner's rights from what dashdb does."""

from contextlib import suppress
from dataclasses import replace

import asyncpg
import pytest

from controller.database.connection import Connection, connected
from controller.database.schema import locate_schema, with_new_tables
from controller.database.target import Target
from controller.errors import ForeignObject, HistoryMismatch
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.migrate.history.read import read_history
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer
from tests.trust.planting import BEFORE, TRIGGERS, migrate, plants, taken_over


@pytest.mark.parametrize("planted", BEFORE)
async def test_what_another_role_planted_is_refused_by_name_and_owner_and_never_run(
    planted: str, attacker: Target, connection: Connection, target: Target
) -> None:
    await plants(attacker, BEFORE[planted])
    with pytest.raises(ForeignObject) as refused:
        await migrate(connection, target)
    assert refused.value.reason == "ForeignObject"
    assert f'"{attacker.user}"' in refused.value.message
    assert "public." in refused.value.message
    with pytest.raises(ForeignObject):
        await read_history(connection)
    assert await taken_over(connection) == []


async def test_a_table_that_another_role_made_since_the_check_is_refused(
    attacker: Target, connection: Connection
) -> None:
    checked = await locate_schema(connection, None)
    await plants(attacker, "CREATE TABLE public.dashboard_template (id text)")
    with pytest.raises(ForeignObject, match=f'dashboard_template.* belongs to role "{attacker.user}"'):
        await with_new_tables(connection, checked, None)


async def test_names_that_another_role_chose_forge_no_line_of_a_message(
    attacker: Target, connection: Connection
) -> None:
    await plants(attacker, 'CREATE FUNCTION public."a\nReady: all is well"() RETURNS int LANGUAGE sql RETURN 1')
    with pytest.raises(ForeignObject) as refused:
        await locate_schema(connection, None)
    assert "\n" not in refused.value.message


async def test_a_schema_of_another_role_does_not_capture_an_empty_database(
    attacker: Target, connection: Connection, target: Target
) -> None:
    await plants(attacker, f"CREATE SCHEMA {quoted(target.user)}; GRANT ALL ON SCHEMA {quoted(target.user)} TO PUBLIC;")
    with pytest.raises(ForeignObject, match=f'schema .*{target.user}.* belongs to role "{attacker.user}"'):
        await migrate(connection, target)


async def test_a_schema_of_another_role_does_not_capture_a_migrated_database(
    attacker: Target, migrated_connection: Connection, target: Target
) -> None:
    await plants(attacker, f"CREATE SCHEMA {quoted(target.user)}; GRANT ALL ON SCHEMA {quoted(target.user)} TO PUBLIC;")
    with pytest.raises(ForeignObject, match=f'belongs to role "{attacker.user}"'):
        await migrate(migrated_connection, target)


async def test_a_schema_that_comes_first_later_on_is_an_error_and_not_an_empty_database(
    migrated_connection: Connection, target: Target
) -> None:
    await migrated_connection.execute(f"CREATE SCHEMA {quoted(target.user)}")
    with pytest.raises(HistoryMismatch, match='was migrated in schema "public"') as moved:
        await read_history(migrated_connection)
    assert moved.value.reason == "SchemaMoved"


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize(
    "table",
    [
        "share_token",
        "audit_log",
        "audit_log_from_start",
        "dashboard_template",
        "schema_version",
        "schema_version_detail",
    ],
)
async def test_a_trigger_of_a_role_with_all_grants_is_found_and_named(
    trigger: str, table: str, attacker: Target, postgres: PostgresServer, database: Database,
    migrated_connection: Connection,
) -> None:  # fmt: skip
    granted = "public.audit_log, public.audit_log_from_start" if table == "audit_log" else f"public.{table}"
    await migrated_connection.execute(f"GRANT ALL ON {granted} TO {quoted(attacker.user)}")
    await plants(attacker, f"CREATE TRIGGER fires BEFORE UPDATE ON public.{table} {TRIGGERS[trigger]}")
    with pytest.raises(ForeignObject, match=f'trigger fires on public.{table} .*"{attacker.user}"'):
        await locate_schema(migrated_connection, None)


async def test_a_trigger_on_our_table_in_a_later_schema_of_the_path_is_found(
    attacker: Target, connection: Connection, target: Target
) -> None:
    await connection.execute(
        f"CREATE SCHEMA dashboards; SET search_path = dashboards, public; CREATE TABLE public.log (n int);"
        f"GRANT ALL ON public.log TO {quoted(attacker.user)}"
    )
    await plants(attacker, "CREATE TRIGGER fires AFTER INSERT ON public.log EXECUTE FUNCTION mine.fires()")
    with pytest.raises(ForeignObject, match=r"trigger fires on public\.log"):
        await migrate(connection, target, {"V1_a.up.sql": "INSERT INTO log VALUES (1)"})
    assert await taken_over(connection) == []


async def test_a_trigger_of_ours_that_was_replaced_is_found(attacker: Target, migrated_connection: Connection) -> None:
    await migrated_connection.execute(f"GRANT ALL ON public.audit_log TO {quoted(attacker.user)}")
    await locate_schema(migrated_connection, None)
    await plants(
        attacker,
        """CREATE OR REPLACE TRIGGER audit_log_guard BEFORE DELETE ON public.audit_log FOR EACH STATEMENT
           WHEN (query_to_xml('SELECT mine.takes_over()', true, true, '') IS NOT NULL)
           EXECUTE FUNCTION public.guard_audit_log()""",
    )
    with pytest.raises(ForeignObject, match=r"trigger audit_log_guard on public\.audit_log"):
        await locate_schema(migrated_connection, None)


@pytest.mark.parametrize("table", ["schema_version", "schema_version_detail", "dashboard_template"])
async def test_row_security_is_noticed_and_not_taken_for_an_empty_table(
    table: str, migrated_connection: Connection
) -> None:
    await migrated_connection.execute(
        f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY; ALTER TABLE public.{table} FORCE ROW LEVEL SECURITY"
    )
    with pytest.raises(ForeignObject, match=f"hides rows of {table}") as refused:
        await read_history(migrated_connection)
    assert refused.value.reason == "RowSecurityActive"


async def test_a_migration_file_does_not_use_a_table_of_another_role(
    attacker: Target, connection: Connection, target: Target
) -> None:
    await plants(
        attacker,
        """CREATE TABLE public.setting (name text); GRANT ALL ON public.setting TO PUBLIC;
           CREATE TRIGGER fires AFTER INSERT ON public.setting EXECUTE FUNCTION mine.fires();""",
    )
    await migrate(connection, target, {"V1_a.up.sql": "CREATE TABLE a (n int)"})  # beside it, nobody minds
    with pytest.raises(ForeignObject, match=f'V2_b.up.sql names "setting", which belongs to role "{attacker.user}"'):
        await migrate(
            connection,
            target,
            {"V1_a.up.sql": "CREATE TABLE a (n int)", "V2_b.up.sql": "INSERT INTO setting VALUES ('x')"},
        )
    assert await taken_over(connection) == []


async def test_temporary_objects_of_a_session_are_never_ours(attacker: Target, migrated_connection: Connection) -> None:
    """A role's temporary objects are only in its own sessions; those of ours come after PostgreSQL's own."""
    async with connected(attacker) as connection:
        await connection.execute("CREATE FUNCTION pg_temp.now() RETURNS text LANGUAGE sql RETURN 'planted'")
        await locate_schema(migrated_connection, None)


async def test_the_packaged_migration_binds_nothing_that_was_planted_in_its_schema(
    attacker: Target, connection: Connection
) -> None:
    """Even in the moment between the check and the migration."""
    operators = {"=": "varchar, text", "<>": "varchar, varchar", "~": "varchar, varchar"}
    operators |= {"= ": "varchar, varchar", "~ ": "varchar, text", "<> ": "varchar, text", "=  ": "oid, regclass"}
    operators |= {"@?": "jsonb, text", "<<=": "inet, cidr", ">>=": "inet, cidr", "%": "integer, bigint"}
    operators |= {"<": "date, timestamp", "<=": "date, timestamp", ">": "real, integer", "-": "timestamptz, varchar"}
    statements = [
        f"CREATE FUNCTION mine.p{number}({types}) RETURNS boolean LANGUAGE sql RETURN mine.takes_over();"
        f"CREATE OPERATOR public.{name.strip()} (LEFTARG = {types.split(', ')[0]}, RIGHTARG = {types.split(', ')[1]},"
        f" FUNCTION = mine.p{number});"
        for number, (name, types) in enumerate(operators.items())
    ]
    functions = {
        "in_maintenance(text)": "boolean", "cardinality(varchar[])": "integer", "make_interval(integer)": "interval",
        "array_position(varchar[], varchar)": "integer", "array_position(varchar[], text)": "integer",
        "cardinality(cidr[])": "integer", "array_position(cidr[], cidr)": "integer",
        "set_config(varchar, varchar, boolean)": "text", "current_setting(varchar, boolean)": "text",
        "pg_has_role(name, oid, varchar)": "boolean", "date_trunc(varchar, timestamp)": "timestamp",
        "date_trunc(varchar, date)": "date", "substring(varchar, varchar)": "text", "now(integer)": "timestamptz",
    }  # fmt: skip
    statements += [
        f"CREATE FUNCTION public.{signature} RETURNS {result} LANGUAGE sql RETURN NULL::{result};"
        for signature, result in functions.items()
    ]
    statements.append("CREATE AGGREGATE public.count(varchar) (SFUNC = mine.counts, STYPE = int8, INITCOND = '0');")
    counts = "CREATE FUNCTION mine.counts(int8, varchar) RETURNS int8 LANGUAGE sql RETURN 0;"
    await plants(attacker, counts + "".join(statements))
    text = read_folder(packaged_folder())[0].up.text
    await connection.execute(f"SET search_path = public; {text}; SET search_path = pg_catalog")
    bound = await connection.fetch(
        """
        SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS ours, pg_describe_object(s.classid, s.objid, 0)
          FROM pg_depend AS d
          JOIN pg_shdepend AS s ON s.classid = d.refclassid AND s.objid = d.refobjid AND s.deptype = 'o'
          JOIN pg_shdepend AS o ON o.refobjid = s.refobjid AND o.refclassid = 'pg_authid'::regclass
         WHERE s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1)
           AND NOT EXISTS (SELECT FROM pg_shdepend AS t
                            WHERE t.classid = d.classid AND t.objid = d.objid AND t.refobjid = s.refobjid)
           AND d.classid <> 'pg_type'::regclass AND d.deptype = 'n'
    """,
        attacker.user,
    )
    assert {row[0] for row in bound} == set()
    with suppress(asyncpg.PostgresError):
        await connection.execute("SELECT public.cleanup_expired_tokens(), public.update_template_usage_stats()")
    assert await taken_over(connection) == []


HARMLESS = {
    "a function of a superuser, as a pooler's": (
        "superuser", "CREATE FUNCTION public.user_search(text) RETURNS text LANGUAGE sql RETURN $1"),
    "a table of another program": ("attacker", "CREATE TABLE public.invoices (n int)"),
    "an extension that another role installed": ("attacker", "CREATE EXTENSION btree_gin SCHEMA public"),
    "default privileges of another role": (
        "attacker", "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC"),
    "functions in a schema of its own": ("attacker", "CREATE FUNCTION mine.now() RETURNS text LANGUAGE sql RETURN ''"),
}  # fmt: skip


@pytest.mark.parametrize("beside", HARMLESS)
async def test_what_cannot_run_as_us_may_stand_beside_our_tables(
    beside: str, attacker: Target, postgres: PostgresServer, database: Database, connection: Connection, target: Target
) -> None:
    who, statements = HARMLESS[beside]
    if who == "attacker":
        await plants(attacker, statements)
    else:
        postgres.psql(replace(postgres.superuser, name=database.name), sql=statements)
    await migrate(connection, target)
    assert [row.version for row in await read_history(connection)] == [1]
