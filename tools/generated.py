"""Files that are written from others, and the check that they are what was written last."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click


def write_files(folder: Path, files: Mapping[str, str], *, check: bool, command: str, whole: str | None = None) -> None:
    """Write FILES, texts by their paths below FOLDER, where they differ; with CHECK, write nothing and end with 1.

    WHOLE is a folder below FOLDER that holds no other files.
    """
    present = [path.relative_to(folder).as_posix() for path in (folder / whole).glob("*")] if whole else []
    surplus = [name for name in present if name not in files]
    written = {name: (folder / name).read_text() for name in files if (folder / name).is_file()}
    stale = [name for name, text in files.items() if written.get(name) != text]
    if check:
        for name in stale + surplus:
            click.echo(f"{folder.name}/{name} is not what manifests/ say: run {command}", err=True)
        sys.exit(1 if stale or surplus else 0)
    for name in stale:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(files[name])
    for name in surplus:
        (folder / name).unlink()
