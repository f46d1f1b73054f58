"""A role of the database that is not its owner gets none of the owner's rights from what dashdb does."""

from contextlib import suppress
from dataclasses import replace
from functools import partial

import asyncpg
import pytest

from controller.database.connection import Connection, connected
from controller.database.schema import locate_schema
from controller.database.target import Target
from controller.errors import ForeignObject, HistoryMismatch
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.migrate.history.read import read_history
from controller.migrate.history.session import RunSettings
from controller.migrate.run.runner import Runner
from tests.database.silence import Silence
from tests.database.targets import role, target_to
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer
from tests.unit.migrate.folders import pairs

MAY_CREATE = "GRANT CREATE, USAGE ON SCHEMA public TO {role}; GRANT CREATE, TEMPORARY ON DATABASE CURRENT TO {role};"
# It leaves a mark that says whose rights it had.
TAKES_OVER = """
CREATE SCHEMA mine;
CREATE FUNCTION mine.takes_over() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE public.%I ()', 'taken_over_by_' || current_user);
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RETURN true;
END $$;
GRANT USAGE ON SCHEMA mine TO PUBLIC;
CREATE FUNCTION mine.fires() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM mine.takes_over(); RETURN NULL; END $$;
"""
BEFORE = {
    "a function": "CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE sql RETURN mine.takes_over()::text",
    "an operator": """
        CREATE FUNCTION mine.matches(varchar, varchar) RETURNS boolean LANGUAGE sql RETURN mine.takes_over();
        CREATE OPERATOR public.~ (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = mine.matches)""",
    "an aggregate": "CREATE AGGREGATE public.count(varchar) (SFUNC = int4pl, STYPE = int4, INITCOND = '0')".replace(
        "count(varchar)", "count(int4)"
    ),
    "a procedure": "CREATE PROCEDURE public.seed() LANGUAGE sql AS ''",
    "a domain": "CREATE DOMAIN public.semver AS text CHECK (mine.takes_over())",
    "an enumeration": "CREATE TYPE public.state AS ENUM ('draft')",
    "a composite type": "CREATE TYPE public.pair AS (a int, b int)",
    "a collation": 'CREATE COLLATION public.plain FROM pg_catalog."C"',
    "a text search dictionary": "CREATE TEXT SEARCH DICTIONARY public.words (TEMPLATE = pg_catalog.simple)",
    "a history": """
        CREATE TABLE public.schema_version (version bigint, direction text, error text, down_sql text);
        CREATE TRIGGER fires AFTER INSERT ON public.schema_version EXECUTE FUNCTION mine.fires()""",
    "a view for a history": "CREATE VIEW public.schema_version AS SELECT 1 AS version",
    "a template table": """
        CREATE TABLE public.dashboard_template (id text);
        CREATE TRIGGER fires AFTER INSERT ON public.dashboard_template EXECUTE FUNCTION mine.fires()""",
    "a history of golang-migrate": "CREATE TABLE public.schema_migrations (version bigint, dirty boolean)",
    "an audit log": "CREATE TABLE public.audit_log (id bigint)",
}


@pytest.fixture
def attacker(postgres: PostgresServer, database: Database) -> Target:
    """A role that may create objects, as every role may in a database upgraded from PostgreSQL 14."""
    return target_to(role(postgres, database=database, grants=MAY_CREATE.replace("CURRENT", quoted(database.name))))


async def plants(attacker: Target, statements: str) -> None:
    async with connected(attacker) as connection:
        await connection.execute(TAKES_OVER + statements)


async def migrate(connection: Connection, target: Target, contents: dict[str, str] | None = None) -> None:
    files = read_folder(packaged_folder()) if contents is None else pairs(contents)
    await Runner(connection, RunSettings(), Silence(), partial(connected, target)).run(files, None)


async def taken_over(connection: Connection) -> list[str]:
    query = "SELECT relname::text FROM pg_class WHERE relname LIKE 'taken_over_by_%'"
    return [row[0] for row in await connection.fetch(query)]


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


TRIGGERS = {
    "its own function": "EXECUTE FUNCTION mine.fires()",
    "a condition that calls its function": """
        FOR EACH ROW WHEN (mine.takes_over()) EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()""",
    "a condition that hides the call in a string": """
        FOR EACH ROW WHEN (query_to_xml('SELECT mine.takes_over()', true, true, '') IS NOT NULL)
        EXECUTE FUNCTION public.keep_updated_at()""",
    "an argument": "FOR EACH ROW EXECUTE FUNCTION public.keep_updated_at('SELECT mine.takes_over()')",
    "a function of another schema": "FOR EACH ROW EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
}


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("table", ["share_token", "audit_log", "dashboard_template", "schema_version"])
async def test_a_trigger_of_a_role_with_all_grants_is_found_and_named(
    trigger: str, table: str, attacker: Target, postgres: PostgresServer, database: Database,
    migrated_connection: Connection,
) -> None:  # fmt: skip
    await migrated_connection.execute(f"GRANT ALL ON public.{table} TO {quoted(attacker.user)}")
    await plants(attacker, f"CREATE TRIGGER fires BEFORE UPDATE ON public.{table} {TRIGGERS[trigger]}")
    with pytest.raises(ForeignObject, match=f'trigger fires on public.{table} .*"{attacker.user}"'):
        await locate_schema(migrated_connection, None)


