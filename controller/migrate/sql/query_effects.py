"""Detection of queries that may change data, by a command inside them or by a called function. Pure."""

from controller.migrate.sql.token_reader import TokenReader
from controller.migrate.sql.token_stream import Kind, Token

MOST_READ = 100_000
"""Limit in characters; a longer query is not read, and counts as one that may change data."""

_CHANGES = ("delete", "insert", "merge", "update")
_NAMES_A_LOCK = ("for", "key")
"""Words before UPDATE in SELECT ... FOR [NO KEY] UPDATE."""
_BEFORE_ALIAS = ("as", "recursive", "with")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NO_CALLS = _words(
    """
    all and any array as bernoulli between bit bpchar by case cast char character check coalesce conflict cube dec
    decimal distinct else except exists extract filter float from group having ilike in intersect interval into is
    join key lateral like limit materialized nchar not null numeric offset on only operator or over overlaps recursive
    returning rollup row select set sets similar some system then time timestamp timestamptz timetz union using values
    varbit varchar varying when where with
    """
)
"""Keywords and types that may come before a parenthesis."""
_HARMLESS_FUNCTIONS = _words(
    """
    abs age array_agg array_append array_cat array_length array_position array_prepend array_remove array_replace
    array_to_json array_to_string ascii avg bool_and bool_or btrim cardinality ceil ceiling char_length chr
    clock_timestamp col_description concat concat_ws convert_from convert_to count current_database current_schema
    current_setting currval date_part date_trunc decode dense_rank encode every exp first_value floor format
    format_type gen_random_uuid generate_series generate_subscripts greatest has_schema_privilege has_table_privilege
    initcap json_agg json_array_elements json_build_array json_build_object json_each json_each_text json_object_agg
    json_object_keys json_populate_record json_populate_recordset json_strip_nulls json_to_record json_to_recordset
    json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
    jsonb_build_object jsonb_each jsonb_each_text jsonb_insert jsonb_object_agg jsonb_object_keys jsonb_path_query
    jsonb_populate_record jsonb_populate_recordset jsonb_set jsonb_strip_nulls jsonb_to_record jsonb_to_recordset
    jsonb_typeof lag last_value lastval lead least left length ln localtime localtimestamp log lower lpad ltrim
    make_date make_interval make_time make_timestamp make_timestamptz max md5 min mod mode nextval now ntile nullif
    num_nonnulls num_nulls obj_description octet_length overlay percentile_cont percentile_disc pg_advisory_lock
    pg_advisory_unlock pg_advisory_unlock_all pg_advisory_xact_lock pg_backend_pid pg_get_serial_sequence
    pg_get_userbyid pg_relation_size pg_size_pretty pg_sleep pg_total_relation_size pg_try_advisory_lock
    pg_try_advisory_xact_lock pg_typeof position power quote_ident quote_literal quote_nullable random rank
    regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table repeat replace reverse
    right round row_number row_to_json rpad rtrim set_config setval sha224 sha256 sha384 sha512 sign split_part sqrt
    starts_with statement_timestamp stddev string_agg string_to_array string_to_table strpos substr substring sum
    timeofday timezone to_char to_date to_hex to_json to_jsonb to_number to_regclass to_regtype to_timestamp
    transaction_timestamp translate treat trim trunc unnest upper uuid_generate_v4 variance version
    """
)
"""Functions of PostgreSQL that change no table; uuid_generate_v4 belongs to the extension uuid-ossp."""


def may_change_data(reader: TokenReader) -> bool:
    """Return whether the rest of a statement may change tables: by a command, by an unknown function, or too long."""
    if reader.characters_left > MOST_READ:
        return True
    before: Token | None = None
    qualifier: Token | None = None
    distinct_on = False
    for token in reader.rest():
        qualified = before is not None and before.is_operator(".")
        if not qualified and _is_change(token, before):
            return True
        distinct_on |= token.is_word("on") and before is not None and before.is_word("distinct")
        called = _is_called(token, reader) and not (before and _precedes_alias(before, distinct_on=distinct_on))
        if called and not _is_harmless(token, qualifier if qualified else None):
            return True
        qualifier, before = before, token
    return False


def _is_called(token: Token, reader: TokenReader) -> bool:
    """Return whether the token is a name, and a parenthesis follows."""
    if token.kind not in (Kind.WORD, Kind.NAME):
        return False
    following = reader.peek()
    return following is not None and following.is_operator("(")


def _is_change(token: Token, before: Token | None) -> bool:
    return token.is_word(*_CHANGES) and not (before and before.is_word("as", *_NAMES_A_LOCK))


def _precedes_alias(before: Token, *, distinct_on: bool) -> bool:
    """Return whether parentheses after a name hold the columns of an alias, AS t (a, b), or the length of a type.

    A name after a closing parenthesis is an alias as well, except for the first column of SELECT DISTINCT ON (a).
    """
    behind_group = before.is_operator(")") and not distinct_on
    return behind_group or before.is_operator("::") or before.is_word(*_BEFORE_ALIAS)


def _is_harmless(token: Token, qualifier: Token | None) -> bool:
    """Return whether a parenthesis after this name calls no function, or a harmless one."""
    if qualifier is not None:
        return qualifier.value == "pg_catalog" and token.value in _HARMLESS_FUNCTIONS
    return (token.kind is Kind.WORD and token.value in _NO_CALLS) or token.value in _HARMLESS_FUNCTIONS
