"""Question whether anything in the catalogs of a database has changed, without reading them. Pure.

PostgreSQL counts the rows that are inserted, updated and deleted in each table, its own catalogs included, so every
CREATE, ALTER, DROP, GRANT and COMMENT changes a count: https://www.postgresql.org/docs/current/monitoring-stats.html. A
session adds its counts within 10 s, once it waits for its client; so the answer saves work, and protects from nobody.
"""

import hashlib
import json
from typing import Any

from controller.database.answer_messages import as_expected

CATALOGS = {
    "pg_type": 1247, "pg_attribute": 1249, "pg_proc": 1255, "pg_class": 1259, "pg_database": 1262, "pg_attrdef": 2604,
    "pg_constraint": 2606, "pg_conversion": 2607, "pg_depend": 2608, "pg_description": 2609, "pg_index": 2610,
    "pg_inherits": 2611, "pg_namespace": 2615, "pg_opclass": 2616, "pg_operator": 2617, "pg_rewrite": 2618,
    "pg_trigger": 2620, "pg_extension": 3079, "pg_policy": 3256, "pg_collation": 3456, "pg_ts_dict": 3600,
    "pg_ts_config": 3602,
}  # fmt: skip
"""Catalogs with their oids, which are the same in every release; a new connection would look up each name."""

# A standby does not count what it replays, and a superuser may switch counting off. Before PostgreSQL 15 the counts
# came through a file, late, and could be lost.
CATALOG_CHANGES = """
SELECT json_build_array(
           current_setting('server_version_num')::int >= 150000
           AND current_setting('track_counts')::bool AND NOT pg_is_in_recovery(),
           ARRAY(SELECT pg_stat_get_tuples_inserted(c) + pg_stat_get_tuples_updated(c) + pg_stat_get_tuples_deleted(c)
                   FROM unnest('{catalogs}'::oid[]) AS c),
           current_setting('dashdb.search_path', true), current_user)
""".replace("{catalogs}", f"{{{', '.join(map(str, CATALOGS.values()))}}}")
"""Question, as `database.questions.ask` takes it, after `schema.path_note`."""


def changes_digest(answer: Any) -> str | None:
    """Return a digest of the answer to `CATALOG_CHANGES`, the same as long as nothing changed; None where none tells.

    Raises:
        ProtocolViolation: no PostgreSQL answers like this.
    """
    with as_expected("its catalogs"):
        counted, counts, *_ = answer
        if not counted or not sum(counts):  # all are 0 after a crash, before the first change
            return None
        return hashlib.sha256(json.dumps(answer).encode()).hexdigest()