async def test_a_trigger_of_ours_that_was_replaced_is_found(attacker: Target, migrated_connection: Connection) -> None:
    await migrated_connection.execute(f"GRANT ALL ON public.audit_log TO {quoted(attacker.user)}")
    await locate_schema(migrated_connection, None)
    await plants(
        attacker,
        """CREATE OR REPLACE TRIGGER audit_log_guard_delete BEFORE DELETE ON public.audit_log FOR EACH STATEMENT
           WHEN (query_to_xml('SELECT mine.takes_over()', true, true, '') IS NOT NULL)
           EXECUTE FUNCTION public.guard_audit_log()""",
    )
    with pytest.raises(ForeignObject, match=r"trigger audit_log_guard_delete on public\.audit_log"):
        await locate_schema(migrated_connection, None)


@pytest.mark.parametrize("table", ["schema_version", "dashboard_template"])
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
        "pg_has_role(name, oid, varchar)": "boolean",
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


LEFT_FOR_LATER = {
    "a cursor": """
        CREATE FUNCTION mine.leaves() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT mine.takes_over()'; RETURN OLD; END $$;
        CREATE TRIGGER leaves BEFORE DELETE ON mine.child FOR EACH ROW EXECUTE FUNCTION mine.leaves()""",
    "a deferred trigger": """
        CREATE CONSTRAINT TRIGGER fires AFTER DELETE ON mine.child DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION mine.fires()""",
}


@pytest.mark.parametrize("left", LEFT_FOR_LATER)
async def test_a_foreign_key_of_another_role_leaves_nothing_that_runs_as_us_when_we_delete(
    left: str, attacker: Target, migrated_connection: Connection
) -> None:
    await migrated_connection.execute(f"GRANT REFERENCES, SELECT ON public.share_token TO {quoted(attacker.user)}")
    child = "CREATE TABLE mine.child (id uuid REFERENCES public.share_token ON DELETE CASCADE);"
    await plants(attacker, child + LEFT_FOR_LATER[left])
    with pytest.raises(ForeignObject, match=rf'constraint child_id_fkey on mine\.child .*"{attacker.user}"'):
        await locate_schema(migrated_connection, None)


async def test_a_superuser_runs_nothing_of_others_either(
    attacker: Target, postgres: PostgresServer, database: Database
) -> None:
    await plants(attacker, BEFORE["a function"])
    async with connected(target_to(replace(postgres.superuser, name=database.name))) as as_superuser:
        with pytest.raises(ForeignObject, match=f'quote_ident.* belongs to role "{attacker.user}"'):
            await locate_schema(as_superuser, None)


@pytest.mark.parametrize("both", [False, True], ids=["we are no member", "we are a member too"])
@pytest.mark.parametrize("planted", ["a function", "an operator", "a domain", "a collation", "a template table"])
async def test_what_a_member_of_a_predefined_role_made_in_its_name_is_refused(
    planted: str, both: bool, attacker: Target, postgres: PostgresServer, database: Database, connection: Connection
) -> None:
    members = quoted(attacker.user) + (f", {quoted(database.user)}" if both else "")
    grants = f"GRANT pg_monitor TO {members}; GRANT CREATE ON SCHEMA public TO PUBLIC;"
    postgres.psql(replace(postgres.superuser, name=database.name), sql=grants)
    await plants(attacker, f"GRANT ALL ON SCHEMA mine TO PUBLIC; SET ROLE pg_monitor; {BEFORE[planted]}")
    with pytest.raises(ForeignObject, match='belongs to role "pg_monitor"'):
        await locate_schema(connection, None)


async def test_a_trigger_of_a_role_that_shares_a_group_with_us_is_found(
    attacker: Target, postgres: PostgresServer, database: Database, migrated_connection: Connection
) -> None:
    group = quoted(f"group of {attacker.user}")
    postgres.psql(
        replace(postgres.superuser, name=database.name),
        sql=f"CREATE ROLE {group}; GRANT {group} TO {quoted(attacker.user)}, {quoted(database.user)};"
        f"GRANT ALL ON public.audit_log TO {group}",
    )
    hidden = TRIGGERS["a condition that hides the call in a string"].replace("keep_updated_at", "guard_audit_log")
    await plants(attacker, f"CREATE TRIGGER fires BEFORE INSERT ON public.audit_log {hidden}")
    with pytest.raises(ForeignObject, match=r"trigger fires on public\.audit_log"):
        await locate_schema(migrated_connection, None)


@pytest.mark.parametrize(("decoys", "told"), [(1000, 'names "setting"'), (5000, "more than 5000 tables")])
async def test_a_table_of_another_role_does_not_hide_behind_many(
    decoys: int, told: str, attacker: Target, connection: Connection, target: Target
) -> None:
    await plants(
        attacker,
        f"""DO $$ BEGIN FOR i IN 1..{decoys} LOOP
                EXECUTE format('CREATE TABLE public.%I ()', '!' || i); END LOOP; END $$;
            CREATE TABLE public.setting (name text); GRANT ALL ON public.setting TO PUBLIC;
            CREATE TRIGGER fires AFTER INSERT ON public.setting EXECUTE FUNCTION mine.fires();""",
    )
    with pytest.raises(ForeignObject, match=told):
        await migrate(connection, target, {"V1_a.up.sql": "INSERT INTO setting VALUES ('x')"})
    assert await taken_over(connection) == []


async def test_a_new_partition_with_the_triggers_of_its_table_is_ours(
    attacker: Target, connection: Connection, target: Target
) -> None:
    await connection.execute(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {quoted(attacker.user)}")
    table = """
        CREATE TABLE event (n int) PARTITION BY RANGE (n);
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER keep BEFORE INSERT ON event FOR EACH ROW WHEN (NEW.n > 3) EXECUTE FUNCTION keep();"""
    await migrate(connection, target, {"V1_a.up.sql": table})
    await connection.execute("CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (10)")
    await locate_schema(connection, None)


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
