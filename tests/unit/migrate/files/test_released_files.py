"""Migrations that databases have applied never change: another text would be ChecksumMismatch in each of them."""

from controller.migrate.files.folder import packaged_folder, read_folder

RELEASED = {
    1: "fa12de8176610067d7aef33444bf79a98ad9cf5b4283792ac85b8e6a2479a568",
}
"""Digest of each version's up file; a new version gets a new line, and no line is ever changed."""


def test_no_version_differs_from_what_was_released() -> None:
    migrations = read_folder(packaged_folder())
    assert {each.version: each.up.sha256 for each in migrations} == RELEASED
