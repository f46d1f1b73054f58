"""Inventory of a schema: whether all that the last migration left is there, in a fraction of a comparison's time. Pure.

It has names alone: of tables, views and sequences, their columns, triggers and whether those fire, functions, and
whether a table has partitions. A digest of it is recorded with the catalog, so that each look can tell whether anything
was dropped, disabled or added.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from controller.database.answer_messages import as_expected
from controller.database.quoting import identifier, literal
from controller.migrate.history.location import table_in

DIGEST_LENGTH = 64
"""Characters of a digest."""
_RECORDED = re.compile(f'"inventory" : "([0-9a-f]{{{DIGEST_LENGTH}}})"')
PARTITIONS = """
  FROM relation AS r
  JOIN pg_catalog.pg_inherits AS i ON i.inhparent = r.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
  JOIN (VALUES ('partitions', ''), ('last partition', '^DEFAULT$|TO [(]MAXVALUE')) AS f (name, bound)
    ON pg_get_expr(c.relpartbound, c.oid) ~ f.bound
 WHERE r.kind = 'p'
"""
"""Source of names: one for each table `r` that has partitions, and one if there is a last one without an end. Where
that is missing, rows are refused once the bound of the others is passed."""
INVENTORY = """
WITH held AS MATERIALIZED (
    SELECT d.classid AS class, d.objid AS oid
      FROM pg_catalog.pg_depend AS d
     WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = {namespace}::regnamespace
), relation AS MATERIALIZED (
    SELECT c.oid, c.relname AS name, c.relkind AS kind
      FROM held AS h JOIN pg_catalog.pg_class AS c ON c.oid = h.oid
     WHERE h.class = 'pg_catalog.pg_class'::regclass AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
       AND NOT c.relispartition
       AND c.relname NOT IN ('schema_version', 'schema_version_detail')
), object (name) AS (
    SELECT format('%I', r.name) FROM relation AS r
     UNION ALL
    SELECT format('%I.%I', r.name, a.attname)
      FROM relation AS r JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid
     WHERE a.attnum > 0 AND NOT a.attisdropped
     UNION ALL
    SELECT format('%I on %I: %s', t.tgname, r.name, t.tgenabled)
      FROM relation AS r JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = r.oid
     WHERE NOT t.tgisinternal OR t.tgenabled <> 'O'
     UNION ALL
    SELECT DISTINCT format('%s of %I', f.name, r.name) {partitions}
     UNION ALL
    SELECT format('%I(%s)', p.proname, oidvectortypes(p.proargtypes))
      FROM held AS h JOIN pg_catalog.pg_proc AS p ON p.oid = h.oid
     WHERE h.class = 'pg_catalog.pg_proc'::regclass
)
SELECT encode(sha256(convert_to(coalesce(string_agg(o.name, ',' ORDER BY o.name COLLATE "C"), ''), 'UTF8')), 'hex')
  FROM object AS o
"""
"""Query for the digest; {namespace} is the schema as a literal, {partitions} is `PARTITIONS`."""

# `recorded` stands in the beginning of the comment in which `snapshot` records the catalog. A regular expression, or
# obj_description, would take a new connection longer than to read it.
_QUESTION = """
SELECT json_build_object(
    'found', ({inventory}),
    'recorded', (SELECT left(d.description, 300)
                   FROM pg_constraint AS k JOIN pg_description AS d ON d.objoid = k.oid
                  WHERE k.conrelid = to_regclass({table}) AND k.conname = 'schema_version_pkey'
                    AND d.classoid = 'pg_constraint'::regclass AND d.objsubid = 0))
"""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Digests of an inventory.

    Attributes:
        recorded: after the last migration; None where none was recorded.
    """

    found: str
    recorded: str | None


def inventory_from(answer: Any) -> Inventory:
    """Return the inventory in the answer to `inventory_question`.

    Raises:
        ProtocolViolation: no PostgreSQL answers like this.
    """
    with as_expected("the inventory"):
        recorded = _RECORDED.search(answer["recorded"] or "")
        if len(answer["found"]) != DIGEST_LENGTH:
            raise ValueError
        return Inventory(answer["found"], recorded and recorded[1])


def inventory_query(schema: str) -> str:
    """Return the query for the digest of SCHEMA, which finds the names of PostgreSQL alone, see `OWN_NAMES`."""
    return INVENTORY.format(namespace=literal(identifier(schema)), partitions=PARTITIONS)


@lru_cache(maxsize=64)
def inventory_question(schema: str) -> str:
    """Return the question for an `Inventory`, as `database.questions.ask` takes it."""
    return _QUESTION.format(inventory=inventory_query(schema), table=literal(table_in(schema)))
