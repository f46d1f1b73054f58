"""Findings of the linter for people: one line for each rule, since a history of hundreds of files has thousands."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # squawk's module is loaded only by the commands that need it
    from controller.migrate.files.lint import Finding


def rules_of(findings: "Sequence[Finding]") -> "Iterator[tuple[str, Sequence[Finding]]]":
    """Yield each rule with its findings: errors first, then the rules with the most findings."""
    by_rule = sorted(findings, key=lambda finding: finding.rule)
    groups = [(rule, tuple(found)) for rule, found in groupby(by_rule, key=lambda finding: finding.rule)]
    return iter(sorted(groups, key=lambda group: (group[1][0].level, -len(group[1]), group[0])))


def summary_of(findings: "Sequence[Finding]") -> Iterable[str]:
    """Yield one line for each rule: how often it was broken, in how many files, where first, and what to do."""
    for rule, found in rules_of(findings):
        first, files = min(found), len({finding.file for finding in found})
        if len(found) == 1:
            yield str(first)
        else:
            among = "1 file" if files == 1 else f"{files} files"
            text = f"{first.message} {first.help}".strip()
            at = f"{first.file}:{first.line}:{first.column}"
            yield f"{len(found)} times in {among}, first at {at}: {first.level}: {text} [{rule}]"
