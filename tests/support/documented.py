"""Commands in the documents: those of code blocks, and those inside of a sentence."""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.walked import steps

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([a-z_]+ [^`\n]+)`")


@dataclass(frozen=True, order=True)
class Documented:
    """A command, and the document that has it.

    Attributes:
        text: as one line, with comment and pipe.
    """

    text: str
    document: str

    @property
    def words(self) -> list[str]:
        """Words of the command up to its first pipe, redirection or comment."""
        lexer = shlex.shlex(self.text, posix=True, punctuation_chars="|<>;&")
        lexer.whitespace_split = True
        words = []
        for word in lexer:
            if word[0] in "|<>;&":
                break
            words.append(word)
        return words

    @property
    def program(self) -> str:
        return self.text.split(maxsplit=1)[0]


def in_blocks() -> list[Documented]:
    """Return every line of a console block, or of an indented one, in all documents."""
    return [Documented(line, _name(path)) for path in DOCUMENTS for line in _block_lines(path.read_text())]


def in_sentences(programs: Iterable[str]) -> list[Documented]:
    """Return every command of one of PROGRAMS that stands in a sentence."""
    found = [(match, path) for path in DOCUMENTS for match in _INLINE.findall(_without_blocks(path.read_text()))]
    return [Documented(text, _name(path)) for text, path in found if text.split()[0] in programs]


def once(commands: Iterable[Documented]) -> list[Documented]:
    """Return each text once, in the order of the alphabet."""
    return sorted({each.text: each for each in commands}.values())


def _block_lines(text: str) -> Iterator[str]:
    for step in steps(text):
        if step.language == "console":
            yield re.sub(r"\\\n\s*", "", step.text)


def _without_blocks(text: str) -> str:
    return re.sub(r"^ {4}\S.*$", "", _FENCED.sub("", text), flags=re.MULTILINE)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
