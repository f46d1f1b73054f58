"""`dashdb migrate show`, `lint` and `create`: what they print, where, and their exit codes."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.cli import root
from controller.migrate.files import folder as folders
from controller.migrate.files.folder import packaged_folder

RISKY = "ALTER TABLE a ADD COLUMN b text;\nALTER TABLE a DROP COLUMN c;\n"


def migrate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(root, ["migrate", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "V001_a.up.sql").write_text(RISKY)
    (tmp_path / "V001_a.down.sql").write_text("ALTER TABLE a DROP COLUMN b;")
    return tmp_path


def test_the_file_of_a_version_is_shown_as_it_is() -> None:
    file = packaged_folder() / "V001_initial_schema.up.sql"
    assert migrate("show", "1").stdout == file.read_text()
    assert migrate("show", "1", "--down").stdout == (packaged_folder() / "V001_initial_schema.down.sql").read_text()
    told = json.loads(migrate("show", "1", "--json").stdout)
    assert told == {"file": file.name, "sha256": sha256(file.read_bytes()).hexdigest(), "sql": file.read_text()}


def test_a_version_without_a_file_is_named(folder: Path) -> None:
    absent = migrate("show", "7", "--path", folder)
    assert (absent.exit_code, "No file has version 7; the newest is 1." in absent.stderr) == (2, True)
    (folder / "V001_a.down.sql").unlink()
    one_way = migrate("show", "1", "--down", "--path", folder)
    assert (one_way.exit_code, "V001_a.down.sql is not there" in one_way.stderr) == (2, True)


def test_the_packaged_migrations_have_no_finding() -> None:
    done = migrate("lint", "--strict")
    assert (done.exit_code, done.stdout) == (0, "Nothing found in 2 files.\n")


def test_a_warning_is_shown_and_fails_only_where_that_was_asked_for(folder: Path) -> None:
    done = migrate("lint", "--path", folder)
    assert done.stdout.splitlines() == [
        "V001_a.up.sql:2:15: warning: Dropping a column may break existing clients. [ban-drop-column]",
        "0 errors, 1 warning in 2 files.",
    ]
    assert done.exit_code == 0
    assert migrate("lint", "--path", folder, "--strict").exit_code == 1


def test_a_rule_that_is_broken_often_is_one_line_and_all_places_are_shown_on_demand(folder: Path) -> None:
    for number in (2, 3):
        (folder / f"V00{number}_b.up.sql").write_text(RISKY)
        (folder / f"V00{number}_b.down.sql").write_text("SELECT 1;")
    grouped, detailed = migrate("lint", "--path", folder), migrate("lint", "--path", folder, "--details")
    assert grouped.stdout.splitlines() == [
        "3 times in 3 files, first at V001_a.up.sql:2:15: warning: Dropping a column may break existing clients. "
        "[ban-drop-column]",
        "0 errors, 3 warnings in 6 files.",
    ]
    places = [line.split(" ")[0] for line in detailed.stdout.splitlines()[:-1]]
    assert places == ["V001_a.up.sql:2:15:", "V002_b.up.sql:2:15:", "V003_b.up.sql:2:15:"]
    told = json.loads(migrate("lint", "--path", folder, "--json").stdout)
    assert told["rules"] == [{"rule": "ban-drop-column", "level": "warning", "count": 3}]
    assert len(told["findings"]) == 3


def test_errors_come_before_warnings(folder: Path) -> None:
    (folder / "V001_a.down.sql").write_text("-- nothing")
    rules = [line.rpartition("[")[2] for line in migrate("lint", "--path", folder).stdout.splitlines()[:2]]
    assert rules == ["empty-down]", "ban-drop-column]"]


def test_a_file_that_cannot_be_read_has_its_place_in_the_error_for_machines(folder: Path) -> None:
    (folder / "V002_b.up.sql").write_bytes(b"SELECT 1;\n  SELECT '\xff';")
    told = json.loads(migrate("lint", "--path", folder, "--json").stdout)
    assert (told["error"], told["file"], told["line"], told["column"]) == (
        "MigrationFileInvalid", "V002_b.up.sql", 2, 11,
    )  # fmt: skip


def test_an_error_fails(folder: Path) -> None:
    (folder / "V001_a.down.sql").write_text("")
    done = migrate("lint", "--path", folder)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0].startswith("V001_a.down.sql:1:1: error: This down migration does nothing")
    assert done.stdout.splitlines()[-1] == "1 error, 1 warning in 2 files."


def test_files_may_be_named_before_their_other_half_is_written(folder: Path) -> None:
    alone = folder / "V009_alone.up.sql"
    alone.write_text("SELECT 1;")
    assert migrate("lint", alone).stdout == "Nothing found in 1 file.\n"


def test_a_file_that_is_not_there_is_a_configuration_error(folder: Path) -> None:
    done = migrate("lint", folder / "nothing.sql")
    assert (done.exit_code, "cannot be read (No such file or directory)" in done.stderr) == (2, True)


def test_findings_for_machines_are_one_object(folder: Path) -> None:
    told = json.loads(migrate("lint", "--path", folder, "--json").stdout)
    assert (told["files"], told["errors"]) == (2, 0)
    (finding,) = told["findings"]
    assert {name: finding[name] for name in ("file", "line", "column", "rule", "level")} == {
        "file": "V001_a.up.sql", "line": 2, "column": 15, "rule": "ban-drop-column", "level": "warning",
    }  # fmt: skip


def test_create_prints_the_two_files_that_it_made(folder: Path) -> None:
    done = migrate("create", "add_labels", "--path", folder)
    assert done.exit_code == 0
    made = [Path(line) for line in done.stdout.splitlines()]
    assert made == [folder / "V002_add_labels.up.sql", folder / "V002_add_labels.down.sql"]
    assert all(path.is_file() for path in made)


def test_create_for_machines_is_one_object(folder: Path) -> None:
    told = json.loads(migrate("create", "add_labels", "--path", folder, "--json").stdout)
    assert [Path(told[half]).name for half in ("up", "down")] == ["V002_add_labels.up.sql", "V002_add_labels.down.sql"]


def test_a_name_that_cannot_be_used_is_exit_2_also_for_machines(folder: Path) -> None:
    told = json.loads(migrate("create", "../x", "--path", folder, "--json").stdout)
    assert (told["error"], told["exit_code"]) == ("ConfigurationInvalid", 2)


def test_nothing_is_added_to_what_an_installation_would_replace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "is_packaged", lambda path: path == folder)
    done = migrate("create", "add_labels", "--path", folder)
    assert (done.exit_code, "Use --path" in done.stderr, len(list(folder.iterdir()))) == (2, True, 2)
