"""Queries about the schema to work in: what of ours is in it, and what could make us run another role's code. Pure."""

from functools import lru_cache

from controller.database.quoting import array, identifier, literal

TABLES = (
    "audit_log", "dashboard", "dashboard_template", "schema_migrations", "schema_version", "schema_version_detail",
    "share_token", "user_preferences",
)  # fmt: skip
"""Names of the tables that we read and write, golang-migrate's among them."""
HISTORY_TABLES = frozenset({"schema_version", "schema_version_detail", "schema_migrations"})
"""Those of them that have a history of migrations: ours and golang-migrate's."""
_NAMES = array(TABLES)
MOST_RELATIONS = 5000
"""Limit of the tables of other roles that are compared with the names in migration files; with more, no file is run."""
_MOST_FOUND = 100
"""Limit of the objects that are counted for a message."""

# A setting of ours keeps the schemas of the user's search_path until the transaction ends.
NOTE_PATH = """
SELECT pg_catalog.set_config(
    'dashdb.search_path', pg_catalog.array_to_json(pg_catalog.current_schemas(false))::pg_catalog.text, true);
"""

# `suspicious` is true where `CHECK`, which takes 10 to 20 ms on a new connection, has something to look at: an object
# that another role owns, a trigger that another role may add, row security, a history elsewhere. 10 and 6171 are the
# first superuser and pg_database_owner, in every database; roles below 16384 are PostgreSQL's own.
_LOCATE = """
WITH path AS (
    SELECT {names} AS names
), own AS (
    SELECT {tables}::text[]::name[] AS tables
)
SELECT json_build_object(
       'path', path.names,
       'name', n.nspname,
       'database', (SELECT c.system_identifier FROM pg_control_system() AS c) || '/' || d.oid,
       'tables', ARRAY(SELECT c.relname::text FROM pg_class AS c
                        WHERE c.relnamespace = n.oid AND c.relname = ANY (own.tables)),
       'suspicious',
       EXISTS (SELECT FROM pg_shdepend AS s
                WHERE s.dbid = d.oid AND s.deptype = 'o' AND s.refobjid <> me.oid)
       OR EXISTS (SELECT FROM pg_namespace AS p
                   WHERE p.nspname = ANY (path.names::name[]) AND p.nspowner NOT IN (10, 6171, me.oid, d.datdba))
       OR EXISTS (SELECT FROM pg_class AS c
                   WHERE c.relnamespace = n.oid AND c.relname = ANY (own.tables)
                     AND c.relowner BETWEEN 11 AND 16383)
       OR EXISTS (SELECT FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid, aclexplode(c.relacl) AS a
                   WHERE NOT t.tgisinternal AND c.relnamespace = n.oid
                     AND a.privilege_type = 'TRIGGER' AND a.grantee NOT IN (me.oid, d.datdba))
       OR EXISTS (SELECT FROM pg_class AS c
                   WHERE c.relname = ANY (own.tables)
                     AND CASE WHEN c.relnamespace = n.oid THEN c.relrowsecurity
                              ELSE {elsewhere} AND c.relname = 'schema_version' END))
  FROM path CROSS JOIN own
 CROSS JOIN pg_database AS d
  JOIN pg_roles AS me ON me.rolname = current_user
  LEFT JOIN pg_namespace AS n ON n.nspname = path.names[1]::name
 WHERE d.datname = current_database()
"""
_FIRST_OF_PATH = "ARRAY(SELECT json_array_elements_text(current_setting('dashdb.search_path')::json))"


@lru_cache(maxsize=64)
def locate_question(schema: str | None) -> str:
    """Return the question for the schema to work in; None for the first of the search_path that `NOTE_PATH` kept."""
    return _LOCATE.format(
        names=_FIRST_OF_PATH if schema is None else f"ARRAY[{literal(schema)}::text]",
        tables=_NAMES,
        elsewhere="true" if schema is None else "false",
    )


_TABLES_NOW = """
SELECT coalesce(json_object_agg(c.relname, c.relowner = current_user::regrole), '{{}}')
  FROM pg_class AS c
 WHERE c.relnamespace = {schema}::regnamespace AND c.relname = ANY ({tables}::text[]::name[])
"""


def tables_question(schema: str) -> str:
    """Return the question which of our tables are in SCHEMA, and for each whether the current role owns it."""
    return _TABLES_NOW.format(schema=literal(identifier(schema)), tables=_NAMES)


# Whether a predefined role owns anything, which pg_shdepend does not say. Many may be its members. What they make in
# its name could only be run by files, since our own SQL looks nothing up where it could be. These scans cost a new
# connection as much as all else, so they are made before files are run and at no other time.
OF_PREDEFINED_ROLES = """
SELECT to_json(EXISTS (SELECT FROM pg_proc WHERE proowner BETWEEN 11 AND 16383)
       OR EXISTS (SELECT FROM pg_operator WHERE oprowner BETWEEN 11 AND 16383)
       OR EXISTS (SELECT FROM pg_type WHERE typowner BETWEEN 11 AND 16383)
       OR EXISTS (SELECT FROM pg_class WHERE relowner BETWEEN 11 AND 16383)
       OR EXISTS (SELECT FROM pg_collation WHERE collowner BETWEEN 11 AND 16383)
       OR EXISTS (SELECT FROM pg_ts_dict WHERE dictowner BETWEEN 11 AND 16383)
       OR EXISTS (SELECT FROM pg_ts_config WHERE cfgowner BETWEEN 11 AND 16383)
       OR EXISTS (SELECT FROM pg_conversion WHERE conowner BETWEEN 11 AND 16383))
"""

