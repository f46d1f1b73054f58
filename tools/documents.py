"""The site of the documents, which mkdocs builds of docs/: what of the repository outside of docs/ belongs to it.

Links between documents are written for a reader of the repository. In the site they lead to the same files: README.md
is its first page, the other documents are pages, and files that are linked are copied. A folder has no page.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
CODE_OR_LINK = re.compile(
    r"(?:^```.*?^```|^ {4}.*?$|`[^`\n]*`)|\[(?P<text>[^\[\]]*)\]\((?!\w+:|#)(?P<path>[^)\s#]+)(?P<anchor>[^)\s]*)\)",
    re.MULTILINE | re.DOTALL,
)
"""Code, in which nothing is a link, or a link to another file."""


def slug(heading: str, separator: str = "-") -> str:
    """Return the anchor of a heading, made as GitHub and GitLab make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def documents() -> list[str]:
    """Return the paths of all documents, from the root of the repository."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)


def site_path(path: str) -> str:
    """Return the path below docs/ under which mkdocs knows a file of the repository."""
    if path == "README.md":
        return "index.md"
    return path.removeprefix("docs/") if path.startswith("docs/") or path.endswith(".md") else f"files/{path}"


def for_site(text: str, document: str) -> str:
    """Return the TEXT of a document with links for its place in the site."""

    def linked(found: re.Match[str]) -> str:
        target = _target(found, document)
        if target is None:
            return found[0]
        if (ROOT / target).is_dir():
            return found["text"]
        here = posixpath.dirname(site_path(document))
        return f"[{found['text']}]({posixpath.relpath(site_path(target), here)}{found['anchor']})"

    return CODE_OR_LINK.sub(linked, text)


def _target(found: re.Match[str], document: str) -> str | None:
    """Return the file of the repository that a link leads to; None for code."""
    path = found["path"]
    return path and posixpath.normpath(posixpath.join(posixpath.dirname(document), path))


def _linked_files() -> Iterator[str]:
    """Yield files outside of docs/ that documents link to and that are none themselves."""
    for document in documents():
        for found in CODE_OR_LINK.finditer((ROOT / document).read_text()):
            target = _target(found, document)
            if target and site_path(target).startswith("files/") and (ROOT / target).is_file():
                yield target


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give headings the anchors that links name; mkdocs calls this."""
    config.mdx_configs["toc"] = {"slugify": slug}
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside of docs/; mkdocs calls this."""
    outside = [name for name in documents() if not name.startswith("docs/")]
    for path in sorted({*outside, *_linked_files()}):
        files.append(File.generated(config, site_path(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Return the text of a page with links for its place in the site; mkdocs calls this."""
    [document] = [name for name in documents() if site_path(name) == page.file.src_uri]
    return for_site(markdown, document)
