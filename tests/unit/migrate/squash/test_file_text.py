"""The two files that replace several versions."""

from controller.migrate.files.migration import Script
from controller.migrate.files.replaces import replaced_by
from controller.migrate.squash.file_text import down_text, up_text, up_text_of_files
from tests.unit.migrate.folders import migrations


def statements(text: str) -> list[str]:
    return [statement.text for statement in Script("V1_a.down.sql", text).statements]


def test_the_up_file_says_in_its_first_lines_what_it_replaces() -> None:
    up = Script("V6_all.up.sql", up_text(["CREATE TABLE a ()", "CREATE TABLE b ()"], {1, 2, 3, 5}))
    assert replaced_by(up) == {1, 2, 3, 5}
    assert [statement.text for statement in up.statements] == ["CREATE TABLE a ()", "CREATE TABLE b ()"]


def test_the_up_file_without_pg_dump_has_the_up_migrations_in_order() -> None:
    texts = {"V1_a_up": "-- why\nCREATE TABLE a ()", "V2_b_up": "BEGIN; CREATE INDEX b ON a (n); COMMIT"}
    up = Script("V3_all.up.sql", up_text_of_files(migrations("V1_a", "V2_b", **texts), {1, 2}))
    assert replaced_by(up) == {1, 2}
    assert (up.transactional, up.has_transactions) == (True, False)
    assert statements(up.text) == ["CREATE TABLE a ()", "CREATE INDEX b ON a (n)"]
    assert "-- V1_a.up.sql\n-- why\n" in up.text


def test_a_line_for_us_in_one_of_the_files_is_not_one_of_the_whole() -> None:
    no = "-- dashdb:no-transaction\n"
    old = "-- dashdb:replaces 1\n"
    texts = {"V2_a_up": f"{no}{old}CREATE INDEX CONCURRENTLY b ON a (n)", "V2_a_down": f"{no}DROP INDEX b"}
    known = migrations("V2_a", **texts)
    up = Script("V3_all.up.sql", up_text_of_files(known, {2}))
    down = Script("V3_all.down.sql", down_text(known, up.name))
    assert replaced_by(up) == {2}
    assert [each.transactional for each in (up, down)] == [True, True]
    assert statements(up.text) + statements(down.text) == ["CREATE INDEX b ON a (n)", "DROP INDEX b"]


def test_the_down_file_has_the_down_migrations_from_the_last_to_the_first() -> None:
    known = migrations("V1_a", "V2_b", V1_a_down="DROP TABLE a", V2_b_down="-- why\nDROP TABLE b; DROP TABLE c -- end")
    assert statements(down_text(known, "V3_all.up.sql")) == ["DROP TABLE b", "DROP TABLE c -- end", "DROP TABLE a"]


def test_the_down_file_is_one_transaction() -> None:
    texts = {"V1_a_down": "BEGIN;\nDROP TABLE a;\nCOMMIT;", "V2_b_down": "DROP INDEX CONCURRENTLY IF EXISTS b"}
    text = down_text(migrations("V1_a", "V2_b", **texts), "V3_all.up.sql")
    assert statements(text) == ["DROP INDEX IF EXISTS b", "DROP TABLE a"]
    down = Script("V3_all.down.sql", text)
    assert (down.transactional, down.has_transactions) == (True, False)
