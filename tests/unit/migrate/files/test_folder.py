"""Migration files: which names, which bytes, and what an error tells."""

from pathlib import Path

import pytest

from controller.errors import ConfigurationError, MigrationFileError
from controller.migrate.files.folder import is_packaged, packaged_folder, parse, read_folder, read_script
from controller.migrate.files.migration import Script
from tests.unit.migrate.folders import migrations


def refusal(*names: str, data: bytes = b"SELECT 1;") -> str:
    with pytest.raises(MigrationFileError) as caught:
        parse(dict.fromkeys(names, data))
    assert caught.value.exit_code == 2
    return caught.value.message


def test_versions_come_in_their_order_and_not_in_that_of_the_names() -> None:
    found = migrations("V10_j", "V9_i", "8_h")
    assert [(m.version, m.description, m.up.name) for m in found] == [
        (8, "h", "8_h.up.sql"),
        (9, "i", "V9_i.up.sql"),
        (10, "j", "V10_j.up.sql"),
    ]


@pytest.mark.parametrize("name", ["V001_add_labels", "1_add_labels", "v1_add_labels", "000001_add_labels"])
def test_our_names_and_those_of_golang_migrate_are_read(name: str) -> None:
    (migration,) = migrations(name)
    assert (migration.version, migration.description) == (1, "add labels")


@pytest.mark.parametrize(
    "name",
    [
        "V001.up.sql",
        "V001_.up.sql",
        "V001_a.sql",
        "V001_a.UP.sql",
        "V001_a.up.SQL",
        "V001-a.up.sql",
        "V_a.up.sql",
        "V1.1_a.up.sql",
        "R__a.up.sql",
        "V0_a.up.sql",
        "000_a.up.sql",
        "V٣_a.up.sql",
        "V9223372036854775808_a.up.sql",
        " V001_a.up.sql",
    ],
)
def test_a_name_that_cannot_be_read_is_told_with_one_that_can(name: str) -> None:
    message = refusal(name)
    assert message.startswith(f"{name}: ")
    assert "V002_add_labels.up.sql" in message


@pytest.mark.parametrize(
    "names", [("V002_a.up.sql", "V002_b.up.sql"), ("V001_a.up.sql", "1_a.up.sql"), ("V001_a.up.sql", "V01_a.up.sql")]
)
def test_two_files_for_one_version_are_both_named(names: tuple[str, str]) -> None:
    message = refusal(*names)
    assert names[0] in message
    assert names[1] in message


def test_a_missing_number_is_named_with_its_neighbours() -> None:
    message = refusal("V001_a.up.sql", "V001_a.down.sql", "V003_c.up.sql", "V003_c.down.sql")
    assert message.startswith("V003_c.up.sql: version 2 is missing")
    assert "V001_a.up.sql" in message


def test_dates_may_have_gaps_and_may_follow_numbers() -> None:
    found = migrations("V1_a", "V2_b", "V20260131_c", "V20260401120000_d")
    assert [m.version for m in found] == [1, 2, 20260131, 20260401120000]


@pytest.mark.parametrize("there", ["up", "down"])
def test_a_missing_half_is_named(there: str) -> None:
    missing = "down" if there == "up" else "up"
    message = refusal(f"V001_up.up.{there}.sql")
    wanted = f"V001_up.up.{missing}.sql"
    assert message == f"V001_up.up.{there}.sql: its {missing} migration is missing. Write {wanted} in the same folder."


def test_halves_of_two_migrations_are_no_pair() -> None:
    message = refusal("V002_add_labels.up.sql", "V002_drop_users.down.sql")
    assert "V002_add_labels.up.sql" in message
    assert "V002_drop_users.down.sql" in message


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"SELECT 1;\n-- caf\xe9\n", "V001_a.up.sql:2:7: not UTF-8"),
        ("SELECT 1;".encode("utf-16"), "V001_a.up.sql:1:1: not UTF-8"),
        ("SELECT 1;".encode("utf-16-le"), "V001_a.up.sql:1:2: a NUL byte"),
        (b"SELECT 1;\n\n\0", "V001_a.up.sql:3:1: a NUL byte"),
    ],
)
def test_what_is_no_utf8_text_is_told_with_its_place(data: bytes, told: str) -> None:
    assert refusal("V001_a.up.sql", data=data).startswith(told)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    (with_mark,) = parse({"V1_a.up.sql": b"\xef\xbb\xbfSELECT 1", "V1_a.down.sql": b""})
    assert with_mark.up.statements[0].text == "SELECT 1"
    assert with_mark.up.sha256 == migrations("V1_a", V1_a_up="SELECT 1")[0].up.sha256


