"""Comments, blanks and the case of words between the tokens of a statement change no answer about it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.migrate.sql.catalog_statements import CatalogStatements
from controller.migrate.sql.lexer import split
from controller.migrate.sql.removed_data import removed_data
from controller.migrate.sql.statements import concurrent_index, may_commit, runs_alone
from controller.migrate.sql.token_stream import Kind, token_at
from tests.unit.migrate.sql.test_removed_data import DOUBTFUL, HARMLESS

NOISE = st.sampled_from(
    [" ", "\n", "\r", "\f", " -- ; ' DROP\r", "-- x\n", "/* ; ' */", '/* a /* CASCADE */ " */', "\t--\r\n "]
)
TEXTS = [
    *HARMLESS,
    *DOUBTFUL,
    "TRUNCATE ONLY a, b *, ONLY (app.c) RESTART IDENTITY",
    'DROP TABLE IF EXISTS "x.y"."z;", U&"\\0061" CASCADE',
    "DELETE FROM ONLY a WHERE n = 1",
    "ALTER TABLE IF EXISTS app.t DROP CONSTRAINT x, DROP y, ADD z text DEFAULT ' DROP c ', ALTER c DROP NOT NULL",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY db.app.t (n)",
    "ALTER TABLE t DETACH PARTITION app.p CONCURRENTLY",
    "REINDEX (VERBOSE, TABLESPACE x) TABLE CONCURRENTLY t",
    "CREATE TABLE a (n int); CREATE INDEX i ON a (n); CREATE TABLE b AS SELECT 1; CREATE INDEX j ON b (n)",
    "CREATE TABLE IF NOT EXISTS a (n int); CREATE INDEX i ON a (n)",
]


def answers(text: str) -> list[object]:
    catalog = CatalogStatements()
    return [
        (
            removed_data(each),
            runs_alone(each),
            may_commit(each),
            concurrent_index(each, file="f"),
            catalog.only_writes_catalog(each),
        )
        for each in split(text, file="f")
    ]


def disturbed(text: str, data: st.DataObject) -> str:
    """TEXT with noise between its tokens, and its words in any case; where a comma or so stands, noise may be none."""
    pieces, position, end = [], 0, len(text)
    while token := token_at(text, position, end):
        piece, touching = text[token.start : token.end], token.start == position
        if token.kind is Kind.WORD:
            piece = data.draw(st.sampled_from([piece, piece.upper(), piece.lower()]))
        separable = token.kind is Kind.OPERATOR and piece in "(),.;"
        pieces.append("" if touching and not separable else data.draw(NOISE))
        pieces.append(piece)
        position = token.end
    return "".join(pieces)


@settings(max_examples=500, deadline=None)
@given(text=st.sampled_from(TEXTS), data=st.data())
def test_noise_between_tokens_changes_no_answer(text: str, data: st.DataObject) -> None:
    assert answers(disturbed(text, data)) == answers(text)
