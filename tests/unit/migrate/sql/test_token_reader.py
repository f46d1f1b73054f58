"""Names, tables and parentheses are read as PostgreSQL's grammar has them."""

import pytest

from controller.migrate.sql.token_reader import TokenReader


def reader(text: str) -> TokenReader:
    return TokenReader(text, 0, len(text))


@pytest.mark.parametrize(
    ("text", "parts", "sql"),
    [
        ("a", ("a",), "a"),
        ("Shop . /* x */ Orders x", ("shop", "orders"), "Shop.Orders"),
        ('"x.y"."z;"', ("x.y", "z;"), '"x.y"."z;"'),
        ('db."S".order', ("db", "S", "order"), 'db."S".order'),
        ('U&"d\\0061t""" . u&"!0061" UESCAPE \'!\'', ('dat"', "a"), '"dat"""."a"'),
        ("straße_$1", ("straße_$1",), "straße_$1"),
    ],
)
def test_a_name_is_kept_for_sql_and_for_comparison(text: str, parts: tuple[str, ...], sql: str) -> None:
    name = reader(text).take_qualified_name()
    assert name is not None
    assert (name.parts, name.sql) == (parts, sql)


def test_names_are_equal_where_postgresql_takes_them_for_the_same() -> None:
    names = [reader(text).take_qualified_name() for text in ('app."a"', "APP . A", 'U&"\\0061pp".a')]
    assert names[0] == names[1] == names[2]
    assert reader('"A"').take_qualified_name() != reader("A").take_qualified_name()
    assert reader("Ä").take_qualified_name() != reader("ä").take_qualified_name()


@pytest.mark.parametrize(
    ("text", "name", "only", "rest"),
    [
        ("a b", "a", False, "b"),
        ("a * b", "a", False, "b"),
        ("a*, b", "a", False, ","),
        ("ONLY a b", "a", True, "b"),
        ("only ( app.a ) b", "app.a", True, "b"),
        ('"only" b', '"only"', False, "b"),
    ],
)
def test_a_relation_is_read_with_only_and_star(text: str, name: str, rest: str, *, only: bool) -> None:
    found = reader(text)
    relation = found.take_relation()
    assert relation is not None
    assert (relation.name.sql, relation.only) == (name, only)
    following = found.take()
    assert following is not None
    assert found.text(following) == rest


@pytest.mark.parametrize("text", ["", "'a'", "ONLY (a", "a.", "1"])
def test_what_is_no_relation_is_none(text: str) -> None:
    assert reader(text).take_relation() is None


def test_words_that_do_not_all_follow_stay_where_they_are() -> None:
    found = reader("IF NOT exist")
    assert not found.take_words("if", "not", "exists")
    assert found.take_words("if", "not")
    assert not reader('"if" not').take_words("if")


def test_a_comma_in_parentheses_or_brackets_separates_nothing() -> None:
    found = reader("numeric(10, 2) DEFAULT ARRAY[1, (2), 3], b")
    assert found.take_through_comma()
    assert found.take_words("b")
    assert not found.take_through_comma()
    assert found.at_end


def test_a_copy_looks_ahead() -> None:
    found = reader("a b")
    ahead = found.copy()
    assert ahead.take_words("a", "b")
    assert found.take_words("a")
    assert found.characters_left == 2
