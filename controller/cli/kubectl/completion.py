"""Completions of `kubectl dashdb`: kubectl runs `kubectl_complete-dashdb` with the words so far, and shows its output.

https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/#shell-completion-for-plugins
"""

import sys
from collections.abc import Sequence

from click.shell_completion import ShellComplete

from controller.cli.kubectl import root

NO_FILES = 4
"""Directive after which no names of files are completed: ShellCompDirectiveNoFileComp of cobra, kubectl's library."""


def completions(words: Sequence[str]) -> list[str]:
    """Return the lines to print for WORDS, of which the last one, maybe empty, is to be completed."""
    *typed, incomplete = words or [""]
    found = ShellComplete(root, {}, "kubectl dashdb", "").get_completions(typed, incomplete)
    lines = [f"{each.value}\t{each.help}" if each.help else str(each.value) for each in found if each.type == "plain"]
    return [*lines, f":{0 if any(each.type != 'plain' for each in found) else NO_FILES}"]


def main() -> None:
    """Print the completions of the words on the command line."""
    print("\n".join(completions(sys.argv[1:])))
