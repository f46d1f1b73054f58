"""Everything that a migration can leave in a schema, as text that can be compared."""

from controller.database.connection import Connection

Snapshot = dict[str, list[str]]
"""Kind of object -> one line an object, sorted. Empty schema: no kinds at all."""

# Objects that belong to an extension are told by the extension alone.
_OURS = """
    c.relnamespace = current_schema()::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.objid = c.oid AND e.deptype = 'e')
"""
_FUNCTION_OF_OURS = """
    p.pronamespace = current_schema()::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.objid = p.oid AND e.deptype = 'e')
"""
_QUERIES = {
    "relations": f"""
        SELECT format('%s %s of %s, privileges %s', c.relkind, c.relname, c.relowner::regrole, c.relacl)
          FROM pg_class AS c WHERE {_OURS}""",
    "columns": f"""
        SELECT format('%s.%s %s %s, default %s, identity "%s", not null %s', c.relname, a.attnum, a.attname,
                      format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attidentity,
                      a.attnotnull)
          FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE c.relkind <> 'i' AND {_OURS}""",
    "constraints": f"""
        SELECT format('%s %s: %s', c.relname, k.conname, pg_get_constraintdef(k.oid))
          FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid WHERE {_OURS}""",
    "indexes": f"SELECT pg_get_indexdef(c.oid) FROM pg_class AS c WHERE c.relkind = 'i' AND {_OURS}",
    "functions": f"""
        SELECT format('%s privileges %s of %s', pg_get_functiondef(p.oid), p.proacl, p.proowner::regrole)
          FROM pg_proc AS p WHERE {_FUNCTION_OF_OURS}""",
    "triggers": f"""
        SELECT pg_get_triggerdef(t.oid) FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
         WHERE NOT t.tgisinternal AND {_OURS}""",
    "comments on relations": f"""
        SELECT format('%s.%s: %s', c.relname, d.objsubid, d.description)
          FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
         WHERE {_OURS}""",
    "comments on functions": f"""
        SELECT format('%s: %s', p.oid::regprocedure, d.description)
          FROM pg_description AS d JOIN pg_proc AS p ON p.oid = d.objoid AND d.classoid = 'pg_proc'::regclass
         WHERE {_FUNCTION_OF_OURS}""",
    "types": """
        SELECT t.typname FROM pg_type AS t
         WHERE t.typnamespace = current_schema()::regnamespace AND t.typrelid = 0 AND t.typelem = 0
           AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.objid = t.oid AND e.deptype = 'e')""",
    "extensions": """
        SELECT format('%s %s in %s', extname, extversion, extnamespace::regnamespace)
          FROM pg_extension WHERE extname <> 'plpgsql'""",
}


async def snapshot(connection: Connection) -> Snapshot:
    """Return the objects in the connection's schema by kind, without empty kinds."""
    kinds = {kind: sorted(row[0] for row in await connection.fetch(query)) for kind, query in _QUERIES.items()}
    return {kind: lines for kind, lines in kinds.items() if lines}
