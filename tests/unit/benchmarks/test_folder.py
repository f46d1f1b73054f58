"""Comparison of a folder's results, and the copy of its files."""

from pathlib import Path

from benchmarks.folder import copy_of, difference, readable


def test_dumps_that_are_equal_say_so_and_others_what_differs() -> None:
    assert difference("a\nb", "a\nb") == "yes"
    assert difference("a\nc", "a\nb") == "-b; +c"
    assert difference("a\nb", "b\na") == "another order"


def test_sql_files_are_copied_with_other_texts_and_nothing_else(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    copy.mkdir()
    (source / "1_a.up.sql").write_text("CREATE TABLE a (b BLOB)")
    (source / "embed.go").write_text("package migrations")
    assert [path.name for path in copy_of(source, copy, [("BLOB", "BYTEA")]).iterdir()] == ["1_a.up.sql"]
    assert (copy / "1_a.up.sql").read_text() == "CREATE TABLE a (b BYTEA)"


def test_a_folder_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "1_a.up.sql").write_text("BEGIN;")
    assert readable(tmp_path).startswith("1_a.up.sql:1:1: this BEGIN has no COMMIT")
    (tmp_path / "1_a.up.sql").write_text("BEGIN; COMMIT;")
    assert readable(tmp_path) == "yes"
