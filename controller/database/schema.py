"""Schema to work in: its name, what of ours is in it, and whether another role could make our SQL run theirs.

Our SQL runs with the rights of the database's owner, so it must use nothing that a role without those rights made. A
role has our rights already if it is a member of our role or ours of it, if it is a superuser, or if it owns the
database; everything else in the schema is refused, see `_CHECK`.
"""

import json
from typing import Any

from controller.database.answer_messages import as_expected
from controller.database.connection import Connection, answer_limit
from controller.database.located_schema import LocatedSchema
from controller.database.quoting import identifier
from controller.database.transaction import transaction
from controller.errors import DatabaseUnavailable, ForeignObject, HistoryMismatch, Recovery

TABLES = (
    "audit_log", "dashboard", "dashboard_template", "schema_migrations", "schema_version", "share_token",
    "user_preferences",
)  # fmt: skip
"""Names of the tables that we read and write, golang-migrate's among them."""
_MOST_NAMED, _MOST_FOUND = 3, 100
"""Limit of the objects that one message names, and of those that it counts."""
_MOST_RELATIONS = 1000
"""Limit of the tables of other roles that are compared with the names in migration files."""
_CHECK_BYTES = 2 * 1024 * 1024
"""Limit in bytes of the answer that lists objects of other roles."""
_LONGEST_NAME = 200
"""Limit of characters of an object's name in a message; a function's has its arguments."""

# A setting of ours keeps the schemas of the user's search_path until the transaction ends.
_NOTE_PATH = """
SELECT pg_catalog.set_config(
    'dashdb.search_path', pg_catalog.array_to_json(pg_catalog.current_schemas(false))::pg_catalog.text, true);
"""

# $1 text the schema to work in, null for the first of the search_path; $2 text[] names of our tables. Arrays come as
# JSON, see `answer_messages.KNOWN_TYPES`.
#
# `suspicious` is true where `_CHECK`, which takes 10 to 20 ms on a new connection, has something to look at: an object
# that another role owns, a trigger that another role may add, row security, a history elsewhere. 10 and 6171 are the
# first superuser and pg_database_owner, in every database.
_LOCATE = """
WITH path AS (
    SELECT CASE WHEN $1::text IS NOT NULL THEN ARRAY[$1::text]
                ELSE ARRAY(SELECT json_array_elements_text(current_setting('dashdb.search_path')::json)) END AS names
)
SELECT array_to_json(path.names) AS path,
       n.nspname AS name,
       (SELECT c.system_identifier FROM pg_control_system() AS c) || '/' || d.oid AS database,
       array_to_json(ARRAY(SELECT c.relname::text FROM pg_class AS c
                            WHERE c.relnamespace = n.oid AND c.relname = ANY ($2::text[]::name[]))) AS tables,
       EXISTS (SELECT FROM pg_shdepend AS s
                WHERE s.dbid = d.oid AND s.deptype = 'o' AND s.refobjid <> me.oid)
       OR EXISTS (SELECT FROM pg_namespace AS p
                   WHERE p.nspname = ANY (path.names::name[]) AND p.nspowner NOT IN (10, 6171, me.oid, d.datdba))
       OR EXISTS (SELECT FROM pg_class AS c, aclexplode(c.relacl) AS a
                   WHERE c.relnamespace = n.oid AND c.relhastriggers
                     AND a.privilege_type = 'TRIGGER' AND a.grantee NOT IN (me.oid, d.datdba))
       OR EXISTS (SELECT FROM pg_class AS c
                   WHERE c.relname = ANY ($2::text[]::name[])
                     AND CASE WHEN c.relnamespace = n.oid THEN c.relrowsecurity
                              ELSE $1 IS NULL AND c.relname = 'schema_version' END) AS suspicious
  FROM path
 CROSS JOIN pg_database AS d
  JOIN pg_roles AS me ON me.rolname = current_user
  LEFT JOIN pg_namespace AS n ON n.nspname = path.names[1]::name
 WHERE d.datname = current_database()
"""

