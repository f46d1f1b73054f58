"""Tokens are those of PostgreSQL's scanner."""

import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.migrate.sql.token_stream import Kind, decode_unicode_escapes, first_words, group_at, token_at


def tokens(text: str) -> list[tuple[Kind, str]]:
    found, position = [], 0
    while token := token_at(text, position, len(text)):
        assert token.end > token.start >= position
        found.append((token.kind, token.value))
        position = token.end
    return found


def word(value: str) -> tuple[Kind, str]:
    return Kind.WORD, value


def name(value: str) -> tuple[Kind, str]:
    return Kind.NAME, value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DROP Table\tX_1$", [word("drop"), word("table"), word("x_1$")]),
        ("ÄPFEL É", [word("Äpfel"), word("É")]),
        ('"A ""b"" c"', [name('A "b" c')]),
        ('U&"d\\0061t\\+000061"', [name("data")]),
        ("u&\"d!0061t!!\" /* /* x */ */ UESCAPE '!' x", [name("dat!"), word("x")]),
        ('U&"\\D83D\\DE00"', [name("\U0001f600")]),
        ('U & "a"', [word("u"), (Kind.OPERATOR, "&"), name("a")]),
        ("'it''s' E'a\\'b' n'x' U&'\\0061' B'1' $$a'b$$ $x$ $$ $x$", [(Kind.STRING, "")] * 7),
        ("E'a' -- x\n 'b\\'c' d", [(Kind.STRING, ""), word("d")]),
        ("1 1.5e-3 .5 0xFF 1_000", [(Kind.NUMBER, "")] * 5),
        ("$1 a$b$", [(Kind.PARAMETER, ""), word("a$b$")]),
        ("a.b*,c", [word("a"), (Kind.OPERATOR, "."), word("b"), (Kind.OPERATOR, "*"), (Kind.OPERATOR, ","), word("c")]),
        ("a::int @>b", [word("a"), (Kind.OPERATOR, "::"), word("int"), (Kind.OPERATOR, "@>"), word("b")]),
        ("a--b\rc", [word("a"), word("c")]),
        ("a/*/* */b*/c", [word("a"), word("c")]),
        ("a*/*x*/b", [word("a"), (Kind.OPERATOR, "*"), word("b")]),
        ("(\\", [(Kind.OPERATOR, "("), (Kind.OPERATOR, "\\")]),
    ],
)  # fmt: skip
def test_a_text_is_cut_into_tokens(text: str, expected: list[tuple[Kind, str]]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize("rest", ["'open", '"open', "/* open", "$x$ open", 'U&"open', "E'open\\'", "/* /* */ open"])
def test_what_is_never_closed_ends_the_tokens(rest: str) -> None:
    assert tokens("a " + rest)[:1] == [word("a")]
    assert len(tokens("a " + rest)) <= 3


def test_tokens_end_with_the_statement() -> None:
    text = "DROP TABLE abc; SELECT 1"
    assert token_at(text, 10, 14) == (Kind.WORD, "abc", 11, 14)
    assert token_at(text, 14, 14) is None
    assert token_at("a /* x */", 1, 4) is None
    assert token_at("a $x$ $x$", 1, 6) is None


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("(a) b", "(a)"),
        ("(a), (b) , /* x */ (c) d", "(a), (b) , /* x */ (c)"),
        ("(a), b", "(a)"),
        ("(((a))) b", "(((a)))"),
        (
            "(a $$)$$ ')' \")\" -- )\n /* ) /* ) */ */ (((1))) $1) b",
            "(a $$)$$ ')' \")\" -- )\n /* ) /* ) */ */ (((1))) $1)",
        ),
        ("(a /* /* */ */)", "(a /* /* */ */)"),
    ],
)
def test_parentheses_are_taken_as_one(text: str, group: str) -> None:
    token = group_at(text, 0, len(text))
    assert token is not None
    assert text[token.start : token.end] == group


@pytest.mark.parametrize("text", ["(a", "(((a))", "(((a $$))) b", "(((a '", "((( \\)))"])
def test_parentheses_that_are_never_closed_are_none(text: str) -> None:
    assert group_at(text, 0, len(text)) is None


@pytest.mark.parametrize(
    ("text", "escape", "expected"),
    [
        ("d\\0061t\\\\", "\\", "dat\\"),
        ("\\d83d\\de00", "\\", "\U0001f600"),
        ("\\+01F600", "\\", "\U0001f600"),
        ("\\d83d", "\\", "\\d83d"),
        ("\\+FFFFFF", "\\", "\\+FFFFFF"),
        ("\\00zz", "\\", "\\00zz"),
        ("x0061", "x", "a"),
        ("a0061", "a", "a0061"),
        ("\\0061", "", "\\0061"),
    ],
)
def test_unicode_escapes_are_decoded_where_postgresql_takes_them(text: str, escape: str, expected: str) -> None:
    assert decode_unicode_escapes(text, escape) == expected


def test_first_words_are_as_many_as_asked_for() -> None:
    text = 'create unique index "I" on t'
    assert first_words(text, 0, len(text)) == ("CREATE", "UNIQUE", "INDEX", '"')
    assert first_words(text, 7, len(text), 2) == ("UNIQUE", "INDEX")


PIECES = ["'", '"', "E'", "\\", "$$", "$a$", "--", "\n", "/*", "*/", "(", ")", " ", "a", "U&", "1", ".", "é", ",", "$1"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_whatever_the_text_its_tokens_move_on_and_end(text: str) -> None:
    tokens(text)
    for position in range(len(text)):
        if text[position] == "(" and (token := group_at(text, position, len(text))):
            assert text[token.start] == "("
            assert text[token.end - 1] == ")"


SHAPES = {
    "rows": ("(", "1, 'x'), (", "1)"),
    "deep rows": ("(", "1, (((1)))), (", "1)"),
    "open": ("", "((( a ", ""),
    "nested comments": ("", "/*", ""),
    "comments": ("(", "/* a /* b */ */ ", ")"),
    "open quotes": ("", "'' \"", ""),
    "names": ("", 'U&"a" ', ""),
    "escapes": ("", 'U&"a" uescape ', ""),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_four_times_the_text_is_at_most_four_times_the_work(shape: str) -> None:
    def read(repeated: int) -> None:
        before, inside, after = SHAPES[shape]
        text = before + inside * repeated + after
        tokens(text)
        group_at(text, 0, len(text)) if text.startswith("(") else None

    def work(repeated: int) -> int:
        calls = Counter[str]()
        sys.setprofile(lambda _, event, __: calls.update([event]))
        try:
            read(repeated)
        finally:
            sys.setprofile(None)
        return calls["call"] + calls["c_call"]

    read(1)  # compiles the patterns, which counts once for a process
    assert work(4000) <= 4 * work(1000) + 1000
