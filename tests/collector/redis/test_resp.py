"""Replies in pieces of any size, and what a server may not do to us."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.failure import CollectFailure, Failure
from collector.redis.resp import Parser, Refusal, encoded

REPLIES = st.recursive(
    st.one_of(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=40), st.none()),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=20,
)


def written(reply: Any) -> bytes:
    """A reply as a server writes it."""
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%s\r\n" % (len(reply), reply)
    return b"*%d\r\n" % len(reply) + b"".join(map(written, reply))


def depth(reply: Any) -> int:
    """How many arrays lie in each other."""
    return 1 + max(map(depth, reply), default=0) if isinstance(reply, list) else 0


@given(st.lists(REPLIES.filter(lambda one: depth(one) <= 8), max_size=4), st.data())
def test_replies_are_read_whatever_the_pieces(replies: list[Any], data: st.DataObject) -> None:
    text = b"".join(map(written, replies))
    parser, found, at = Parser(1_000_000), [], 0
    while at < len(text):
        size = data.draw(st.integers(1, 30))
        parser.feed(text[at : at + size])
        at += size
        while (one := parser.next()) is not None:
            found.append(one[0])
    assert found == replies
    assert parser.waiting_bytes == 0


@given(st.binary(max_size=200))
def test_any_bytes_are_replies_or_a_failure(text: bytes) -> None:
    with suppress(CollectFailure):
        everything(text)


def everything(text: bytes) -> int:
    """How many replies there are; a CollectFailure when it is no RESP."""
    parser, count = Parser(1000), 0
    parser.feed(text)
    while parser.next() is not None:
        count += 1
    return count


def test_of_a_refusal_only_its_first_word_is_kept() -> None:
    parser = Parser(1000)
    parser.feed(b"-NOPERM user hunter2 may not\r\n-hunter2:x\r\n+OK\r\n")
    first, second, third = (parser.next() for _ in range(3))
    assert first is not None
    assert second is not None
    assert isinstance(first[0], Refusal)
    assert isinstance(second[0], Refusal)
    assert (first[0].code, second[0].code) == ("NOPERM", "ERR")
    assert "hunter2" not in repr(first) + repr(second)
    assert third == (b"OK",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"$1001\r\n", Failure.TOO_LARGE),
        (b"*1001\r\n", Failure.TOO_LARGE),
        (b"*2\r\n$900\r\n" + b"x" * 900 + b"\r\n$100\r\n", Failure.TOO_LARGE),
        (b"HTTP/1.1 400 Bad Request\r\n", Failure.PROTOCOL),
        (b"*1\r\n" * 9, Failure.PROTOCOL),
        (b":12x\r\n", Failure.PROTOCOL),
        (b"$3\r\nabcd\r\n", Failure.PROTOCOL),
        (b"x" * 70_000, Failure.PROTOCOL),
    ],
)
def test_what_is_too_much_or_no_redis_is_refused(text: bytes, reason: Failure) -> None:
    with pytest.raises(CollectFailure) as caught:
        everything(text)
    assert caught.value.reason is reason


def test_a_command_is_written_with_the_length_of_each_word() -> None:
    assert encoded("GET", b"a\r\nb", 7) == b"*3\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n$1\r\n7\r\n"


def test_messages_that_come_too_fast_are_skipped_up_to_the_last_one() -> None:
    marker = b"*1\r\n"
    parser = Parser(1000)
    parser.feed(b"*1\r\n:1\r\n*1\r\n:2\r\n*1\r\n:3\r\n*1\r\n")
    assert parser.skip_to(marker) == 3
    assert parser.next() is None
    parser.feed(b":4\r\n")
    assert parser.next() == ([4],)
    assert parser.skip_to(marker) == 0
