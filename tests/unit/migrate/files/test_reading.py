"""Folders that hold what no migration is, and files that change while they are read."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.errors import ConfigurationError
from controller.migrate.files import reading
from controller.migrate.files.folder import TRIES, read_folder, read_script
from controller.migrate.files.source import MigrationSource

NAME = "V001_a.up.sql"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one migration, whose up file a test replaces."""
    made = tmp_path / "migrations"
    made.mkdir()
    for direction in ("up", "down"):
        (made / f"V001_a.{direction}.sql").write_text("SELECT 1;")
    return made


def refusal(folder: Path) -> str:
    """Return the error of both ways to read a folder, which is the same."""
    with pytest.raises(ConfigurationError) as caught:
        read_folder(folder)
    with pytest.raises(ConfigurationError, match="^" + caught.value.message.replace("(", r"\(").replace(")", r"\)")):
        MigrationSource(folder).read()
    return caught.value.message


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a path of a socket is short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a pipe"),
        (os.mkdir, "a folder"),
        (make_socket, "a socket"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (lambda path: path.symlink_to("/dev/stdin"), ""),
        (lambda path: path.symlink_to(path.name), ""),
    ],
    ids=["pipe", "folder", "socket", "device", "standard input", "itself"],
)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.timeout(10)
def test_what_is_no_file_is_refused_at_once_by_name(folder: Path, make: Callable[[Path], None], kind: str) -> None:
    (folder / NAME).unlink()
    make(folder / NAME)
    message = refusal(folder)
    assert message.startswith(f"{folder / NAME}: ")
    assert kind in message


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SELECT 'a secret';")
    (folder / NAME).unlink()
    (folder / NAME).symlink_to("../secret")
    assert "a link to a file outside of the folder" in refusal(folder)
    (folder / "kept").write_text("SELECT 2;")
    (folder / NAME).unlink()
    (folder / NAME).symlink_to("kept")
    assert read_folder(folder)[0].up.text == "SELECT 2;"


def test_the_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert len(read_folder(tmp_path / "link")) == 1


def test_a_file_above_the_limit_is_refused_without_reading_it(folder: Path) -> None:
    with (folder / NAME).open("wb") as file:
        file.truncate(10**9)  # a hole, which takes no room
    assert f"{NAME}: larger than 256 MiB, the limit for one file" in refusal(folder)


def test_all_files_together_have_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 3 * 1024 * 1024)
    (folder / NAME).write_bytes(b" " * 2 * 1024 * 1024)
    (folder / "V001_a.down.sql").write_bytes(b" " * 2 * 1024 * 1024)
    assert "4 MiB of migration files; 3 MiB at most" in refusal(folder)


def test_a_folder_of_too_many_files_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_FILES", 50)
    for number in range(60):
        (folder / f"{number}.txt").touch()
    assert "more than 50 files, the limit for one folder" in refusal(folder)


@pytest.fixture
def at_each_reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[Iterator[Callable[[], None]]], None]:
    """Let something happen right after each file was read."""

    def install(happenings: Iterator[Callable[[], None]]) -> None:
        real = reading._read_inside

        def read(folder: Path, name: str) -> bytes:
            content = real(folder, name)
            next(happenings, lambda: None)()
            return content

        monkeypatch.setattr(reading, "_read_inside", read)

    return install


def test_a_folder_that_is_replaced_meanwhile_is_read_as_a_whole(
    tmp_path: Path, at_each_reading: Callable[[Iterator[Callable[[], None]]], None]
) -> None:
    """A mounted ConfigMap, swapped after its first file was read."""
    for state in ("old", "new"):
        (tmp_path / f"..{state}").mkdir()
        for direction in ("up", "down"):
            (tmp_path / f"..{state}" / f"V001_a.{direction}.sql").write_text(f"SELECT '{state}';")
    (tmp_path / "..data").symlink_to("..old")
    for direction in ("up", "down"):
        (tmp_path / f"V001_a.{direction}.sql").symlink_to(f"..data/V001_a.{direction}.sql")

    def swap() -> None:
        (tmp_path / "..next").symlink_to("..new")
        (tmp_path / "..next").rename(tmp_path / "..data")

    at_each_reading(iter([swap]))
    (migration,) = read_folder(tmp_path)
    assert [script.text for script in migration.scripts] == ["SELECT 'new';", "SELECT 'new';"]


def test_a_file_that_never_stops_growing_is_given_up(
    folder: Path, at_each_reading: Callable[[Iterator[Callable[[], None]]], None]
) -> None:
    readings = 0

    def grow() -> None:
        nonlocal readings
        readings += 1
        with (folder / NAME).open("a") as file:
            file.write("--\n")

    at_each_reading(iter([grow] * 100))
    with pytest.raises(ConfigurationError, match="its files change while they are read"):
        read_folder(folder)
    assert readings == 2 * TRIES


def test_a_file_that_grows_during_its_own_reading_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, grown = os.read, False

    def read(descriptor: int, count: int) -> bytes:
        nonlocal grown
        if not grown:
            grown = True
            (folder / NAME).write_text("SELECT 1; SELECT 2;")
        return real(descriptor, count)

    monkeypatch.setattr(os, "read", read)
    assert {migration.up.text for migration in read_folder(folder)} == {"SELECT 1; SELECT 2;"}


def test_no_descriptor_is_left_open(folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    (folder / NAME).unlink()
    os.mkfifo(folder / NAME)
    for _ in range(10):
        refusal(folder)
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


def test_a_file_that_a_person_names_may_be_a_pipe_and_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"SELECT 1;")
    os.close(writer)
    try:
        assert read_script(Path(f"/dev/fd/{reader}")).text == "SELECT 1;"
    finally:
        os.close(reader)
    monkeypatch.setattr(reading, "LARGEST_FILE", 4 * 1024 * 1024)
    with pytest.raises(ConfigurationError, match="/dev/zero: larger than 4 MiB"):
        read_script(Path("/dev/zero"))
