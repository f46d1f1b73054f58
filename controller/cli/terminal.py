"""Output of the commands as text, which may hold names and messages of a hostile server or file.

Only JSON, which escapes them itself, is printed otherwise.
"""

import sys

import click

from controller.text import one_line, printable


def echo(text: str, *, err: bool = False, fg: str | None = None, bold: bool | None = None, nl: bool = True) -> None:
    """Print a text of one or several lines."""
    click.secho(printable(text), err=err, fg=fg, bold=bold, nl=nl)


def echo_line(text: str, *, err: bool = False, fg: str | None = None) -> None:
    """Print a text that is one line, whatever the names in it hold; a very long one is cut."""
    click.secho(one_line(text), err=err, fg=fg)


def echo_lines(text: str, *, err: bool = False) -> None:
    """Print a text whose further lines, if it has any, belong to the first one and are indented."""
    first, *others = text.split("\n")
    echo_line(first, err=err)
    for line in others:
        echo_line(f"    {line}", err=err)


def echo_exactly(text: str) -> None:
    """Print a text for another program, such as SQL, of which each byte counts; a terminal must not obey it."""
    click.echo(printable(text) if sys.stdout.isatty() else text, nl=False)
