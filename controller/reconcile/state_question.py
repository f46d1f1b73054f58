"""Question whether rows that an observation reads have changed: the history, and the system templates. Pure."""

from functools import lru_cache

from controller.database.located_schema import LocatedSchema
from controller.database.quoting import array
from controller.migrate.history.location import HISTORY, detail_in, table_in
from controller.templates.seeding import TABLE
from controller.templates.shipped import shipped_templates

# A row that is written gets another place and the number of the transaction that wrote it.
_STATE = """
SELECT to_json(encode(sha256(convert_to(concat_ws('/',
           (SELECT string_agg(concat_ws(' ', h.xmin, h.ctid), ',' ORDER BY h.ctid) FROM {history} AS h),
           (SELECT string_agg(concat_ws(' ', d.xmin, d.ctid), ',' ORDER BY d.ctid) FROM {detail} AS d),
           (SELECT string_agg(concat_ws(' ', t.xmin, t.ctid), ',' ORDER BY t.ctid) FROM {templates} AS t
             WHERE t.id = ANY ({ids}::text[]) OR t.name = ANY ({names}::text[]))), 'UTF8')), 'hex'))
"""
_TABLES = HISTORY | {TABLE}


def has_its_tables(schema: LocatedSchema) -> bool:
    """Return True where the tables that `state_question` names are there."""
    return schema.tables >= _TABLES


def state_question(schema: LocatedSchema) -> str:
    """Return the question for a digest of those rows, as `database.questions.ask` takes it."""
    return _question(schema.name, schema.qualified(TABLE))


@lru_cache(maxsize=64)
def _question(schema: str, templates: str) -> str:
    shipped = shipped_templates()
    ids, names = array(each.id for each in shipped), array(each.name for each in shipped)
    return _STATE.format(history=table_in(schema), detail=detail_in(schema), templates=templates, ids=ids, names=names)
