"""Questions about roles and grants, each of which brings one JSON value, see `database.questions.ask`. Pure."""

from collections.abc import Iterable

from controller.database.quoting import identifier, literal
from controller.roles.privileges import APPLICATION_FUNCTIONS, OWNER_FUNCTIONS, TABLES

PLAN_CACHE_MODE = "plan_cache_mode=force_custom_plan"
"""The setting by which each execution of a statement gets a plan of its own, as PostgreSQL keeps it."""
_UNLIMITED = ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files")
"""Predefined roles whose members read or write the server's own files."""

# Partitions of partitions too. Our tables are named, since a schema may hold tables of others.
_OBJECTS = """
WITH RECURSIVE schema AS (
    SELECT n.oid, n.nspname AS name, n.nspowner AS owner, n.nspacl AS acl
      FROM pg_namespace AS n WHERE n.oid = {schema}::regnamespace
), me AS (
    SELECT r.oid, r.rolname AS name, r.rolsuper, r.rolcreaterole, d.oid AS database, d.datname, d.datdba, d.datacl,
           current_setting('server_version_num')::int / 10000 AS release
      FROM pg_roles AS r, pg_database AS d WHERE r.rolname = current_user AND d.datname = current_database()
), ours AS (
    SELECT c.oid, c.relname AS name, c.relowner AS owner, c.relacl AS acl
      FROM pg_class AS c JOIN schema AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND c.relname = ANY ({tables}::text[]::name[])
), inheriting (oid) AS (
    SELECT i.inhrelid FROM ours AS o JOIN pg_inherits AS i ON i.inhparent = o.oid
     UNION
    SELECT i.inhrelid FROM inheriting AS p JOIN pg_inherits AS i ON i.inhparent = p.oid
), part AS (
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relowner AS owner, c.relacl AS acl
      FROM inheriting AS i JOIN pg_class AS c ON c.oid = i.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
), sequence AS (
    SELECT c.oid, c.relname AS name, c.relowner AS owner, c.relacl AS acl
      FROM pg_class AS c JOIN schema AS n ON n.oid = c.relnamespace
     WHERE c.relkind = 'S'
       AND EXISTS (SELECT FROM pg_depend AS d JOIN ours AS o ON o.oid = d.refobjid
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
), function AS (
    SELECT p.oid, format('%s(%s)', p.proname, oidvectortypes(p.proargtypes)) AS name, p.proowner AS owner,
           p.proacl AS acl
      FROM pg_proc AS p JOIN schema AS n ON n.oid = p.pronamespace
     WHERE format('%s(%s)', p.proname, oidvectortypes(p.proargtypes)) = ANY ({functions}::text[])
), named AS (
    SELECT w.name, r.oid, r.rolsuper, r.rolcreaterole, r.rolreplication
      FROM unnest({roles}::text[]) AS w (name) LEFT JOIN pg_roles AS r ON r.rolname = w.name::name
)
"""

