"""Notices as a server sends them, read up to a limit, however they are cut and whatever is in them."""

import pytest

from controller.database.answer_messages import AnswerReader
from controller.database.notices import MOST_NOTICES, NOTICE_BYTES, Notice, NoticeReader
from controller.errors import ProtocolViolation
from controller.text import MESSAGE_LENGTH


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def notice(text: str, *, severity: str = "NOTICE", sqlstate: str = "00000", hint: str = "") -> bytes:
    fields = {"S": "HINWEIS", "V": severity, "C": sqlstate, "M": text, **({"H": hint} if hint else {})}
    return message(b"N", "".join(f"{name}{value}\0" for name, value in fields.items()).encode() + b"\0")


COMMIT = message(b"C", b"COMMIT\0")
READY = message(b"Z", b"I")


class Listener:
    """Reader of answers with a reader of notices, in the answer to a text of several statements."""

    def __init__(self, most: int = MOST_NOTICES, secret: str = "") -> None:
        self.got: list[Notice] = []
        self.notices = NoticeReader(self.got.append, most)
        self.answers = AnswerReader()
        self.answers.notices = self.notices
        self.answers.secret = secret
        self.answers.begin(ord("Q"))

    def told(self, *answers: bytes) -> list[str]:
        for answer in answers:
            assert b"HINWEIS" not in self.answers.read(answer)
        return [each.message for each in self.got]


def test_a_notice_is_read_in_any_language_with_its_severity_and_hint() -> None:
    listener = Listener()
    listener.told(notice("gone, skipping", sqlstate="42P01", hint="look"), notice("beware", severity="WARNING"))
    assert listener.got == [
        Notice("NOTICE", "42P01", "gone, skipping", "look", 0),
        Notice("WARNING", "00000", "beware", "", 0),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_however_the_network_cuts_it_the_same_is_read(size: int) -> None:
    answer = notice("one") + COMMIT + notice("two") * 3 + READY
    listener = Listener(most=2)
    passed = b"".join(listener.answers.read(answer[at : at + size]) for at in range(0, len(answer), size))
    assert passed == COMMIT + READY
    assert [(each.message, each.transactions) for each in listener.got] == [("one", 0), ("two", 1)]
    assert listener.notices.left_out == 2


@pytest.mark.parametrize("severity", ["DEBUG", "LOG", ""])
def test_what_is_no_notice_for_people_is_dropped(severity: str) -> None:
    assert Listener().told(notice("internal", severity=severity)) == []


def test_the_warning_of_a_rollback_of_ours_is_dropped() -> None:
    assert Listener().told(notice("there is no transaction in progress", severity="WARNING", sqlstate="25P01")) == []


def test_a_huge_notice_is_cut_and_what_follows_is_read() -> None:
    told = Listener().told(notice("x" * 1_000_000), notice("after"))
    assert (len(told[0]), told[1]) == (MESSAGE_LENGTH, "after")
    assert NOTICE_BYTES < 1_000_000


def test_marks_that_steer_a_terminal_are_replaced() -> None:
    assert Listener().told(notice("a\x1b[2J\nb\u202e")) == ["a\N{REPLACEMENT CHARACTER}[2J\nb\N{REPLACEMENT CHARACTER}"]


def test_a_password_that_the_server_knows_is_left_out_of_notices_and_errors() -> None:
    listener = Listener(secret="h0rse")
    assert listener.told(notice("it is h0rse")) == ["it is ***"]
    assert b"h0rse" not in listener.answers.read(message(b"E", b"Mit is h0rse\0\0"))


def test_without_a_reader_notices_are_dropped_and_between_two_queries_they_are_limited() -> None:
    answers = AnswerReader()
    assert answers.read(notice("unasked")) == b""
    with pytest.raises(ProtocolViolation, match="more than the"):
        answers.read(notice("x") * 1000)


def test_the_next_file_has_the_whole_limit_again() -> None:
    listener = Listener(most=1)
    listener.told(notice("one"), notice("two"))
    listener.notices.start_file()
    assert listener.told(notice("three")) == ["one", "three"]
    assert listener.notices.left_out == 0
