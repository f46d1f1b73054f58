"""The next pair of files: its number, its name, and that nothing is lost by it."""

import errno
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.errors import ConfigurationError, MigrationFileError
from controller.migrate.files.create import create, next_number
from controller.migrate.files.folder import read_folder

NOW = datetime(2026, 11, 23, 9, 40, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("names", "following"),
    [
        ([], "V001"),
        (["V001_a.up.sql", "V001_a.down.sql"], "V002"),
        (["V009_a.up.sql"], "V010"),
        (["V999_a.up.sql"], "V1000"),
        (["v1_a.up.sql"], "v2"),
        (["000001_a.up.sql", "000002_b.up.sql"], "000003"),
        (["1_a.up.sql", "9_b.up.sql", "10_c.up.sql"], "11"),
        (["20260131120000_a.up.sql"], "20261123094015"),
        (["V20260131120000_a.up.sql"], "V20261123094015"),
        (["20260131_a.up.sql"], "20261123"),
        (["20300131120000_a.up.sql"], "20300131120001"),
        (["1700000000_a.up.sql"], "1795426815"),
    ],
)
def test_numbers_follow_those_that_are_there(names: list[str], following: str) -> None:
    assert next_number(names, NOW) == following


def test_a_name_that_cannot_be_read_is_told_and_not_passed_over() -> None:
    with pytest.raises(MigrationFileError, match=r"next\.sql: cannot read this name"):
        next_number(["V001_a.up.sql", "next.sql"], NOW)


def test_a_pair_is_made_that_the_engine_reads(tmp_path: Path) -> None:
    assert [path.name for path in create(tmp_path, "add_labels")] == [
        "V001_add_labels.up.sql",
        "V001_add_labels.down.sql",
    ]
    up, down = create(tmp_path, "drop_labels")
    assert (up.name, down.name) == ("V002_drop_labels.up.sql", "V002_drop_labels.down.sql")
    assert up.read_text().startswith("-- Drop labels.\n")
    assert down.read_text() == "-- Removes what V002_drop_labels.up.sql made.\n"
    assert [(m.version, m.description, tuple(m.up.statements)) for m in read_folder(tmp_path)] == [
        (1, "add labels", ()), (2, "drop labels", ()),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", "add labels", "../x", "ä", "a.b", "x" * 81, "a\n", "-a"])
def test_a_name_that_could_mean_trouble_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be part of a file's name"):
        create(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_many_at_the_same_moment_take_different_numbers(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: create(tmp_path, f"by_{number}"), range(24)))
    assert sorted(up.name[:4] for up, _ in made) == [f"V{number:03}" for number in range(1, 25)]
    assert len(read_folder(tmp_path)) == 24


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"nowhere: no file can be created there \(No such file or directory\)"
    ):
        create(tmp_path / "nowhere", "add_labels")


def test_no_half_of_a_pair_is_left_where_the_other_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def full(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name.endswith(".down.sql"):
            raise OSError(errno.ENOSPC, "full", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        create(tmp_path, "add_labels")
    assert list(tmp_path.iterdir()) == []