# 16 is the first release in which CREATEROLE is no right to change the roles that others made.
_FACTS = """
SELECT json_build_object(
    'database', me.datname, 'user', me.name, 'owner', pg_get_userbyid(o.owner),
    'is_owner', pg_has_role(me.oid, o.owner, 'USAGE'),
    'owns_schema', pg_has_role(me.oid, n.owner, 'USAGE'),
    'owns_database', pg_has_role(me.oid, me.datdba, 'USAGE'),
    'creates_roles', me.rolsuper OR me.rolcreaterole,
    'public_creates', EXISTS (SELECT FROM aclexplode(coalesce(n.acl, acldefault('n', n.owner))) AS a
                               WHERE a.grantee = 0 AND a.privilege_type = 'CREATE'),
    'public_makes_temporary', EXISTS (SELECT FROM aclexplode(coalesce(me.datacl, acldefault('d', me.datdba))) AS a
                                       WHERE a.grantee = 0 AND a.privilege_type = 'TEMPORARY'),
    'parts', (SELECT coalesce(json_agg(json_build_array(p.schema, p.name) ORDER BY p.schema, p.name), '[]')
                FROM part AS p),
    'sequences', (SELECT coalesce(json_agg(s.name ORDER BY s.name), '[]') FROM sequence AS s),
    'functions', (SELECT coalesce(json_agg(f.name ORDER BY f.name), '[]') FROM function AS f),
    'roles', (SELECT json_object_agg(r.name, json_build_object(
        'exists', r.oid IS NOT NULL,
        'unlimited', coalesce(r.rolsuper OR r.rolcreaterole OR r.rolreplication
                              OR EXISTS (SELECT FROM pg_roles AS u
                                          WHERE u.rolname = ANY ({unlimited}::text[]::name[])
                                            AND pg_has_role(r.oid, u.oid, 'MEMBER')), false),
        'of_owner', coalesce(pg_has_role(r.oid, o.owner, 'MEMBER') OR pg_has_role(r.oid, me.datdba, 'MEMBER')
                             OR pg_has_role(r.oid, n.owner, 'MEMBER') OR pg_has_role(r.oid, me.oid, 'MEMBER'), false),
        'configurable', me.rolsuper OR me.rolcreaterole
                        AND (me.release < 16 OR r.oid IS NULL
                             OR pg_has_role(me.oid, r.oid, 'MEMBER WITH ADMIN OPTION')),
        'plans_each', EXISTS (SELECT FROM pg_db_role_setting AS s
                               WHERE s.setrole = r.oid AND s.setdatabase = me.database
                                 AND {setting} = ANY (s.setconfig)),
        'connects', coalesce(has_database_privilege(r.oid, me.database, 'CONNECT'), false),
        'uses_schema', coalesce(has_schema_privilege(r.oid, n.oid, 'USAGE'), false)))
       FROM named AS r))
  FROM me, schema AS n, ours AS o WHERE o.name = 'dashboard'
"""

# What a grant changes, as sorted lines, for the two roles and PUBLIC. `name` is for people.
_GRANTS = """
, grantee (oid, name) AS (
    SELECT 0::oid, 'PUBLIC' UNION ALL SELECT r.oid, quote_ident(r.name) FROM named AS r WHERE r.oid IS NOT NULL
), object (name, acl) AS (
    SELECT format('table %I', o.name), coalesce(o.acl, acldefault('r', o.owner)) FROM ours AS o
     UNION ALL SELECT format('table %I.%I', p.schema, p.name), coalesce(p.acl, acldefault('r', p.owner)) FROM part AS p
     UNION ALL SELECT format('sequence %I', s.name), coalesce(s.acl, acldefault('s', s.owner)) FROM sequence AS s
     UNION ALL SELECT 'function ' || f.name, coalesce(f.acl, acldefault('f', f.owner)) FROM function AS f
     UNION ALL SELECT format('schema %I', n.name), coalesce(n.acl, acldefault('n', n.owner)) FROM schema AS n
     UNION ALL SELECT format('database %I', me.datname), coalesce(me.datacl, acldefault('d', me.datdba)) FROM me
     UNION ALL SELECT format('column %I.%I', o.name, a.attname), a.attacl
                 FROM ours AS o JOIN pg_attribute AS a ON a.attrelid = o.oid AND a.attacl IS NOT NULL
     UNION ALL SELECT CASE d.defaclobjtype WHEN 'r' THEN 'later tables' WHEN 'S' THEN 'later sequences'
                                           ELSE 'later functions' END, d.defaclacl
                 FROM pg_default_acl AS d JOIN schema AS n ON n.oid = d.defaclnamespace
                 JOIN ours AS o ON o.owner = d.defaclrole
                WHERE o.name = 'dashboard' AND d.defaclobjtype IN ('r', 'S', 'f')
), line (text) AS (
    SELECT format('%s%s on %s to %s', a.privilege_type, CASE WHEN a.is_grantable THEN ' with grant option' END,
                  o.name, g.name)
      FROM object AS o, aclexplode(o.acl) AS a JOIN grantee AS g ON g.oid = a.grantee
     UNION ALL SELECT format('role %s', g.name) FROM grantee AS g WHERE g.oid <> 0
     UNION ALL SELECT format('setting %s of role %s', c.setting, g.name)
                 FROM pg_db_role_setting AS s JOIN me ON me.database = s.setdatabase
                 JOIN grantee AS g ON g.oid = s.setrole AND g.oid <> 0, unnest(s.setconfig) AS c (setting)
)
SELECT coalesce(json_agg(DISTINCT l.text), '[]') FROM line AS l
"""

