"""Tables on stdout, as wide as the terminal; in a pipe or a file no cell is wrapped."""

import sys

from rich.console import Console
from rich.table import Table

_WIDTH_ELSEWHERE = 240
"""Width in characters in a pipe or a file."""


def show(table: Table) -> None:
    Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_ELSEWHERE).print(table)