# $1 text[] schemas to look names up in, the first of which is worked in; $2 text[] names of our tables; $3 boolean
# whether the schema follows from the search_path.
#
# `owned` are all objects in these schemas, of every kind that has an owner. pg_shdepend names each owner but the first
# superuser (https://www.postgresql.org/docs/current/catalog-pg-shdepend.html). Extensions are left out, since
# their functions belong to a superuser, whoever installed them; so are default privileges, which only affect what their
# role makes. A table of another role is refused by its name: others may live beside ours.
#
# A trigger has no owner, and whoever has the privilege TRIGGER can add one. It is refused if it depends on an object of
# another role. A condition, an argument or a function from elsewhere can run SQL that is hidden in a string, so with
# those it has to be in the catalog as the last migration recorded it, where another role holds that privilege.
_CHECK = """
WITH me AS (
    SELECT r.oid, d.oid AS database, d.datdba,
           (SELECT o.oid FROM pg_roles AS o WHERE o.rolname = 'pg_database_owner') AS database_owner
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
    SELECT t.oid, t.tgname, t.tgenabled, c.relname, c.relacl,
           t.tgqual IS NOT NULL OR t.tgnargs > 0 OR f.pronamespace <> n.oid AS may_hide
      FROM me, target AS n
      JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relhastriggers
      JOIN pg_trigger AS t ON t.tgrelid = c.oid AND NOT t.tgisinternal
      JOIN pg_proc AS f ON f.oid = t.tgfoid
     WHERE pg_has_role(me.oid, c.relowner, 'MEMBER') OR c.oid IN (SELECT r.oid FROM relation AS r)
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
    SELECT 'pg_trigger'::regclass, t.oid, s.refobjid, ''
      FROM me, trigger AS t
      JOIN pg_depend AS d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
      JOIN pg_shdepend AS s ON s.classid = d.refclassid AND s.objid = d.refobjid AND s.objsubid = 0 AND s.deptype = 'o'
     WHERE s.dbid = me.database AND s.refobjid <> me.oid AND d.refclassid <> 'pg_class'::regclass
), others AS (
    SELECT o.class, o.oid, o.owner, o.relation,
           o.relation = '' OR EXISTS (SELECT FROM relation AS r WHERE r.oid = o.oid) AS refused
      FROM owned AS o, me
     WHERE NOT (pg_has_role(me.oid, o.owner, 'MEMBER') OR pg_has_role(o.owner, me.oid, 'MEMBER')
                OR o.owner IN (me.datdba, me.database_owner))
), added AS MATERIALIZED (  -- pg_get_triggerdef locks the table, so it is called for no other trigger
    SELECT t.oid, g.grantee, format('trigger %I on %I', t.tgname, t.relname) AS object, t.tgenabled
      FROM me, trigger AS t
     CROSS JOIN LATERAL (
           SELECT a.grantee FROM aclexplode(t.relacl) AS a
            WHERE a.privilege_type = 'TRIGGER'
              AND (a.grantee = 0 OR NOT (pg_has_role(me.oid, a.grantee, 'MEMBER')
                                         OR pg_has_role(a.grantee, me.oid, 'MEMBER') OR a.grantee = me.datdba))
            LIMIT 1) AS g
     WHERE t.may_hide
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
                  WHERE o.refused ORDER BY o.class = 'pg_namespace'::regclass DESC, 1 LIMIT {most_named}),
           'unknown_triggers',
           ARRAY(SELECT ARRAY[i.type || ' ' || i.identity,
                              CASE h.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(h.grantee)::text END]
                   FROM hidden AS h, pg_identify_object('pg_trigger'::regclass, h.oid, 0) AS i
                  ORDER BY 1 LIMIT {most_named}),
           'foreign_relations',
           ARRAY(SELECT ARRAY[o.relation::text, pg_get_userbyid(o.owner)::text]
                   FROM others AS o WHERE NOT o.refused ORDER BY 1 LIMIT {most_relations}),
           'row_security',
           ARRAY(SELECT r.relname::text FROM relation AS r
                  WHERE r.relkind IN ('r', 'p') AND row_security_active(r.oid) ORDER BY 1),
           'history_schema',
           CASE WHEN $3::boolean AND NOT EXISTS (SELECT FROM relation AS r WHERE r.relname = 'schema_version') THEN (
               SELECT p.nspname FROM path AS p JOIN pg_class AS c ON c.relnamespace = p.oid, me
                WHERE p.position > 1 AND c.relname = 'schema_version' AND c.relkind = 'r' AND c.relowner = me.oid
                  AND EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'down_sql')
                ORDER BY p.position LIMIT 1) END)
""".replace("{most_relations}", str(_MOST_RELATIONS)).replace("{most_named}", str(_MOST_FOUND))


