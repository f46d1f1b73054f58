"""Messages of a server after the login: which are passed on, dropped or refused, however they are cut."""

import struct
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.database.answer_messages import (
    ANSWER_BYTES,
    ERROR_BYTES,
    IDLE_BYTES,
    AnswerReader,
    first_value,
)  # fmt: skip
from controller.database.column_types import KNOWN_TYPES
from controller.errors import ProtocolViolation
from tests.support.protocol_messages import (
    BOUND,
    PREPARED,
    READY,
    columns,
    message,
    notice,
    parameters,
    row,
    settings,
)

TEXT, BIND, PARSE = b"QBP"
DONE = message(b"C", b"SELECT 1\0") + READY
ANSWER = PREPARED + parameters(25) + columns(25, 23) + BOUND + row(b"x", None) * 3 + DONE


def asked(kind: int = BIND, most_bytes: int = ANSWER_BYTES) -> AnswerReader:
    reader = AnswerReader()
    reader.most_bytes = most_bytes
    reader.begin(kind)
    return reader


def read(data: bytes, cuts: list[int], reader: AnswerReader) -> bytes:
    edges = [0, *sorted(cuts), len(data)]
    return b"".join(reader.read(data[begin:end]) for begin, end in pairwise(edges))


CUTS = st.lists(st.integers(0, len(ANSWER)), max_size=30)


@given(CUTS)
def test_the_answer_to_a_query_is_passed_on_however_it_is_cut(cuts: list[int]) -> None:
    assert read(ANSWER, cuts, asked()) == ANSWER


@given(CUTS)
def test_notices_and_settings_are_dropped_however_they_are_cut(cuts: list[int]) -> None:
    noise = notice("one") + settings(application_name="x") + message(b"A", b"\0\0\0\1a\0b\0")
    assert read(noise + BOUND + noise + DONE + noise, cuts, asked()) == BOUND + DONE


@given(CUTS)
def test_the_results_of_a_text_are_dropped_however_they_are_cut(cuts: list[int]) -> None:
    data = columns(2249, 1009) + row(b"x" * 40) * 5 + notice("one") + message(b"I") + DONE
    assert read(data, cuts, asked(TEXT, most_bytes=10)) == DONE


def test_the_results_of_a_text_may_be_of_any_size() -> None:
    reader = asked(TEXT)
    assert reader.read(b"D" + struct.pack("!I", 2**31 - 1)) == b""
    for _ in range(100):
        assert reader.read(b"x" * 1_000_000) == b""


@pytest.mark.parametrize("size", [ANSWER_BYTES, 2**30, 2**32 - 1])
def test_a_row_that_is_too_large_is_refused_by_its_header(size: int) -> None:
    with pytest.raises(ProtocolViolation, match=f"more than the {ANSWER_BYTES} bytes") as caught:
        asked().read(b"D" + struct.pack("!I", size))
    assert caught.value.reason == "AnswerTooLarge"


def test_a_query_that_says_so_may_bring_more() -> None:
    large = row(b"x" * ANSWER_BYTES)
    assert asked(most_bytes=2 * ANSWER_BYTES).read(large) == large


