"""Writes a new version wherever the version of the program stands by hand: `make version TO=X.Y.Z` runs it."""

import re
from pathlib import Path

import click

from controller import __version__
from tools.kustomize import ROOT

VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def places() -> list[Path]:
    """Return the files in which the version stands, and no other number that could be the same."""
    by_name = ("controller/__init__.py", "Dockerfile", "docs/tutorial.md")
    return [*(ROOT / name for name in by_name), *sorted((ROOT / "manifests").rglob("*.yaml"))]


def with_version(text: str, old: str, new: str) -> str:
    """Return TEXT with NEW in place of each OLD that is a whole version."""
    return re.sub(rf"(?<![\d.]){re.escape(old)}(?![\d.])", new, text)


@click.command(epilog="Example: python -m tools.version 0.2.0")
@click.argument("new")
def main(new: str) -> None:
    """Write the version NEW; the chart and the bundle are generated from what is written."""
    if not VERSION.fullmatch(new):
        raise click.BadParameter(f"{new!r} is no version: write three numbers, such as 0.2.0.")
    for path in places():
        text = path.read_text()
        if (written := with_version(text, __version__, new)) != text:
            path.write_text(written)
            click.echo(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
