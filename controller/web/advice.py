"""Entries of docs/troubleshooting.md, which the page of a database shows for its reasons. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from controller.health.report import Key

_ENTRY = re.compile(r"^### (\w+)\n\n(.*?)(?=\n\n### |\s*\Z)", re.MULTILINE | re.DOTALL)
_PARAGRAPH = re.compile(r"^- (?=Confirm: |Mend: )", re.MULTILINE)
_SPAN = re.compile(r"`(?P<code>[^`]+)`|\[(?P<label>[^\]]+)\]\((?P<target>[^)]+)\)")


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a text.

    Attributes:
        code: True for what a person types, or for a name.
        reason: reason to whose entry the text leads; empty for none.
    """

    text: str
    code: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """Entry of one reason: its paragraphs say what users feel, how to confirm it and how to mend it."""

    reason: str
    paragraphs: tuple[tuple[Span, ...], ...]


def split_entries(document: str) -> dict[str, str]:
    """Return the text of each entry of the document, in Markdown, by its reason."""
    return dict(_ENTRY.findall(document))


def entries_of(reasons: Iterable[str], texts: Mapping[str, str], key: Key) -> tuple[Entry, ...]:
    """Return the entries of REASONS for the database of KEY, and of the reasons to which these lead.

    Args:
        texts: see `split_entries`; a reason that is not in them is left out.
    """
    linked = {match.lower(): match for match in texts}
    found: dict[str, Entry] = {}
    waiting = list(dict.fromkeys(reasons))
    while waiting:
        reason = waiting.pop(0)
        if reason in texts and reason not in found:
            found[reason] = _entry(reason, _filled_in(texts[reason], key), linked)
            waiting += [span.reason for paragraph in found[reason].paragraphs for span in paragraph if span.reason]
    return tuple(found.values())


def _filled_in(text: str, key: Key) -> str:
    """Return the text with the resource in the place of the one in the examples; in the sidecar there is none."""
    namespace, name = key
    if not namespace:
        return text
    return text.replace(" perses -n team-a", f" {name} -n {namespace}").replace(" -n team-a", f" -n {namespace}")


def _entry(reason: str, text: str, linked: Mapping[str, str]) -> Entry:
    paragraphs = (" ".join(paragraph.split()) for paragraph in _PARAGRAPH.split(text))
    return Entry(reason, tuple(tuple(_spans(paragraph, linked)) for paragraph in paragraphs))


def _spans(text: str, linked: Mapping[str, str]) -> Iterator[Span]:
    """Yield the parts of a text in Markdown: code, links, and what is between them."""
    end = 0
    for match in _SPAN.finditer(text):
        if match.start() > end:
            yield Span(text[end : match.start()])
        end = match.end()
        if match["code"]:
            yield Span(match["code"], code=True)
        elif match["target"].startswith("#"):
            yield Span(match["label"], reason=linked[match["target"][1:]])
        else:  # another document, which this program does not serve
            document = match["target"].partition("#")[0]
            path = document.removeprefix("../") if document.startswith("../") else f"docs/{document}"
            yield Span(f"{match['label']} ({path})")
    if end < len(text):
        yield Span(text[end:])
