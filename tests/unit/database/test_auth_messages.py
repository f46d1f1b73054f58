"""Messages of a server before the login is done: which of them are accepted."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.database.auth_messages import MOST_ITERATIONS, MOST_LOGIN_BYTES, LoginReader, Message
from controller.errors import ProtocolViolation
from tests.support.protocol_messages import (
    LOGGED_IN,
    PLAIN,
    READY,
    SASL,
    SASL_CONTINUE,
    authentication,
    message,
    notice,
)

IN_HOT_STANDBY = message(b"S", b"in_hot_standby\0off\0")
"""Of what a server reports, the driver sees what it uses."""
SALT = base64.b64encode(b"0123456789abcdef")


def reader() -> LoginReader:
    return LoginReader(plain_password_allowed=True)


def read(data: bytes, login: LoginReader | None = None) -> list[Message]:
    login = login or reader()
    login.receive(data)
    return list(login.messages())


def refusal(data: bytes, login: LoginReader | None = None) -> ProtocolViolation:
    with pytest.raises(ProtocolViolation) as caught:
        challenges(data, login or reader())
    return caught.value


def challenges(data: bytes, login: LoginReader) -> None:
    for found in read(data, login):
        login.challenge(found)


def challenge(text: bytes) -> bytes:
    return authentication(SASL_CONTINUE, text)


@given(st.lists(st.integers(1, len(LOGGED_IN)), max_size=20))
def test_however_a_login_is_cut_its_messages_are_the_same(cuts: list[int]) -> None:
    login, found, before = reader(), [], 0
    for cut in [*sorted(cuts), len(LOGGED_IN)]:
        found += read(LOGGED_IN[before:cut], login)
        before = cut
    assert b"".join(each.raw for each in found) == LOGGED_IN.replace(IN_HOT_STANDBY, b"")
    assert [each.ends_login for each in found] == [False] * (len(found) - 1) + [True]


@given(st.binary(max_size=200))
def test_no_bytes_whatsoever_do_more_than_end_the_login(data: bytes) -> None:
    ended = None
    try:
        challenges(LOGGED_IN[:40] + data, reader())
    except ProtocolViolation as refused:
        ended = refused.reason
    assert ended in {
        None,
        "NotPostgreSQL",
        "ProtocolViolation",
        "EncodingUnsupported",
        "ServerVersionUnreadable",
        "LoginMethodUnsupported",
        "LoginTooCostly",
    }


def test_what_comes_behind_the_login_is_kept() -> None:
    login = reader()
    login.receive(LOGGED_IN + b"more")
    assert list(login.messages())[-1].ends_login
    assert login.rest() == b"more"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        message(b"D"),
        b"R\0\0\0\3",
        message(b"R", b"\0"),
    ],
)
def test_what_is_no_login_is_no_postgresql(data: bytes) -> None:
    assert refusal(data).reason == "NotPostgreSQL"


def test_a_login_has_an_end() -> None:
    assert "sends data without end" in refusal(notice("and another thing") * MOST_LOGIN_BYTES).message


def test_a_plain_password_is_refused_where_it_is_not_allowed() -> None:
    strict = LoginReader(plain_password_allowed=False)
    assert refusal(authentication(PLAIN), strict).reason == "PlaintextPasswordRefused"
    assert len(read(authentication(PLAIN))) == 1


@pytest.mark.parametrize("code", [2, 6, 7, 8, 9, 99])
def test_a_login_by_other_means_than_a_password_is_refused(code: int) -> None:
    assert refusal(authentication(code)).reason == "LoginMethodUnsupported"


@pytest.mark.parametrize(
    ("offered", "known"), [(b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", True), (b"OAUTH\0\0", False)]
)
def test_scram_has_to_be_among_what_is_offered(offered: bytes, known: bool) -> None:
    if known:
        assert len(read(authentication(SASL, offered))) == 1
    else:
        assert refusal(authentication(SASL, offered)).reason == "LoginMethodUnsupported"


def test_a_challenge_says_what_is_to_be_hashed() -> None:
    [found] = read(challenge(b"r=abc,s=" + SALT + b",i=4096"))
    made = reader().challenge(found)
    assert made is not None
    assert (made.salt, made.iterations) == (b"0123456789abcdef", 4096)
    assert reader().challenge(Message(b"Z", READY)) is None


@pytest.mark.parametrize("rounds", [0, MOST_ITERATIONS + 1, 2**31, 10**10 - 1])
def test_a_hash_that_costs_too_much_is_not_made(rounds: int) -> None:
    assert refusal(challenge(b"r=abc,s=" + SALT + b",i=%d" % rounds)).reason == "LoginTooCostly"


@pytest.mark.parametrize("text", [b"", b"r=abc", b"r=abc,s=,i=1", b"r=abc,s=a,i=1", b"r=abc,s=" + SALT + b",i=1e6"])
def test_a_challenge_that_cannot_be_read_is_none(text: bytes) -> None:
    assert refusal(challenge(text)).reason == "NotPostgreSQL"
