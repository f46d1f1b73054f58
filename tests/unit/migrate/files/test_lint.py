"""Lint of migration files: squawk itself, called as the engine needs it, and our own rules."""

from importlib.metadata import PackageNotFoundError

import pytest

from controller.errors import InternalError
from controller.migrate.files import lint as linter
from controller.migrate.files.folder import packaged_folder, parse, read_folder
from controller.migrate.files.lint import Level, LinterMissing, lint
from controller.migrate.files.migration import Script

UP, DOWN = "V001_a.up.sql", "V001_a.down.sql"
CONCURRENTLY = "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (b);"


def rules(text: str, name: str = UP) -> list[str]:
    return [each.rule for each in lint([Script(name, text)])]


def test_the_packaged_migrations_are_clean() -> None:
    assert lint(script for migration in read_folder(packaged_folder()) for script in migration.scripts) == ()


def test_a_finding_says_where_how_bad_and_what_to_do() -> None:
    (found,) = lint([Script(UP, "-- a note\nSELECT 'ä'; ALTER TABLE a ADD COLUMN b varchar(3);\n")])
    assert (found.file, found.line, found.column, found.rule) == (UP, 2, 40, "prefer-text-field")
    assert (found.level, found.help) == (Level.WARNING, "Use a `TEXT` field with a `CHECK` constraint.")
    assert str(found).startswith(f"{UP}:2:40: warning: Changing the size of a `varchar` field")
    assert str(found).endswith("constraint. [prefer-text-field]")


def test_findings_come_by_file_and_line() -> None:
    text = "ALTER TABLE a DROP COLUMN b;\nCREATE INDEX i ON a (b);\n"
    found = lint([Script("V002_b.up.sql", text), Script(UP, text)])
    assert [(each.file, each.line) for each in found] == [
        (UP, 1), (UP, 2), ("V002_b.up.sql", 1), ("V002_b.up.sql", 2),
    ]  # fmt: skip


def test_what_is_no_sql_is_an_error() -> None:
    assert {(each.rule, each.level) for each in lint([Script(UP, "SELEC 1;")])} == {("syntax-error", Level.ERROR)}


def test_a_file_that_the_engine_cannot_read_is_a_finding_like_others() -> None:
    (found,) = lint([Script(UP, "SELECT 1;\nCOMMIT;")])
    assert (found.rule, found.level) == ("unreadable", Level.ERROR)
    assert "V001_a.up.sql:2:1: COMMIT inside a migration" in found.message


def test_limits_that_the_engine_sets_are_not_asked_for() -> None:
    assert rules("ALTER TABLE a ADD COLUMN b text;") == []


def test_a_file_in_a_transaction_need_not_be_written_to_run_twice() -> None:
    assert rules("CREATE TABLE a (b text);") == []
    assert rules("CREATE INDEX CONCURRENTLY i ON a (b);") == ["prefer-robust-stmts"]


def test_an_index_on_a_table_in_use_is_to_be_built_concurrently() -> None:
    assert rules("CREATE INDEX i ON a (b);") == ["require-concurrent-index-creation"]
    assert rules(CONCURRENTLY) == []


@pytest.mark.parametrize("comment", [
    "-- squawk-ignore ban-drop-column -- nobody reads it",
    "-- squawk-ignore ban-drop-column, prefer-text-field -- nobody reads it, since 2.0",
    "/* squawk-ignore ban-drop-column -- nobody reads it */",
    "-- squawk-ignore-file ban-drop-column -- nobody reads it",
])  # fmt: skip
def test_what_is_done_on_purpose_is_said_in_the_file_with_its_reason(comment: str) -> None:
    assert rules(f"{comment}\nALTER TABLE a DROP COLUMN b;") == []


@pytest.mark.parametrize("comment", [
    "-- squawk-ignore ban-drop-column",
    "-- squawk-ignore ban-drop-column --",
    "-- squawk-ignore ban-drop-column -- ?",
    "-- squawk-ignore-file ban-drop-column",
    "/* squawk-ignore ban-drop-column */",
    "--squawk-ignore ban-drop-column",
])  # fmt: skip
def test_an_ignore_without_a_reason_is_an_error(comment: str) -> None:
    (found,) = lint([Script(UP, f"SELECT 1;\n  {comment}\nALTER TABLE a DROP COLUMN b;")])
    assert (found.rule, found.level, found.line, found.column) == ("unexplained-ignore", Level.ERROR, 2, 3)


def test_a_way_back_without_a_statement_is_an_error() -> None:
    assert rules("-- nothing to undo\n", DOWN) == ["empty-down"]
    assert rules("-- only a note\n", UP) == []


def test_a_way_back_may_drop_what_it_likes_but_has_to_be_sql() -> None:
    assert rules("DROP TABLE a; ALTER TABLE b DROP COLUMN c;", DOWN) == []
    assert set(rules("DROP TABEL a;", DOWN)) == {"syntax-error"}
    assert rules("-- squawk-ignore ban-drop-table\nDROP TABLE a;", DOWN) == ["unexplained-ignore"]


def test_a_statement_that_could_run_in_a_transaction_does_not_belong_into_a_file_without_one() -> None:
    found = lint([Script(UP, f"SET lock_timeout = '1s';\n{CONCURRENTLY}\nCOMMENT ON TABLE a IS 'x';")])
    assert [(each.line, each.rule, each.level) for each in found] == [(3, "mixed-concurrently", Level.WARNING)]


def test_a_file_that_says_itself_that_it_has_no_transaction_may_hold_what_it_likes() -> None:
    assert rules("-- dashdb:no-transaction\nUPDATE a SET b = 1;\nCALL in_batches();") == []


def test_a_missing_squawk_is_told_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(linter, "distribution", missing)
    with pytest.raises(LinterMissing, match=r"pip install 'dashboard-database-operator\[lint\]'") as caught:
        lint([Script(UP, "SELECT 1;")])
    assert caught.value.exit_code == 2
    ours = lint([Script(DOWN, ""), Script(UP, "DROP TABLE a;")], without_squawk=True)
    assert [each.rule for each in ours] == ["empty-down"]


@pytest.mark.parametrize("program", ["#!/bin/sh\necho no json\n", "#!/bin/sh\nexec sleep 60\n"])
def test_a_squawk_that_does_not_answer_is_given_up(
    program: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path_factory.mktemp("bin") / "squawk"
    fake.write_text(program)
    fake.chmod(0o755)
    monkeypatch.setattr(linter, "squawk_program", lambda: fake)
    monkeypatch.setattr(linter, "TIMEOUT", 0.2)
    with pytest.raises(InternalError, match=r"V001_a\.up\.sql: squawk gave no answer"):
        lint([Script(UP, "SELECT 1;")])


def test_a_version_without_a_down_migration_is_a_warning_of_the_folder() -> None:
    (found,) = linter.without_down(parse({"1_a.up.sql": b"", "2_b.up.sql": b"", "2_b.down.sql": b""}))
    assert str(found).startswith("1_a.up.sql:1:1: warning: This version has no down migration")


def test_a_transaction_of_the_file_is_no_finding() -> None:
    assert rules("BEGIN;\nCREATE TABLE a (n bigint);\nCOMMIT;\n") == []