async def locate_schema(connection: Connection, schema: str | None) -> LocatedSchema:
    """Return the schema to work in; must not be called inside a transaction.

    Args:
        schema: its name; None for the first of the user's search_path.

    Raises:
        DatabaseUnavailable: the schema does not exist.
        ForeignObject: it, or something in it that our SQL could run, belongs to a role without our rights; or row
            security hides rows of our tables from us.
        HistoryMismatch: the search_path leads to another schema than the one which was migrated.
        ProtocolViolation: no PostgreSQL answers like this.
    """
    async with transaction(connection, read_only=True, first="" if schema is not None else _NOTE_PATH):
        row = await connection.fetchrow(_LOCATE, schema, TABLES)
        with as_expected("the schema"):
            path, name, database, tables, suspicious = row
            schemas = [str(each) for each in json.loads(path)]
            present = frozenset(json.loads(tables))
        if name is None:
            raise _missing(schemas[0]) if schemas else _no_default_schema()
        others: tuple[tuple[str, str], ...] = ()
        if suspicious:
            with answer_limit(connection, _CHECK_BYTES):
                found = await connection.fetchval(_CHECK, schemas, TABLES, schema is None)
            with as_expected("objects of other roles"):
                others = _check(json.loads(found), schemas)
    return LocatedSchema(name, database, tuple(schemas), present, others)


def foreign_relation(name: str, owner: str, file: str) -> ForeignObject:
    """Return the error for a migration file that names a table or a view of a role without our rights."""
    return ForeignObject(
        f'{file} names {identifier(name)}, which belongs to role "{owner}". Its triggers and rules would run with the '
        "rights of our role. Give it to the role that migrates, or use a schema of its own for the dashboards."
    )


def _check(found: dict[str, Any], path: list[str]) -> tuple[tuple[str, str], ...]:
    """Raise the error for what was found in the schema; return the tables of other roles, each with its owner."""
    if found["foreign_objects"]:
        raise ForeignObject(
            f"{_listed(found['foreign_objects'], 'belongs to role')}: a role without the rights of the one that dashdb "
            f"logs in as, which could make it run their code. Drop it, or give it to that role, and REVOKE CREATE ON "
            f"SCHEMA {identifier(path[0])} FROM PUBLIC."
        )
    if found["unknown_triggers"]:
        raise ForeignObject(
            f"{_listed(found['unknown_triggers'], 'may come from role')}: it is not in the catalog that the last "
            "migration recorded, and whoever has the privilege TRIGGER can make our role run code. Drop it, or make it "
            "with a migration, and REVOKE TRIGGER."
        )
    if found["row_security"]:
        raise ForeignObject(
            f"Row level security hides rows of {', '.join(found['row_security'])} from dashdb's role. "
            "Log in as the owner of the tables, or ALTER TABLE ... NO FORCE ROW LEVEL SECURITY.",
            reason="RowSecurityActive",
        )
    if found["history_schema"] is not None:
        raise HistoryMismatch(
            f"The database was migrated in schema {identifier(found['history_schema'])}, and the user's search_path "
            f"now leads to {identifier(path[0])}. Put the search_path back, drop the new schema, or name the wanted "
            "one (--schema).",
            reason="SchemaMoved",
            recovery=Recovery.WAITING,
        )
    return tuple((name, owner) for name, owner in found["foreign_relations"])


def _listed(pairs: list[list[str]], verb: str) -> str:
    named = [f'{_cut(name)} {verb} "{role}"' for name, role in pairs[:_MOST_NAMED]]
    more = len(pairs) - _MOST_NAMED
    return ", ".join(named) + (f" and {more} more objects like it" if more > 0 else "")


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _missing(schema: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f'There is no schema "{schema}" in this database. CREATE SCHEMA {identifier(schema)}, or correct the name.',
        reason="SchemaMissing",
        recovery=Recovery.WAITING,
    )


def _no_default_schema() -> DatabaseUnavailable:
    return DatabaseUnavailable(
        "No schema to create tables in: the search_path of this user names none that exists and is open to it. "
        "CREATE SCHEMA, or GRANT USAGE, CREATE ON SCHEMA.",
        reason="SchemaMissing",
        recovery=Recovery.WAITING,
    )
