"""Query for the catalog of a schema. Pure text; `snapshot` runs it and records its result.

Every object is a row: its name for people, and its definition. Left out, with the reason:

- owners: the role that migrates may have another name elsewhere;
- an extension's version, and all that belongs to an extension: an administrator upgrades those;
- the order of columns: a down migration cannot restore the position of a dropped column;
- names of NOT NULL constraints: they are objects only since PostgreSQL 18;
- the schema's own privileges and comment: it belongs to whoever made the database;
- `schema_version` and `schema_version_detail`, which belong to the engine;
- partitions with all that is on them: they come and go with time. Whether a table has any, and a last one
  without an end, is an object.

Other kinds (collations, operators, statistics, text search) are rows with their name alone.
"""

import hashlib

from controller.database.quoting import identifier, literal
from controller.migrate.catalog.inventory import INVENTORY, PARTITIONS

# Settings that decide how PostgreSQL writes names and constants in definitions. SET LOCAL, before the query.
SETTINGS = """
SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL quote_all_identifiers = off; SET LOCAL jit = off;
SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL timezone = 'UTC';
SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1;
"""

SETTINGS_OF_SESSION = SETTINGS.replace("SET LOCAL", "SET SESSION")

# By pg_depend, which has an index for it and knows objects of every kind.
_HELD = """
SELECT d.classid AS class, d.objid AS oid
  FROM pg_catalog.pg_depend AS d
 WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = {namespace}::regnamespace
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS e
                    WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')
"""
_RELATION = """
SELECT c.oid, c.relkind AS kind, c.relowner AS owner, c.relacl AS acl, quote_ident(c.relname) AS name,
       concat_ws('; ',
           CASE WHEN c.relpersistence = 'u' THEN 'unlogged' END,
           CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
           CASE WHEN c.relkind = 'p' THEN 'partition by ' || pg_get_partkeydef(c.oid) END,
           CASE WHEN c.relkind IN ('r', 'p', 'f') THEN (
               SELECT 'inherits ' || string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
                 FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid HAVING count(*) > 0) END,
           CASE WHEN c.relrowsecurity THEN 'row level security' END,
           CASE WHEN c.relforcerowsecurity THEN 'row level security for the owner too' END,
           CASE c.relreplident WHEN 'f' THEN 'replica identity full' WHEN 'i' THEN 'replica identity an index' END,
           array_to_string(c.reloptions, ', '),
           CASE WHEN c.relkind = 'S' THEN (
               SELECT format('%s start %s increment %s from %s to %s cache %s%s', format_type(s.seqtypid, NULL),
                             s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
                             CASE WHEN s.seqcycle THEN ' cycle' END)
                 FROM pg_catalog.pg_sequence AS s WHERE s.seqrelid = c.oid) END) AS definition
  FROM held AS h
  LEFT JOIN pg_catalog.pg_type AS t ON h.class = 'pg_catalog.pg_type'::regclass AND t.oid = h.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = coalesce(t.typrelid, h.oid)
 WHERE h.class IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_type'::regclass)
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
   AND NOT c.relispartition
   AND c.relname NOT IN ('schema_version', 'schema_version_detail')
"""

