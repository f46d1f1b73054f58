"""The two files that replace several versions."""

from controller.migrate.files.migration import Script
from controller.migrate.files.replaces import replaced_by
from controller.migrate.squash.file_text import down_text, up_text
from tests.unit.migrate.folders import migrations


def statements(text: str) -> list[str]:
    return [statement.text for statement in Script("V1_a.down.sql", text).statements]


def test_the_up_file_says_in_its_first_lines_what_it_replaces() -> None:
    up = Script("V6_all.up.sql", up_text(["CREATE TABLE a ()", "CREATE TABLE b ()"], {1, 2, 3, 5}))
    assert replaced_by(up) == {1, 2, 3, 5}
    assert [statement.text for statement in up.statements] == ["CREATE TABLE a ()", "CREATE TABLE b ()"]


def test_the_down_file_has_the_down_migrations_from_the_last_to_the_first() -> None:
    known = migrations("V1_a", "V2_b", V1_a_down="DROP TABLE a", V2_b_down="-- why\nDROP TABLE b; DROP TABLE c -- end")
    assert statements(down_text(known, "V3_all.up.sql")) == ["DROP TABLE b", "DROP TABLE c -- end", "DROP TABLE a"]


def test_the_down_file_is_one_transaction() -> None:
    texts = {"V1_a_down": "BEGIN;\nDROP TABLE a;\nCOMMIT;", "V2_b_down": "DROP INDEX CONCURRENTLY IF EXISTS b"}
    text = down_text(migrations("V1_a", "V2_b", **texts), "V3_all.up.sql")
    assert statements(text) == ["DROP INDEX IF EXISTS b", "DROP TABLE a"]
    down = Script("V3_all.down.sql", text)
    assert (down.transactional, down.has_transactions) == (True, False)
