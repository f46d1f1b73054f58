"""Migrations for tests, written as a map of file name to text."""

from controller.migrate.files.folder import parse
from controller.migrate.files.migration import Migrations


def migrations(*names: str, **texts: str) -> Migrations:
    """NAMES such as `V001_a` get an up and a down of one statement each, or what TEXTS say for `V001_a_up`."""
    contents: dict[str, bytes] = {}
    for name in names:
        for direction in ("up", "down"):
            text = texts.get(f"{name}_{direction}", f"SELECT '{name} {direction}';\n")
            contents[f"{name}.{direction}.sql"] = text.encode()
    return parse(contents)


def pairs(contents: dict[str, str]) -> Migrations:
    """Return the migrations of CONTENTS, texts of up files by name; a missing down file is one harmless statement."""
    files: dict[str, bytes] = {}
    for name, text in contents.items():
        files[name] = text.encode()
        files.setdefault(name.replace(".up.", ".down."), b"SELECT 1;")
    return parse(files)