# Each part has these columns: class, oid and part, which find its comment; owner, acl and rights (the letter of
# acldefault), for its privileges; object and definition.
_RELATIONS = """
SELECT 'pg_catalog.pg_class'::regclass AS class, r.oid, 0 AS part,
       r.owner, r.acl, CASE r.kind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END AS rights,
       concat(CASE r.kind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table '
                          WHEN 'S' THEN 'sequence ' ELSE 'table ' END,
              r.name,
              (SELECT ' on ' || t.name
                 FROM pg_catalog.pg_depend AS d JOIN relation AS t ON t.oid = d.refobjid
                WHERE r.kind = 'S' AND d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = r.oid
                  AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i'))) AS object,
       r.definition
  FROM relation AS r
 WHERE r.kind <> 'c'
"""
_PARTITIONS = f"""
SELECT DISTINCT 'pg_catalog.pg_class'::regclass, r.oid, NULL::integer, NULL::oid, NULL::aclitem[], NULL::"char",
       format('%s on %s', f.name, r.name), '' {PARTITIONS}
"""
_COLUMNS = """
SELECT 'pg_catalog.pg_class'::regclass, r.oid, a.attnum, r.owner, a.attacl, 'c',
       format('column %s.%I', r.name, a.attname),
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation NOT IN (0, 'pg_catalog."default"'::regcollation)
                THEN 'collate ' || a.attcollation::regcollation END,
           CASE WHEN a.attnotnull THEN 'not null' END,
           CASE a.attidentity WHEN 'a' THEN 'generated always as identity'
                              WHEN 'd' THEN 'generated by default as identity' END,
           CASE a.attgenerated
           WHEN '' THEN 'default ' || pg_get_expr(x.adbin, x.adrelid)
           WHEN 's' THEN format('generated always as (%s) stored', pg_get_expr(x.adbin, x.adrelid))
           ELSE format('generated always as (%s)', pg_get_expr(x.adbin, x.adrelid)) END)
  FROM relation AS r
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_attrdef AS x ON a.atthasdef AND x.adrelid = a.attrelid AND x.adnum = a.attnum
 WHERE r.kind <> 'S'
"""
_CONSTRAINTS = """
SELECT 'pg_catalog.pg_constraint'::regclass, k.oid, 0, NULL, NULL, NULL,
       format('constraint %I on %s', k.conname, r.name), pg_get_constraintdef(k.oid)
  FROM relation AS r JOIN pg_catalog.pg_constraint AS k ON k.conrelid = r.oid
 WHERE k.contype NOT IN ('t', 'n') OR NOT k.convalidated
"""
_INDEXES = """
SELECT 'pg_catalog.pg_class'::regclass, c.oid, 0, NULL, NULL, NULL,
       format('index %I on %s', c.relname, r.name),
       concat(pg_get_indexdef(c.oid), CASE WHEN NOT i.indisvalid THEN ', invalid' END)
  FROM relation AS r
  JOIN pg_catalog.pg_index AS i ON i.indrelid = r.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
 WHERE NOT i.indisvalid OR NOT EXISTS (
       SELECT FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = i.indrelid AND k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
"""
# Triggers of foreign keys have no comparable name; they are listed only if somebody has disabled them.
_TRIGGERS = """
SELECT 'pg_catalog.pg_trigger'::regclass, t.oid, 0, NULL, NULL, NULL,
       CASE WHEN t.tgisinternal THEN format('trigger %s of constraint %I on %s', t.tgfoid::regproc, k.conname, r.name)
            ELSE format('trigger %I on %s', t.tgname, r.name) END,
       concat_ws(', ', CASE WHEN NOT t.tgisinternal THEN pg_get_triggerdef(t.oid) END,
                 CASE t.tgenabled WHEN 'D' THEN 'disabled' WHEN 'A' THEN 'always' WHEN 'R' THEN 'on replicas' END)
  FROM relation AS r
  JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = r.oid
  LEFT JOIN pg_catalog.pg_constraint AS k ON k.oid = t.tgconstraint
 WHERE NOT t.tgisinternal OR t.tgenabled <> 'O'
"""
_RULES = """
SELECT 'pg_catalog.pg_rewrite'::regclass, w.oid, 0, NULL, NULL, NULL,
       format('rule %I on %s', w.rulename, r.name),
       concat(pg_get_ruledef(w.oid), CASE WHEN w.ev_enabled <> 'O' THEN format(', enabled %s', w.ev_enabled) END)
  FROM relation AS r JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = r.oid
 WHERE w.rulename <> '_RETURN'
"""
_POLICIES = """
SELECT 'pg_catalog.pg_policy'::regclass, p.oid, 0, NULL, NULL, NULL,
       format('policy %I on %s', p.polname, r.name),
       concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
           CASE p.polcmd WHEN '*' THEN 'for all' WHEN 'r' THEN 'for select' WHEN 'a' THEN 'for insert'
                         WHEN 'w' THEN 'for update' ELSE 'for delete' END,
           (SELECT 'to ' || string_agg(u.name, ', ' ORDER BY u.name)
              FROM (SELECT CASE i WHEN 0 THEN 'PUBLIC' ELSE i::regrole::text END AS name
                      FROM unnest(p.polroles) AS i) AS u),
           'using ' || pg_get_expr(p.polqual, p.polrelid),
           'with check ' || pg_get_expr(p.polwithcheck, p.polrelid))
  FROM relation AS r JOIN pg_catalog.pg_policy AS p ON p.polrelid = r.oid
"""
_FUNCTIONS = """
SELECT h.class, p.oid, 0, p.proowner, p.proacl, 'f',
       format('%s %I(%s)', CASE p.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END,
              p.proname, oidvectortypes(p.proargtypes)),
       CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid)
            ELSE (SELECT format('step %s, state %s starting from %s, final %s', a.aggtransfn,
                                format_type(a.aggtranstype, NULL), quote_nullable(a.agginitval), a.aggfinalfn)
                    FROM pg_catalog.pg_aggregate AS a WHERE a.aggfnoid = p.oid) END
  FROM held AS h JOIN pg_catalog.pg_proc AS p ON p.oid = h.oid
 WHERE h.class = 'pg_catalog.pg_proc'::regclass AND p.pronamespace = {namespace}::regnamespace
"""
_TYPES = """
SELECT h.class, t.oid, 0, t.typowner, t.typacl, 'T',
       format('type %I', t.typname),
       CASE t.typtype
       WHEN 'e' THEN (SELECT format('enum (%s)', string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder))
                        FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid)
       WHEN 'd' THEN concat_ws(' ', 'domain', format_type(t.typbasetype, t.typtypmod),
                               CASE WHEN t.typnotnull THEN 'not null' END, 'default ' || t.typdefault,
                               (SELECT string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname)
                                  FROM pg_catalog.pg_constraint AS k WHERE k.contypid = t.oid AND k.contype <> 'n'))
       WHEN 'r' THEN (SELECT format('range of %s', format_type(g.rngsubtype, NULL))
                        FROM pg_catalog.pg_range AS g WHERE g.rngtypid = t.oid)
       WHEN 'c' THEN 'composite' ELSE 'base' END
  FROM held AS h JOIN pg_catalog.pg_type AS t ON t.oid = h.oid
 WHERE h.class = 'pg_catalog.pg_type'::regclass AND t.typcategory <> 'A' AND t.typtype <> 'm'
"""
# Expressions that name a schema depend on it as well; they are part of the object that they belong to.
_OTHERS = """
SELECT h.class, h.oid, 0, NULL, NULL, NULL, concat(o.type, ' ', o.identity), ''
  FROM held AS h, pg_identify_object(h.class, h.oid, 0) AS o
 WHERE h.class NOT IN (
       'pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_type'::regclass,
       'pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_attrdef'::regclass, 'pg_catalog.pg_constraint'::regclass,
       'pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_trigger'::regclass, 'pg_catalog.pg_default_acl'::regclass)
"""
_OF_RELATIONS = (_RELATIONS, _PARTITIONS, _COLUMNS, _CONSTRAINTS, _INDEXES, _TRIGGERS, _RULES, _POLICIES)
_PARTS = "UNION ALL".join([*_OF_RELATIONS, _FUNCTIONS, _TYPES, _OTHERS])