# What a role can do in the end: through grants to it, to PUBLIC, and to roles that it is a member of. `table` is null
# where the object is none of our tables.
_EFFECT = """
, relation (oid, name, of) AS (
    SELECT o.oid, format('table %I', o.name), o.name::text FROM ours AS o
     UNION ALL SELECT p.oid, format('table %I.%I', p.schema, p.name), '' FROM part AS p
), effect (role, privilege, object, of) AS (
    SELECT r.name, p.name, t.name, t.of
      FROM me, named AS r, relation AS t, unnest({privileges}::text[]) AS p (name)
     WHERE CASE WHEN p.name = 'MAINTAIN' AND me.release < 17 THEN false
                WHEN p.name IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
                THEN has_any_column_privilege(r.oid, t.oid, p.name)
                ELSE has_table_privilege(r.oid, t.oid, p.name) END
     UNION ALL
    SELECT r.name, 'EXECUTE', 'function ' || f.name, NULL
      FROM named AS r, function AS f
     WHERE f.name = ANY ({owner_functions}::text[]) AND has_function_privilege(r.oid, f.oid, 'EXECUTE')
     UNION ALL
    SELECT r.name, 'CREATE', format('schema %I', n.name), NULL
      FROM named AS r, schema AS n WHERE has_schema_privilege(r.oid, n.oid, 'CREATE')
     UNION ALL
    SELECT r.name, p.name, format('database %I', me.datname), NULL
      FROM named AS r, me, unnest(ARRAY['CREATE', 'TEMPORARY']) AS p (name)
     WHERE has_database_privilege(r.oid, me.database, p.name)
     UNION ALL
    SELECT r.name, a.privilege_type, 'later tables of all schemas', NULL
      FROM named AS r, ours AS o JOIN pg_default_acl AS d ON d.defaclrole = o.owner, aclexplode(d.defaclacl) AS a
     WHERE o.name = 'dashboard' AND d.defaclnamespace = 0 AND d.defaclobjtype = 'r' AND a.grantee IN (0, r.oid)
)
SELECT coalesce(json_agg(DISTINCT jsonb_build_array(e.role, e.privilege, e.object, e.of)), '[]') FROM effect AS e
"""
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")
"""All rights to a table; PostgreSQL has MAINTAIN from 17 on."""


def facts_question(schema: str, roles: Iterable[str]) -> str:
    """Return the question for `facts.Facts`; its answer is missing where the schema has no table dashboard."""
    return _objects(schema, roles) + _FACTS.format(unlimited=_array(_UNLIMITED), setting=literal(PLAN_CACHE_MODE))


def grants_question(schema: str, roles: Iterable[str]) -> str:
    """Return the question for all that `statements` may grant or revoke, as sorted lines."""
    return _objects(schema, roles) + _GRANTS


def effect_question(schema: str, roles: Iterable[str]) -> str:
    """Return the question for what the roles can do, as arrays of role, privilege, object and table."""
    return _objects(schema, roles) + _EFFECT.format(
        privileges=_array(PRIVILEGES), owner_functions=_array(OWNER_FUNCTIONS)
    )


def _objects(schema: str, roles: Iterable[str]) -> str:
    return _OBJECTS.format(
        schema=literal(identifier(schema)),
        tables=_array(TABLES),
        functions=_array((*APPLICATION_FUNCTIONS, *OWNER_FUNCTIONS)),
        roles=_array(roles),
    )


def _array(texts: Iterable[str]) -> str:
    return f"ARRAY[{', '.join(map(literal, texts))}]"