# $1 text[] schemas to look names up in, the first of which is worked in; $2 text[] names of our tables; $3 boolean
# whether the schema follows from the search_path.
#
# `owned` are all objects in these schemas, of every kind that has an owner. pg_shdepend names each owner but the first
# superuser and the predefined roles (https://www.postgresql.org/docs/current/catalog-pg-shdepend.html), so those are
# read from each catalog. Extensions are left out, since their functions belong to a superuser, whoever installed them;
# so are default privileges, which only affect what their role makes. A table of another role is refused by its name:
# others may live beside ours.
#
# A trigger has no owner, and whoever has the privilege TRIGGER can add one. It is refused if it depends on an object of
# another role. A condition, an argument or a function from elsewhere can run SQL that is hidden in a string, so with
# those it has to be in the catalog as the last migration recorded it, where another role holds that privilege.
#
# From PostgreSQL 16 on, whoever makes a role is a member of it that may only grant it (`member`): a role that ours made
# for a service has none of our rights, and is trusted no more than others.
#
# A foreign key of another role's table to one of ours runs SQL on that table in our session when we delete or update,
# with all its triggers; what they leave for the end of the transaction, such as a cursor WITH HOLD, runs as our role.
CHECK = """
WITH me AS (
    SELECT r.oid, r.rolsuper, d.oid AS database, d.datdba,
           (SELECT o.oid FROM pg_roles AS o WHERE o.rolname = 'pg_database_owner') AS database_owner,
           CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'USAGE, SET' END AS member
      FROM pg_roles AS r, pg_database AS d
     WHERE r.rolname = current_user AND d.datname = current_database()
), path AS (
    SELECT n.oid, n.nspname, n.nspowner, p.position
      FROM unnest($1::text[]) WITH ORDINALITY AS p (name, position) JOIN pg_namespace AS n ON n.nspname = p.name::name
), target AS (
    SELECT oid, nspname FROM path WHERE position = 1
), relation AS (
    SELECT c.oid, c.relname, c.relkind, c.relowner
      FROM pg_class AS c JOIN target AS t ON t.oid = c.relnamespace
     WHERE c.relname = ANY ($2::text[]::name[])
), trigger AS (
    SELECT t.oid, t.tgname, t.tgenabled, t.tgisinternal, t.tgparentid, t.tgrelid, t.tgconstraint,
           c.relname, c.relowner, c.relacl, n.position,
           t.tgqual IS NOT NULL OR t.tgnargs > 0 OR f.pronamespace <> n.oid AS may_hide
      FROM me, path AS n
      JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relhastriggers
      JOIN pg_trigger AS t ON t.tgrelid = c.oid
      JOIN pg_proc AS f ON f.oid = t.tgfoid
     WHERE c.relowner IN (me.oid, me.datdba) OR NOT me.rolsuper AND pg_has_role(me.oid, c.relowner, me.member)
        OR c.oid IN (SELECT r.oid FROM relation AS r)
), owned AS (
    SELECT 'pg_namespace'::regclass::oid AS class, oid, nspowner AS owner, '' AS relation FROM path
     UNION ALL
    SELECT d.classid, d.objid, s.refobjid,
           CASE WHEN d.classid = 'pg_class'::regclass THEN (SELECT c.relname FROM pg_class AS c WHERE c.oid = d.objid)
                ELSE '' END
      FROM me, path AS p
      JOIN pg_depend AS d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = p.oid
      JOIN pg_shdepend AS s ON s.classid = d.classid AND s.objid = d.objid AND s.objsubid = 0 AND s.deptype = 'o'
     WHERE s.dbid = me.database AND s.refobjid <> me.oid
       AND d.classid NOT IN ('pg_extension'::regclass, 'pg_default_acl'::regclass, 'pg_statistic_ext'::regclass)
     UNION ALL
    SELECT o.class, o.oid, o.owner, o.relation
      FROM (SELECT 'pg_class'::regclass, oid, relnamespace, relowner, relname FROM pg_class
             UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace, proowner, '' FROM pg_proc
             UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace, oprowner, '' FROM pg_operator
             UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace, typowner, '' FROM pg_type
                        WHERE typrelid = 0 AND typelem = 0
             UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace, collowner, '' FROM pg_collation
             UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace, dictowner, '' FROM pg_ts_dict
             UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace, cfgowner, '' FROM pg_ts_config
             UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace, conowner, '' FROM pg_conversion
           ) AS o (class, oid, namespace, owner, relation)
     WHERE o.owner BETWEEN 11 AND 16383 AND o.namespace IN (SELECT p.oid FROM path AS p)
     UNION ALL
    SELECT 'pg_trigger'::regclass, t.oid, s.refobjid, ''
      FROM me, trigger AS t
      JOIN pg_depend AS d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
      JOIN pg_shdepend AS s ON s.classid = d.refclassid AND s.objid = d.refobjid AND s.objsubid = 0 AND s.deptype = 'o'
     WHERE NOT t.tgisinternal
       AND s.dbid = me.database AND s.refobjid <> me.oid AND d.refclassid <> 'pg_class'::regclass
     UNION
    SELECT 'pg_constraint'::regclass, k.oid, c.relowner, ''
      FROM trigger AS t
      JOIN pg_constraint AS k ON k.oid = t.tgconstraint AND k.contype = 'f' AND k.confrelid = t.tgrelid
      JOIN pg_class AS c ON c.oid = k.conrelid
     WHERE t.position = 1
), others AS (
    SELECT o.class, o.oid, o.owner, o.relation,
           o.relation = '' OR EXISTS (SELECT FROM relation AS r WHERE r.oid = o.oid) AS refused
      FROM owned AS o, me
     WHERE NOT (pg_has_role(o.owner, me.oid, 'MEMBER') OR o.owner IN (me.datdba, me.database_owner)
                OR NOT me.rolsuper AND o.owner >= 16384 AND pg_has_role(me.oid, o.owner, me.member))
), added AS MATERIALIZED (  -- pg_get_triggerdef locks the table, so it is called for no other trigger
    SELECT t.oid, g.grantee, format('trigger %I on %I', t.tgname, t.relname) AS object, t.tgenabled
      FROM me, trigger AS t
     CROSS JOIN LATERAL (
           SELECT a.grantee FROM aclexplode(t.relacl) AS a
            WHERE a.privilege_type = 'TRIGGER'
              AND (a.grantee = 0 OR NOT (pg_has_role(a.grantee, me.oid, 'MEMBER')
                                         OR a.grantee IN (t.relowner, me.datdba)))
            LIMIT 1) AS g
     WHERE t.position = 1 AND t.may_hide AND NOT t.tgisinternal AND t.tgparentid NOT IN (SELECT p.oid FROM trigger AS p)
), hidden AS (
    SELECT t.oid, t.grantee
      FROM added AS t
     WHERE NOT coalesce((
           SELECT r.recorded -> 'objects' ->> t.object
                  = concat_ws(', ', pg_get_triggerdef(t.oid), CASE t.tgenabled
                              WHEN 'D' THEN 'disabled' WHEN 'A' THEN 'always' WHEN 'R' THEN 'on replicas' END)
             FROM (SELECT CASE WHEN d.description LIKE '{%' THEN d.description::json END AS recorded
                     FROM pg_constraint AS k JOIN relation AS v ON v.oid = k.conrelid,
                          obj_description(k.oid, 'pg_constraint') AS d (description)
                    WHERE v.relname = 'schema_version' AND k.conname = 'schema_version_pkey') AS r), false)
)
SELECT json_build_object(
           'foreign_objects',
           ARRAY(SELECT ARRAY[i.type || ' ' || i.identity, pg_get_userbyid(o.owner)::text]
                   FROM others AS o, pg_identify_object(o.class, o.oid, 0) AS i
                  WHERE o.refused ORDER BY o.class = 'pg_namespace'::regclass DESC, 1 LIMIT {most_found}),
           'unknown_triggers',
           ARRAY(SELECT ARRAY[i.type || ' ' || i.identity,
                              CASE h.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(h.grantee)::text END]
                   FROM hidden AS h, pg_identify_object('pg_trigger'::regclass, h.oid, 0) AS i
                  ORDER BY 1 LIMIT {most_found}),
           'foreign_relations',
           ARRAY(SELECT ARRAY[o.relation::text, pg_get_userbyid(o.owner)::text]
                   FROM others AS o WHERE NOT o.refused ORDER BY 1 LIMIT {most_relations} + 1),
           'row_security',
           ARRAY(SELECT r.relname::text FROM relation AS r
                  WHERE r.relkind IN ('r', 'p') AND row_security_active(r.oid) ORDER BY 1),
           'history_schema',
           CASE WHEN $3::boolean AND NOT EXISTS (SELECT FROM relation AS r WHERE r.relname = 'schema_version') THEN (
               SELECT p.nspname FROM path AS p JOIN pg_class AS c ON c.relnamespace = p.oid, me
                WHERE p.position > 1 AND c.relname = 'schema_version' AND c.relkind = 'r' AND c.relowner = me.oid
                  AND EXISTS (SELECT FROM pg_class AS d
                               WHERE d.relnamespace = c.relnamespace AND d.relname = 'schema_version_detail')
                ORDER BY p.position LIMIT 1) END)
""".replace("{most_relations}", str(MOST_RELATIONS)).replace("{most_found}", str(_MOST_FOUND))
