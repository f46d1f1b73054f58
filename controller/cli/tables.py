"""Tables on stdout, as wide as the terminal; in a pipe or a file no cell is wrapped."""

import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from controller.text import NAME_LENGTH, one_line

_WIDTH_ELSEWHERE = 240
"""Width in characters in a pipe or a file."""


def cell(text: str | None, style: str = "") -> Text:
    """Return a cell with a text that may be a server's: [brackets] in it are not markup."""
    return Text(one_line(text or "", NAME_LENGTH), style=style)


def show(table: Table) -> None:
    Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_ELSEWHERE).print(table)