_COMMENTS = """
SELECT 'comment on ' || p.object, d.description
  FROM part AS p
  JOIN pg_catalog.pg_description AS d ON d.classoid = p.class AND d.objoid = p.oid AND d.objsubid = p.part
 WHERE p.class <> 'pg_catalog.pg_extension'::regclass
"""
# Differences from the default privileges of the owner and PUBLIC.
_PRIVILEGES = """
SELECT 'privileges on ' || p.object, g.changes
  FROM part AS p, LATERAL (
       SELECT string_agg(line, '; ' ORDER BY line)
         FROM (SELECT concat(string_agg(concat(privilege_type, CASE WHEN is_grantable THEN ' with grant option' END),
                                        ', ' ORDER BY privilege_type),
                             CASE WHEN a.given THEN ' to ' ELSE ' revoked from ' END,
                             CASE grantee WHEN 0 THEN 'PUBLIC' WHEN p.owner THEN 'the owner'
                                          ELSE grantee::regrole::text END)
                 FROM (SELECT DISTINCT grantee, privilege_type, is_grantable, true AS given
                         FROM aclexplode(p.acl)) AS a
                 FULL JOIN (SELECT grantee, privilege_type, is_grantable, true AS usual
                              FROM aclexplode(acldefault(p.rights, p.owner))) AS b
                      USING (grantee, privilege_type, is_grantable)
                WHERE a.given IS DISTINCT FROM b.usual
                GROUP BY grantee, a.given) AS l (line)) AS g (changes)
 WHERE p.acl IS NOT NULL AND g.changes IS NOT NULL
"""
_DEFAULT_PRIVILEGES = """
SELECT format('privileges on later %s of %s',
              CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                   ELSE 'types' END, d.defaclrole::regrole), g.given
  FROM held AS h JOIN pg_catalog.pg_default_acl AS d ON d.oid = h.oid, LATERAL (
       SELECT string_agg(line, '; ' ORDER BY line)
         FROM (SELECT concat(string_agg(concat(privilege_type, CASE WHEN is_grantable THEN ' with grant option' END),
                                        ', ' ORDER BY privilege_type),
                             ' to ', CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
                 FROM aclexplode(d.defaclacl) GROUP BY grantee) AS l (line)) AS g (given)
 WHERE h.class = 'pg_catalog.pg_default_acl'::regclass
"""
_QUERY = f"""
WITH held AS MATERIALIZED ({_HELD}), relation AS MATERIALIZED ({_RELATION}), part AS MATERIALIZED ({_PARTS})
SELECT p.object COLLATE "C" AS object, p.definition COLLATE "C" AS definition FROM part AS p
UNION ALL {_COMMENTS} UNION ALL {_PRIVILEGES} UNION ALL {_DEFAULT_PRIVILEGES}
"""
FORMAT = hashlib.sha256((SETTINGS + _QUERY + INVENTORY).encode()).hexdigest()[:12]
"""Identifier of this query and the inventory's; results of others cannot be compared with theirs."""
NAMES = "1"
"""Version of how the query names objects, whatever their definitions look like; another one means other names."""


def catalog_query(schema: str) -> str:
    """Return the query for `schema`: sorted rows of `object` and `definition`; run it after `SETTINGS`.

    The query fails with InvalidSchemaNameError (3F000) if the schema does not exist.
    """
    return _QUERY.format(namespace=literal(identifier(schema))) + "ORDER BY object, definition"
