"""Batches of statements that share one round trip."""

from controller.migrate.files.folder import packaged_folder, read_folder
from controller.migrate.files.migration import Script
from controller.migrate.run.statement_batch import LARGEST_STATEMENT_BATCH, StatementBatch, statement_batches


def cut(sql: str, *, one_by_one: bool = False) -> list[StatementBatch]:
    return list(statement_batches(Script("V001_test.up.sql", sql), one_by_one=one_by_one))


def sizes(sql: str) -> list[int]:
    return [len(batch.statements) for batch in cut(sql)]


def test_definitions_travel_together() -> None:
    assert sizes(
        "CREATE TABLE a (id int); COMMENT ON TABLE a IS 'x'; CREATE INDEX i ON a (id); GRANT a TO b; DROP TYPE c;"
    ) == [5]


def test_whatever_may_touch_rows_goes_alone() -> None:
    sql = "CREATE TABLE a (id int); UPDATE b SET c = 1; SELECT 1; ALTER TABLE b ADD d int; COMMENT ON TABLE a IS 'x';"
    assert sizes(sql) == [1, 1, 1, 1, 1]
    assert (
        sizes("CREATE TABLE a (n) AS SELECT * FROM b; CREATE MATERIALIZED VIEW m AS SELECT 1; DO $$ BEGIN END $$;")
        == [1] * 3
    )


def test_an_index_of_a_table_that_was_there_before_goes_alone() -> None:
    assert sizes("CREATE TABLE a (id int); CREATE INDEX i ON a (id); CREATE INDEX j ON b (id);") == [2, 1]
    assert sizes('CREATE TABLE "a" (id int); CREATE UNIQUE INDEX i ON ONLY "a" (id);') == [2]


def test_numbers_count_on() -> None:
    assert [b.number for b in cut("SELECT 1; GRANT a TO b; GRANT c TO d; SELECT 2;")] == [1, 2, 4]


def test_a_batch_is_the_text_of_the_file() -> None:
    (batch,) = cut("-- first\nGRANT a TO b; -- between\nGRANT c TO d;\n")
    assert batch.text == "GRANT a TO b; -- between\nGRANT c TO d"


def test_long_runs_are_cut() -> None:
    assert sizes("GRANT a TO b;" * (LARGEST_STATEMENT_BATCH + 1)) == [LARGEST_STATEMENT_BATCH, 1]


def test_one_by_one_means_one_by_one() -> None:
    assert [len(b.statements) for b in cut("GRANT a TO b; GRANT c TO d;", one_by_one=True)] == [1, 1]


def test_a_position_names_its_statement() -> None:
    (batch,) = cut("GRANT a TO b; GRANT c TO d;")
    first, second = batch.statements
    assert batch.statement_at(1) is first
    assert batch.statement_at(15) is second
    assert batch.statement_at(len(batch.text)) is second
    assert batch.statement_at(None) is None


def test_a_statement_alone_needs_no_position() -> None:
    (batch,) = cut("SELECT 1;")
    assert batch.statement_at(None) is batch.statements[0]


def test_a_statement_without_a_word_goes_alone() -> None:
    assert sizes("GRANT a TO b; 1; GRANT a TO b;") == [1, 1, 1]


def test_the_packaged_migration_makes_few_journeys() -> None:
    (first, *_) = read_folder(packaged_folder())
    batched = list(statement_batches(first.up))
    assert sum(len(batch.statements) for batch in batched) == len(first.up.statements)
    assert len(batched) <= 3
