"""Objects that a role without rights plants in a database; their code leaves a mark that says whose rights it had."""

from functools import partial

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.migrate.history.session import RunSettings
from controller.migrate.run.runner import Runner
from tests.database.silence import Silence
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
        CREATE TABLE public.schema_version (version bigint, state text);
        CREATE TRIGGER fires AFTER INSERT ON public.schema_version EXECUTE FUNCTION mine.fires()""",
    "a part of a history": "CREATE TABLE public.schema_version_detail (version bigint)",
    "a view for a history": "CREATE VIEW public.schema_version AS SELECT 1 AS version",
    "a template table": """
        CREATE TABLE public.dashboard_template (id text);
        CREATE TRIGGER fires AFTER INSERT ON public.dashboard_template EXECUTE FUNCTION mine.fires()""",
    "a history of golang-migrate": "CREATE TABLE public.schema_migrations (version bigint, dirty boolean)",
    "an audit log": "CREATE TABLE public.audit_log (id bigint)",
}


async def plants(attacker: Target, statements: str) -> None:
    async with connected(attacker) as connection:
        await connection.execute(TAKES_OVER + statements)


async def migrate(connection: Connection, target: Target, contents: dict[str, str] | None = None) -> None:
    files = read_folder(packaged_folder()) if contents is None else pairs(contents)
    await Runner(connection, RunSettings(), Silence(), partial(connected, target)).run(files, None)


async def taken_over(connection: Connection) -> list[str]:
    query = "SELECT relname::text FROM pg_class WHERE relname LIKE 'taken_over_by_%'"
    return [row[0] for row in await connection.fetch(query)]


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
