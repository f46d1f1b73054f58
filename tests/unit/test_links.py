"""Links between the documents lead to files and headings that exist."""

import re
from functools import cache
from pathlib import Path

import pytest

from tools.documents import ROOT, documents, slug

_CODE = re.compile(r"^```.*?^```|^ {4}.*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return the anchors of the headings in a document."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return frozenset(slug(heading) for heading in headings)


def links(path: Path) -> list[str]:
    return re.findall(r"\]\((?!https?:|#?\s)([^)\s]+)\)", _CODE.sub("", path.read_text()))


def is_broken(path: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (path.parent / name).resolve() if name else path
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in anchors(target)


@pytest.mark.parametrize("document", documents())
def test_every_link_leads_somewhere(document: str) -> None:
    path = ROOT / document
    assert [link for link in links(path) if is_broken(path, link)] == []


def test_a_broken_link_would_be_found() -> None:
    readme = ROOT / "README.md"
    assert is_broken(readme, "docs/none.md")
    assert is_broken(readme, "#no-such-heading")
    assert not is_broken(readme, "docs/troubleshooting.md#stale")
    assert len(links(readme)) > 10