def test_the_checksum_is_that_of_the_text_whatever_its_line_ends_are() -> None:
    (unix,) = migrations("V1_a", V1_a_up="SELECT 1;\nSELECT 2;\n")
    (windows,) = migrations("V1_a", V1_a_up="SELECT 1;\r\nSELECT 2;\r\n")
    (other,) = migrations("V1_a", V1_a_up="SELECT 1;\nSELECT 3;\n")
    assert unix.up.sha256 == windows.up.sha256 != other.up.sha256
    assert unix.up.sha256 == "82efb67f3010c6eb7ead02e4f6d9550633dbc1407f99aa487468e7b2567aebbc"


@pytest.mark.parametrize(
    "word", ["BEGIN", "begin transaction", "START TRANSACTION", "COMMIT", "END", "ROLLBACK", "ABORT"]
)
def test_a_statement_that_would_end_the_transaction_is_refused_with_its_place(word: str) -> None:
    (migration,) = migrations("V1_a", V1_a_up=f"SELECT 1;\n/* done */ {word};\n")
    with pytest.raises(
        MigrationFileError, match=rf"V1_a\.up\.sql:2:12: {word.upper().partition(' ')[0]} inside a migration"
    ):
        _ = migration.up.statements


def test_preparing_a_transaction_is_refused_and_preparing_a_statement_is_not() -> None:
    with pytest.raises(MigrationFileError):
        _ = migrations("V1_a", V1_a_up="PREPARE /* a */ TRANSACTION 'x'")[0].up.statements
    assert len(migrations("V1_a", V1_a_up="PREPARE x AS SELECT 1")[0].up.statements) == 1


def test_words_of_transactions_inside_bodies_are_no_matter() -> None:
    text = "DO $$ BEGIN PERFORM 1; END $$; CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;"
    assert len(migrations("V1_a", V1_a_up=text)[0].up.statements) == 2


def test_a_folder_is_read_without_hidden_files_and_those_of_other_kinds(tmp_path: Path) -> None:
    for name in ("V001_a.up.sql", "V001_a.down.sql"):
        (tmp_path / name).write_text("SELECT 1;")
    for name in ("README.md", "._V001_a.up.sql", "V002_b.up.sql.orig"):
        (tmp_path / name).write_bytes(b"\0\xff")
    (tmp_path / ".#V001_a.up.sql").symlink_to("ann@laptop.1234")
    (tmp_path / "old").mkdir()
    assert [m.version for m in read_folder(tmp_path)] == [1]


def test_a_folder_that_is_not_there_or_holds_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder"):
        read_folder(tmp_path / "absent")
    with pytest.raises(ConfigurationError, match="no migration in it"):
        read_folder(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "V001_a.up.sql").symlink_to("absent")
    with pytest.raises(ConfigurationError, match=r"V001_a\.up\.sql: cannot be read"):
        read_folder(tmp_path)
    (tmp_path / "V001_a.up.sql").unlink()
    (tmp_path / "V001_a.up.sql").mkdir()
    with pytest.raises(ConfigurationError, match=r"V001_a\.up\.sql: cannot be read"):
        read_folder(tmp_path)


def test_the_packaged_migrations_are_whole() -> None:
    found = read_folder(packaged_folder())
    assert [m.version for m in found] == list(range(1, len(found) + 1))
    assert all(m.up.statements and m.down.statements for m in found)


def test_one_file_may_be_read_alone_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "notes.sql").write_bytes(b"\xef\xbb\xbfSELECT 1;")
    assert read_script(tmp_path / "notes.sql") == Script("notes.sql", "SELECT 1;")


def test_one_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.sql: cannot be read \(No such file or directory\)"):
        read_script(tmp_path / "nothing.sql")
    (tmp_path / "bad.sql").write_bytes(b"\xff")
    with pytest.raises(MigrationFileError, match=r"bad\.sql:1:1: not UTF-8"):
        read_script(tmp_path / "bad.sql")


def test_the_migrations_of_a_checkout_are_no_part_of_an_installation(tmp_path: Path) -> None:
    assert not is_packaged(packaged_folder())
    assert not is_packaged(tmp_path)
