"""A role that shares something with ours, or may reference our tables, gets none of our rights."""

from dataclasses import replace

import pytest

from controller.database.connection import Connection, connected
from controller.database.schema import locate_schema
from controller.database.target import Target
from controller.errors import ForeignObject
from tests.database.targets import target_to
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer
from tests.trust.planting import BEFORE, MAY_CREATE, TRIGGERS, migrate, plants, taken_over

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


@pytest.mark.parametrize("planted", ["a function", "an operator", "a template table"])
async def test_a_role_that_ours_made_is_trusted_no_more_than_others(
    planted: str, postgres: PostgresServer, database: Database, connection: Connection
) -> None:
    # From PostgreSQL 16 on, ours is a member of a role that it made, but only to grant it.
    postgres.psql(postgres.superuser, sql=f"ALTER ROLE {quoted(database.user)} CREATEROLE")
    made, password = f"made by {database.user}", "of-the-service"
    await connection.execute(f"CREATE ROLE {quoted(made)} LOGIN PASSWORD '{password}'")
    as_superuser = replace(postgres.superuser, name=database.name)
    grants = MAY_CREATE.replace("CURRENT", quoted(database.name)).format(role=quoted(made))
    postgres.psql(as_superuser, sql=grants)
    await plants(replace(target_to(database), user=made, password=password), BEFORE[planted])
    with pytest.raises(ForeignObject, match=f'belongs to role "{made}"'):
        await locate_schema(connection, None)


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
        await locate_schema(connection, None, for_files=True)


async def test_a_trigger_of_a_role_that_shares_a_group_with_us_is_found(
    attacker: Target, postgres: PostgresServer, database: Database, migrated_connection: Connection
) -> None:
    group = quoted(f"group of {attacker.user}")
    postgres.psql(
        replace(postgres.superuser, name=database.name),
        sql=f"CREATE ROLE {group}; GRANT {group} TO {quoted(attacker.user)}, {quoted(database.user)};"
        f"GRANT ALL ON public.audit_log, public.audit_log_from_start TO {group}",
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
