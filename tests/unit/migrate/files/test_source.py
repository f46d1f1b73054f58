"""A folder of migrations is read again when it changes, and only then."""

import os
from pathlib import Path

import pytest

from controller.errors import ConfigurationError, MigrationFileError
from controller.migrate.files.source import MigrationSource


def write(folder: Path, version: int, text: str = "SELECT 1;") -> None:
    for direction in ("up", "down"):
        (folder / f"V{version:03}_a.{direction}.sql").write_text(text)


def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    write(tmp_path, 1)
    source = MigrationSource(tmp_path)
    assert source.read() is source.read()


def test_a_new_an_edited_and_a_removed_file_are_noticed(tmp_path: Path) -> None:
    write(tmp_path, 1)
    source = MigrationSource(tmp_path, check_seconds=0)
    assert len(source.read()) == 1
    write(tmp_path, 2)
    assert len(source.read()) == 2
    write(tmp_path, 2, "SELECT 'longer';")
    assert source.read()[1].up.text == "SELECT 'longer';"
    for path in tmp_path.glob("V002*"):
        path.unlink()
    assert len(source.read()) == 1


def test_an_edit_that_keeps_the_length_is_noticed_by_its_time(tmp_path: Path) -> None:
    write(tmp_path, 1)
    source = MigrationSource(tmp_path, check_seconds=0)
    source.read()
    write(tmp_path, 1, "SELECT 2;")
    os.utime(tmp_path / "V001_a.up.sql", ns=(1, 1))
    assert source.read()[0].up.text == "SELECT 2;"


def test_a_file_that_is_edited_in_place_is_noticed_when_its_look_is_due(tmp_path: Path) -> None:
    write(tmp_path, 1)
    source = MigrationSource(tmp_path, check_seconds=3600)
    before = source.read()
    write(tmp_path, 1, "SELECT 'edited';")
    assert source.read() is before
    write(tmp_path, 2)  # the folder itself has changed
    assert [m.up.text for m in source.read()] == ["SELECT 'edited';", "SELECT 1;"]


def test_a_mended_file_needs_no_new_source(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (tmp_path / "V002_b.down.sql").write_text("SELECT 1;")
    source = MigrationSource(tmp_path)
    for _ in range(2):
        with pytest.raises(MigrationFileError, match="its up migration is missing"):
            source.read()
    (tmp_path / "V002_b.up.sql").write_text("SELECT 1;")
    assert len(source.read()) == 2


def test_a_folder_that_vanishes_is_told_and_one_that_returns_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    write(folder, 1)
    source = MigrationSource(folder)
    source.read()
    folder.rename(tmp_path / "elsewhere")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="no such folder"):
            source.read()
    (tmp_path / "elsewhere").rename(folder)
    assert len(source.read()) == 1


def test_a_folder_is_swapped_at_once_as_kubelet_does(tmp_path: Path) -> None:
    """A mounted ConfigMap: names are links through `..data`, which is replaced in one step."""
    for number, text in ((1, "SELECT 1;"), (2, "SELECT 'two';")):
        (tmp_path / f"..{number}").mkdir()
        write(tmp_path / f"..{number}", 1, text)
    (tmp_path / "..data").symlink_to("..1")
    for direction in ("up", "down"):
        (tmp_path / f"V001_a.{direction}.sql").symlink_to(f"..data/V001_a.{direction}.sql")
    source = MigrationSource(tmp_path)
    assert source.read()[0].up.text == "SELECT 1;"
    (tmp_path / "..next").symlink_to("..2")
    (tmp_path / "..next").rename(tmp_path / "..data")
    assert source.read()[0].up.text == "SELECT 'two';"
