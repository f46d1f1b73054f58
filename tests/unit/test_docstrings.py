"""Docstrings begin with a verb or a noun phrase, never with a clause that needs the code to be understood."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("benchmarks", "controller", "tests", "tools")
CLAUSES = frozenset((
    "What", "Why", "How", "Where", "Whether", "Who", "Which", "As", "Of", "In", "For", "By", "With", "From", "To",
    "Until", "Above", "Below", "Between",
))  # fmt: skip
PHRASES = ("The same ",)
FUNCTION_PHRASES = ("True where ",)


def test_no_docstring_begins_with_a_clause() -> None:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    names = {path: path.relative_to(ROOT).as_posix() for path in paths}
    assert len(paths) > 350
    found = [f"{names[path]}:{line}: {text}" for path in paths for line, text in clauses(path.read_text())]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "What came of a turn.", "How it runs.", "As `run`, with the files.", "Of a database.", "To whoever waits.",
        "The same for every runner.", "True where it is there.", "returns the version.", "(hidden) a thing.",
    ],
)  # fmt: skip
def test_a_clause_or_a_fragment_is_found(text: str) -> None:
    assert clauses(f'def read():\n    """{text}"""\n') == [(2, text)]


@pytest.mark.parametrize(
    "text",
    ["Return the version.", "Plan.", "`dashdb migrate`: commands.", "3 tries at most.", "Whatever is left."],
)
def test_a_verb_or_a_noun_is_no_clause(text: str) -> None:
    assert clauses(f'def read():\n    """{text}"""\n') == []


def test_a_module_a_class_and_a_method_are_read_too() -> None:
    method = '    async def b(self):\n        """Why it is.\n\n        More."""'
    code = f'"""What it is."""\nclass A:\n    """How it is."""\n{method}'
    assert clauses(code) == [(1, "What it is."), (3, "How it is."), (5, "Why it is.")]


def test_a_class_may_be_true_where_something_holds() -> None:
    assert clauses('class A:\n    """True where it is there."""\n') == []


def clauses(code: str) -> list[tuple[int, str]]:
    """Return line and first line of each docstring that begins with a clause or a fragment."""
    return [
        (line, text)
        for line, text, of_function in first_lines(ast.parse(code))
        if is_clause(text, of_function=of_function)
    ]


def first_lines(module: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Yield line, first line of the docstring, and whether it is of a function, for all that have one."""
    for node in sorted(ast.walk(module), key=lambda each: getattr(each, "lineno", 0)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                of_function = not isinstance(node, ast.Module | ast.ClassDef)
                yield node.body[0].lineno, text.splitlines()[0], of_function


def is_clause(text: str, *, of_function: bool) -> bool:
    first = text.split(maxsplit=1)[0].strip(",.:;")
    phrases = PHRASES + (FUNCTION_PHRASES if of_function else ())
    return first in CLAUSES or text.startswith(phrases) or not (text[0].isupper() or text[0] in "`0123456789")
