"""The site of the documents: every link in it leads somewhere, and nothing of it comes from another host."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tools.documents import ROOT, documents, for_site, site_path

LOADED = {"href": ("link",), "src": ("audio", "embed", "iframe", "img", "input", "script", "source", "track", "video")}
"""Attributes that a browser follows by itself, and the elements in which it does."""
OF_A_STYLE = re.compile(r"url\(\s*['\"]?(?!data:)([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Page(HTMLParser):
    """A page of the site.

    Attributes:
        loaded: addresses that a browser asks by itself.
        links: addresses that a reader may follow.
        anchors: ids of its elements.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if tag in LOADED.get(name, ()):
                self.loaded.append(value or "")
            elif (tag, name) == ("a", "href"):
                self.links.append(value or "")
            elif name == "id":
                self.anchors.add(value or "")


def build(repository: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of REPOSITORY, as `make docs` does."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(into)]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("site")
    done = build(ROOT, into)
    assert done.returncode == 0, done.stderr
    return into


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """The pages by their files; not that of an unknown address, whose links only a server can know."""
    return {path: Page(path.read_text()) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_document_is_a_page(pages: dict[Path, Page], site: Path) -> None:
    written = {site / Path(site_path(name)).with_suffix(".html") for name in documents()}
    indexes = {path.with_name("index.html") if path.name == "README.html" else path for path in written}
    assert indexes | {site / "search.html"} == pages.keys()


def test_nothing_is_loaded_from_another_host(pages: dict[Path, Page], site: Path) -> None:
    loaded = [address for page in pages.values() for address in page.loaded]
    assert len(loaded) > len(pages), "style and scripts are found"
    styles = [found for path in site.rglob("*.css") for found in OF_A_STYLE.findall(path.read_text())]
    assert styles
    everything = [*loaded, *(first or second for first, second in styles)]
    assert [address for address in everything if urlsplit(address).netloc or urlsplit(address).scheme] == []


def test_every_link_leads_to_a_file_and_a_heading_of_the_site(pages: dict[Path, Page]) -> None:
    assert [broken for path, page in pages.items() for broken in broken_links(path, page, pages)] == []


def broken_links(path: Path, page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    """Yield the links of PAGE within the site that lead nowhere."""
    for link in page.links:
        parts = urlsplit(link)
        if parts.netloc or parts.scheme:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        known = target.is_file() and (not parts.fragment or unquote(parts.fragment) in pages[target].anchors)
        if not known:
            yield f"{path.name}: {link}"


def test_files_that_documents_link_to_are_copied(site: Path) -> None:
    copied = [path for path in (site / "files").rglob("*") if path.is_file()]
    assert site / "files/manifests/samples/dashboarddatabase-full.yaml" in copied
    assert all(path.read_bytes() == (ROOT / path.relative_to(site / "files")).read_bytes() for path in copied)


@pytest.mark.parametrize("link", ["none.md", "architecture.md#no-such", "../manifests/none.yaml", "/glossary.md"])
def test_a_link_that_leads_nowhere_ends_the_build_with_an_error(link: str, tmp_path: Path) -> None:
    for name in ("docs", "manifests", "charts", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("LICENSE", "mkdocs.yml", *(name for name in documents() if "/" not in name)):
        shutil.copy(ROOT / name, tmp_path / name)
    with (tmp_path / "docs" / "glossary.md").open("a") as file:
        file.write(f"\n[broken]({link})\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode == 1
    assert "'glossary.md' contains" in done.stderr
    assert "Aborted with 1 warnings" in done.stdout


@pytest.mark.parametrize(
    ("document", "text", "in_site"),
    [
        ("README.md", "[a](docs/release.md#b)", "[a](release.md#b)"),
        ("README.md", "![a](docs/pictures/x.png)", "![a](pictures/x.png)"),
        ("README.md", "[a](manifests/samples/)", "a"),
        ("docs/release.md", "[a](../README.md#limits)", "[a](index.md#limits)"),
        ("docs/reference/spec.md", "[`a`\nb](../../manifests/x.yaml)", "[`a`\nb](../files/manifests/x.yaml)"),
        ("docs/decisions/README.md", "[a](0001-b.md)", "[a](0001-b.md)"),
        ("README.md", "[a](#b) [c](https://d.example/docs/e.md)", "[a](#b) [c](https://d.example/docs/e.md)"),
        ("README.md", "`[a](docs/b.md)`\n```\n[a](docs/b.md)\n```\n\n    [a](docs/b.md)", None),
    ],
)
def test_links_lead_to_the_same_file_in_the_site(document: str, text: str, in_site: str | None) -> None:
    assert for_site(text, document) == (text if in_site is None else in_site)
