"""Reader of a statement by its grammar: keywords, names, tables and parentheses, in order. Pure.

https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/parser/gram.y
"""

from collections.abc import Iterator

from controller.database.quoting import identifier
from controller.migrate.sql.names import QualifiedName, Relation
from controller.migrate.sql.token_stream import Kind, Token, group_at, token_at


class TokenReader:
    """Position in a statement. Each `take` method moves past what it finds, or does not move if it finds nothing."""

    def __init__(self, source: str, start: int, end: int) -> None:
        self._source = source
        self._position = start
        self._end = end
        self._next: tuple[int, Token | None] | None = None  # the last position of `peek`, and its token

    def copy(self) -> "TokenReader":
        """Return another reader at the same position, to read ahead."""
        return TokenReader(self._source, self._position, self._end)

    def peek(self) -> Token | None:
        """Return the next token; None at the end."""
        if self._next is None or self._next[0] != self._position:
            self._next = self._position, token_at(self._source, self._position, self._end)
        return self._next[1]

    def take(self) -> Token | None:
        """Return the next token and move past it; None at the end."""
        if token := self.peek():
            self._position = token.end
        return token

    @property
    def at_end(self) -> bool:
        """True if no token is left."""
        return self.peek() is None

    def text(self, token: Token) -> str:
        """Return the token as it is written."""
        return self._source[token.start : token.end]

    def take_words(self, *words: str) -> bool:
        """Take these keywords, given in lower case, if all of them follow in this order."""
        before = self._position
        for word in words:
            token = self.take()
            if token is None or not token.is_word(word):
                self._position = before
                return False
        return True

    def take_any_word(self, *words: str) -> bool:
        """Take one keyword if it is one of these, given in lower case."""
        token = self.peek()
        if token is None or not token.is_word(*words):
            return False
        self._position = token.end
        return True

    def take_operator(self, operator: str) -> bool:
        """Take an operator or sign if exactly this one follows."""
        token = self.peek()
        if token is None or not token.is_operator(operator):
            return False
        self._position = token.end
        return True

    def take_group(self) -> bool:
        """Take parentheses with all that is in them, and those that follow after commas."""
        token = self.peek()
        group = group_at(self._source, token.start, self._end) if token and token.is_operator("(") else None
        if group is None:
            return False
        self._position = group.end
        return True

    def take_name(self) -> QualifiedName | None:
        """Take one name without a qualifier; a keyword counts as a name."""
        token = self.peek()
        if token is None or token.kind not in (Kind.WORD, Kind.NAME):
            return None
        self._position = token.end
        return QualifiedName((token.value,), self._as_sql(token))

    def take_qualified_name(self) -> QualifiedName | None:
        """Take a name with the qualifiers before it, such as database.schema.table."""
        name = self.take_name()
        while name is not None and self.take_operator("."):
            after = self.take_name()
            name = after and QualifiedName(name.parts + after.parts, f"{name.sql}.{after.sql}")
        return name

    def take_relation(self) -> Relation | None:
        """Take a table as `name`, `name *`, `ONLY name` or `ONLY (name)`; PostgreSQL refuses `ONLY name *`."""
        only = self.take_words("only")
        parenthesis = only and self.take_operator("(")
        name = self.take_qualified_name()
        if name is None or (parenthesis and not self.take_operator(")")):
            return None
        self.take_operator("*")
        return Relation(name, only)

    def take_through_comma(self) -> bool:
        """Move past the next comma outside parentheses and brackets, or to the end if there is none."""
        brackets = 0
        for token in self.outer_rest():
            if token.is_operator(",") and not brackets:
                return True
            brackets += token.is_operator("[") - token.is_operator("]")
        return False

    @property
    def characters_left(self) -> int:
        """Length of the text after the last token taken."""
        return self._end - self._position

    def rest(self) -> Iterator[Token]:
        """Yield the tokens that are left."""
        while token := self.take():
            yield token

    def outer_rest(self) -> Iterator[Token]:
        """Yield the tokens that are left, parentheses with all that is in them as one."""
        while token := self.peek():
            token = (token.is_operator("(") and group_at(self._source, token.start, self._end)) or token
            self._position = token.end
            yield token

    def _as_sql(self, token: Token) -> str:
        unescaped = token.kind is Kind.WORD or self._source.startswith('"', token.start)
        return self.text(token) if unescaped else identifier(token.value)
