"""Lines that name the versions for which a file stands."""

import pytest

from controller.errors import MigrationFileError
from controller.migrate.files.folder import parse
from controller.migrate.files.migration import Script
from controller.migrate.files.replaces import MOST_REPLACED, format_versions, parse_versions, replaced_by

LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("1-5", {1, 2, 3, 4, 5}),
        ("1-3, 5", {1, 2, 3, 5}),
        (" 7 ,8", {7, 8}),
        ("0-1", {0, 1}),
        ("20260131120000, 20260201080000", {20260131120000, 20260201080000}),
        (f"{LARGEST - 1}-{LARGEST}", {LARGEST - 1, LARGEST}),
    ],
)
def test_versions_are_numbers_and_ranges(text: str, versions: set[int]) -> None:
    assert parse_versions(text) == versions
    assert parse_versions(format_versions(versions)) == versions


@pytest.mark.parametrize(
    "text", ["", "1-", "-1", "5-1", "1 5", "1,", "V1", "1-5;", f"1-{MOST_REPLACED + 1}", "1-9999999999999999999"]
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(MigrationFileError, match=r"V6_all.up.sql: cannot read .* Write -- dashdb:replaces 1-5"):
        replaced_by(Script("V6_all.up.sql", f"-- dashdb:replaces {text}\nSELECT 1"))


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("-- dashdb:replaces 1-2\nSELECT 1", {1, 2}),
        ("\r\n-- All of it.\r\n\t-- dashdb: replaces 1-2\r\nSELECT 1", {1, 2}),
        ("-- dashdb:replaces 1\n-- dashdb:replaces 2", {1, 2}),
        ("-- dashdb:replaces 1-2", {1, 2}),
        ("-- not dashdb:replaces 1-2\nSELECT 1", set()),
        ("-- dashdb:no-transaction\nSELECT '-- dashdb:replaces'", set()),
        ("", set()),
    ],
)
def test_the_line_stands_in_the_comments_before_the_first_statement(text: str, versions: set[int]) -> None:
    assert replaced_by(Script("V6_all.up.sql", text)) == versions


def test_a_line_behind_a_statement_is_an_error_and_not_overlooked() -> None:
    with pytest.raises(MigrationFileError, match="behind a statement"):
        replaced_by(Script("V6_all.up.sql", "SELECT 1;\n-- dashdb:replaces 1-5\n"))


def folder(*names: str, **replaces: str) -> dict[str, bytes]:
    """Up files by NAMES, with a line for those that replace others."""
    lines = {name: f"-- dashdb:replaces {versions}\n".encode() for name, versions in replaces.items()}
    return {f"{name}.up.sql": lines.get(name, b"") + b"SELECT 1;" for name in (*names, *replaces)}


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (folder("V1_a", V2_all="1-2"), r"V2_all.up.sql: it replaces version 2, and can only replace lower versions"),
        (folder("V1_a", "V2_b", "V3_c", V4_all="1-2"), r"V4_all.up.sql: V3_c.up.sql lies between the versions"),
        (folder("V1_a", "V2_b", "V3_c", V4_all="2"), r"V4_all.up.sql: V3_c.up.sql lies between the versions"),
        (folder("2_b", "3_c", **{"4_all": "1-3"}), r"4_all.up.sql: it replaces version 1, .*replaces 2-3; or"),
        (folder("V1_a", "V2_b", V3_ab="1-2", V4_all="2"), r"V4_all.up.sql: V3_ab.up.sql lies between"),
    ],
)
def test_a_file_that_cannot_stand_for_what_it_names_is_refused(contents: dict[str, bytes], message: str) -> None:
    with pytest.raises(MigrationFileError, match=message):
        parse(contents)


def test_short_ranges_in_many_files_do_not_fill_the_memory() -> None:
    many = {f"{20_000 + number}_all.up.sql": b"-- dashdb:replaces 1-9999\n" for number in range(11)}
    with pytest.raises(MigrationFileError, match=r"20010_all.up.sql: .* replace more than 100000 versions"):
        parse(many)


@pytest.mark.parametrize(
    "contents",
    [
        folder("V1_a", "V2_b", "V4_d", V3_all="1-2"),
        folder("V4_d", V3_all="1-2"),
        folder("V1_a", "V5_e", V4_bc="2-3"),
        folder("V1_a", "V2_b", "V4_d", V3_ab="1-2", V5_all="3-4"),
        folder("V4_d", V3_ab="1-2", V5_all="1-4"),
        folder("V6_f", V5_all="1-4"),
    ],
)
def test_the_files_that_are_replaced_are_there_or_all_of_them_are_gone(contents: dict[str, bytes]) -> None:
    assert [each.version for each in parse(contents)] == sorted(int(name[1]) for name in contents)