@pytest.mark.parametrize("noise", [notice("one"), settings(a="b"), message(b"A", b"\0\0\0\1a\0b\0"), row(), BOUND])
def test_small_messages_have_an_end_too(noise: bytes) -> None:
    reader = asked()
    with pytest.raises(ProtocolViolation, match="more than") as caught:
        reader.read(noise * (ANSWER_BYTES // 128))
    assert caught.value.reason == "AnswerTooLarge"


def test_between_two_queries_a_server_may_say_little() -> None:
    reader = asked()
    reader.read(DONE)
    assert reader.read(notice("one")) == b""
    with pytest.raises(ProtocolViolation, match=f"more than the {IDLE_BYTES} bytes"):
        reader.read(notice("one") * 1000)


def test_the_next_query_may_bring_as_much_again() -> None:
    reader = asked()
    for _ in range(10):
        reader.begin(BIND)
        assert len(reader.read(row(b"x" * (ANSWER_BYTES // 2)) + DONE)) > ANSWER_BYTES // 2


@pytest.mark.parametrize("unasked", [row(b"x"), columns(25), BOUND, READY, DONE])
def test_what_no_query_asked_for_is_refused(unasked: bytes) -> None:
    reader = asked()
    reader.read(DONE)
    with pytest.raises(ProtocolViolation, match="no query asked for"):
        reader.read(unasked)


@pytest.mark.parametrize("kind", [b"R", b"K", b"v", b"V", b"G", b"H", b"W", b"?", b"\0"])
def test_messages_that_belong_elsewhere_are_refused(kind: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        asked().read(message(kind, b"\0\0\0\0"))


@pytest.mark.parametrize("oid", [2249, 1009, 1700, 1007, 1560, 869, 16_384, 0])
def test_a_type_that_no_query_of_ours_brings_is_refused(oid: int) -> None:
    assert oid not in KNOWN_TYPES
    with pytest.raises(ProtocolViolation, match=f"OID {oid}"):
        asked(PARSE).read(columns(25, oid))


def test_a_parameter_may_be_an_array_but_no_record() -> None:
    assert asked(PARSE).read(parameters(1009)) == parameters(1009)
    with pytest.raises(ProtocolViolation, match="OID 2249"):
        asked(PARSE).read(parameters(2249))


@pytest.mark.parametrize(
    "broken",
    [
        message(b"T", b""),
        message(b"T", b"\0\1"),
        message(b"T", b"\0\1name without an end"),
        message(b"T", struct.pack("!H", 65535)),
        message(b"t", b"\0\5\0\0\0\x19"),
        message(b"Z", b"II"),
        message(b"C", b"x" * 1000),
        message(b"1", b"x"),
        message(b"S", b"client_encoding"),
        b"D\0\0\0\0",
        b"N\0\0\0\3",
        b"E\0\0\0\0",
    ],
)
def test_what_cannot_be_read_is_refused(broken: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="cannot be read"):
        asked(PARSE).read(broken)


def test_an_error_is_kept_up_to_a_limit_and_made_readable() -> None:
    text = b"SERROR\0C22P02\0M" + b"\xff" + b"x" * 1_000_000
    passed = asked(TEXT).read(message(b"E", text) + READY)
    kind, length = struct.unpack_from("!cI", passed)
    assert (kind, passed[length + 1 :]) == (b"E", READY)
    assert length < ERROR_BYTES + 100
    assert "M\N{REPLACEMENT CHARACTER}xxx" in passed[5 : length + 1].decode()


@pytest.mark.parametrize("encoding", ["bz2_codec", "zlib_codec", "LATIN1", "UTF16", ""])
def test_an_encoding_other_than_utf8_ends_the_connection(encoding: str) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        asked().read(settings(client_encoding=encoding))
    assert caught.value.reason == "EncodingUnsupported"


def test_a_migration_may_set_an_encoding_of_postgresql_for_itself() -> None:
    latin = settings(client_encoding="LATIN1")
    assert asked(TEXT).read(latin) == latin
    with pytest.raises(ProtocolViolation):
        asked(TEXT).read(settings(client_encoding="bz2_codec"))


@given(st.sampled_from((TEXT, BIND, PARSE)), st.lists(st.binary(max_size=300), max_size=5))
def test_no_bytes_whatsoever_do_more_than_end_the_connection(kind: int, data: list[bytes]) -> None:
    reader = asked(kind)
    with suppress(ProtocolViolation):
        for piece in data:
            assert len(reader.read(piece)) <= len(b"".join(data)) + 2 * len(READY)


def wants_rows(most_bytes: int = ANSWER_BYTES) -> AnswerReader:
    reader = AnswerReader()
    reader.most_bytes, reader.rows = most_bytes, []
    reader.begin(TEXT)
    return reader


@given(CUTS)
def test_the_rows_of_a_text_are_kept_where_they_are_wanted_however_they_are_cut(cuts: list[int]) -> None:
    reader = wants_rows()
    data = columns(114) + row(b'{"a": 1}') + notice("one") + columns(114) + row(b"[" + b"2" * 300 + b"]") + DONE
    assert read(data, cuts, reader) == DONE
    assert reader.rows is not None
    assert [first_value(each) for each in reader.rows] == ['{"a": 1}', "[" + "2" * 300 + "]"]


def test_rows_that_are_kept_have_a_limit_and_a_large_one_is_refused_before_it_is_there() -> None:
    with pytest.raises(ProtocolViolation) as caught:
        wants_rows(1000).read(row(b"x" * 600) * 2)
    assert caught.value.reason == "AnswerTooLarge"
    with pytest.raises(ProtocolViolation) as caught:
        wants_rows(1000).read(row(b"x" * 5000)[:20])
    assert caught.value.reason == "AnswerTooLarge"


@pytest.mark.parametrize("described", [columns(*[25] * 1000), columns(2249), columns(1009)])
def test_rows_that_are_kept_have_few_columns_of_known_types(described: bytes) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        wants_rows().read(described + row(b"1") + DONE)
    assert caught.value.reason == "ProtocolViolation"


def test_rows_are_dropped_again_once_nobody_wants_them() -> None:
    reader = wants_rows()
    reader.rows = None
    reader.begin(TEXT)
    assert reader.read(row(b"x" * 10_000_000) + DONE) == DONE


@pytest.mark.parametrize(
    "body",
    [b"", b"\0", b"\0\0", b"\0\1", b"\0\1\xff\xff\xff\xff", b"\0\1\0\0\0\5abc", b"\0\1\0\0\0\2\xff\xfe"],
    ids=["empty", "half a count", "no column", "no length", "null", "too short", "no UTF-8"],
)
def test_a_row_without_a_text_in_its_first_column_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        first_value(body)
