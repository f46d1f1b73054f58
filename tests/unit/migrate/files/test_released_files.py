"""Migrations that databases have applied never change: another text would be ChecksumMismatch in each of them."""

from controller.migrate.files.folder import packaged_folder, read_folder

RELEASED = {
    1: "0cbdab70162dd8570745660bf6b705c948bb8d9671669ea7b1faa0c06f4edcec",
}
"""Digest of each version's up file; a new version gets a new line, and no line is ever changed."""


def test_no_version_differs_from_what_was_released() -> None:
    migrations = read_folder(packaged_folder())
    assert {each.version: each.up.sha256 for each in migrations} == RELEASED
