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
        "V٣_a.up.sql",
        "V001_a.up.psql",
        "1_a.up.sql.txt",
        "1_a.down",
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


@pytest.mark.parametrize("name", [" V001_a.up.sql", "V001_a.up.sql ", "1_a.up.sql\u200b", "1_a\n.up.sql"])
def test_a_name_with_a_character_that_cannot_be_seen_is_told_in_quotes(name: str) -> None:
    assert refusal(name).startswith(f"{name!r}: cannot read this name")


@pytest.mark.parametrize("number", [2**63, 10**40])
def test_a_number_that_is_no_version_says_so(number: int) -> None:
    name = f"V{number}_a.up.sql"
    assert refusal(name).startswith(f"{name}: its number is too large. The largest is {2**63 - 1}, since")
    assert migrations(f"V{2**63 - 1}_a")[0].version == 2**63 - 1


def test_a_missing_number_is_named_with_its_neighbours() -> None:
    message = refusal("V001_a.up.sql", "V001_a.down.sql", "V003_c.up.sql", "V003_c.down.sql")
    assert message.startswith("V003_c.up.sql: version 2 is missing")
    assert "V001_a.up.sql" in message


def test_numbers_of_golang_migrate_may_have_gaps_and_begin_with_0() -> None:
    """The examples of golang-migrate itself have the versions 1, 3, 4, 5 and 7."""
    assert [m.version for m in migrations("000000_init", "1_a", "000003_b", "7_c")] == [0, 1, 3, 7]


def test_a_gap_before_a_name_with_a_v_is_an_error_whatever_is_before_it() -> None:
    message = refusal("1_a.up.sql", "V003_c.up.sql")
    assert message.startswith("V003_c.up.sql: version 2 is missing between 1_a.up.sql and this file")


def test_dates_may_have_gaps_and_may_follow_numbers() -> None:
    found = migrations("V1_a", "V2_b", "V20260131_c", "V20260401120000_d")
    assert [m.version for m in found] == [1, 2, 20260131, 20260401120000]


def test_a_missing_up_file_is_named() -> None:
    message = refusal("V001_up.down.down.sql")
    assert message == (
        "V001_up.down.down.sql: its up migration is missing. Write V001_up.down.up.sql in the same folder."
    )


def test_a_missing_down_file_makes_a_version_that_cannot_be_reverted() -> None:
    (migration,) = parse({"V001_up.up.up.sql": b"SELECT 1;"})
    assert (migration.down, migration.down_name) == (None, "V001_up.up.down.sql")
    assert migration.scripts == (migration.up,)


def test_the_number_alone_makes_a_pair_and_the_up_file_gives_the_description() -> None:
    (migration,) = parse({"000001_b.up.sql": b"", "000001_a.down.sql": b""})
    assert (migration.description, migration.down_name) == ("b", "000001_a.down.sql")


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


def test_a_folder_is_read_without_hidden_files_and_those_of_other_kinds(tmp_path: Path) -> None:
    for name in ("V001_a.up.sql", "V001_a.down.sql"):
        (tmp_path / name).write_text("SELECT 1;")
    for name in ("README.md", "._V001_a.up.sql", "V002_b.up.sql.orig", "V002_b.up.sql~", "2_b.sh", "embed.go"):
        (tmp_path / name).write_bytes(b"\0\xff")
    (tmp_path / ".#V001_a.up.sql").symlink_to("ann@laptop.1234")
    (tmp_path / "old").mkdir()
    assert [m.version for m in read_folder(tmp_path)] == [1]


@pytest.mark.parametrize("name", ["2_b.up.psql", "V002_b.up.sql ", "2_b.up.sql.txt", "schema.SQL", " 2_b.up.sql"])
def test_what_looks_like_a_migration_is_never_passed_over_in_silence(tmp_path: Path, name: str) -> None:
    (tmp_path / "1_a.up.sql").write_text("SELECT 1;")
    (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationFileError, match="cannot read this name") as caught:
        read_folder(tmp_path)
    assert name in caught.value.message


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
    assert all(script.statements for m in found for script in m.scripts)
    assert all(m.down for m in found)


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
