"""HTTP/1.1 as servers speak it, and what is refused."""

import asyncio

import pytest

from collector.connect import Place
from collector.fetch import ProtocolError, get
from tests.collector.servers import head, serving


def answered(*writes: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer that comes in these writes, then ends."""

    async def answer(writer: asyncio.StreamWriter, _request: bytes) -> None:
        for one in writes:
            writer.write(one)
            await writer.drain()
            await asyncio.sleep(0)

    async def attempt() -> tuple[int, dict[str, str], bytes]:
        async with serving(answer) as server:
            place = Place("127.0.0.1", server.port, 3.0, None, "127.0.0.1")
            async with asyncio.timeout(5), get(place, b"/m?x=1", {"Host": "shop"}) as found:
                body = b"".join([piece async for piece in found.pieces])
            assert server.requests == [b"GET /m?x=1 HTTP/1.1\r\nHost: shop\r\n\r\n"]
            return found.status, dict(found.headers), body

    return asyncio.run(attempt())


CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.mark.parametrize(
    ("writes", "body"),
    [
        ((head("200 OK", {"Content-Length": "5"}), b"he", b"llo"), b"hello"),
        ((head("200 OK", {"Content-Length": "0"}),), b""),
        ((head("200 OK", {"content-LENGTH": " 5 "}), b"hello, more"), b"hello"),
        ((head("200 OK", {}), b"to the ", b"end"), b"to the end"),
        ((head("200 OK", CHUNKED), b"3\r\nabc\r\n", b"A;x=y\r\n0123456789\r\n0\r\n\r\n"),
         b"abc0123456789"),
        ((head("200 OK", CHUNKED), b"1\r", b"\na\r\n0", b"\r\nTrailer: x\r\n\r\n"), b"a"),
        ((b"HTTP/1.0 200\nContent-Length: 2\n\n", b"ok"), b"ok"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", head("200 OK", {"Content-Length": "2"}), b"ok"), b"ok"),
        ((head("200 OK", {"Content-Length": "600000"}), b"x" * 600_000), b"x" * 600_000),
    ],
)  # fmt: skip
def test_a_body_is_read_in_every_form(writes: tuple[bytes, ...], body: bytes) -> None:
    status, _, read = answered(*writes)
    assert (status, read) == (200, body)


def test_headers_that_come_twice_are_one_and_their_names_are_small() -> None:
    status, headers, _ = answered(
        b"HTTP/1.1 404 No\r\nX-A: 1\r\nx-a:2\r\nContent-Length: 0\r\n\r\n"
    )
    assert status == 404
    assert headers == {"x-a": "1, 2", "content-length": "0"}


@pytest.mark.parametrize(
    "writes",
    [
        (),
        (b"SSH-2.0-OpenSSH_9.2\r\n",),
        (b"HTTP/2 200\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Le",),
        (head("200 OK", {"Content-Length": "5"}), b"hell"),
        (head("200 OK", {"Content-Length": "-5"}), b"hello"),
        (head("200 OK", {"Content-Length": "5, 5"}), b"hello"),
        (head("200 OK", {"Content-Length": "9" * 20}), b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",),
        (head("200 OK", {**CHUNKED, "Content-Length": "5"}), b"5\r\nhello\r\n0\r\n\r\n"),
        (head("200 OK", {"Transfer-Encoding": "gzip, chunked"}), b"0\r\n\r\n"),
        (head("200 OK", CHUNKED), b"3\r\nabc\r\n"),
        (head("200 OK", CHUNKED), b"3\r\nabcd\r\n0\r\n\r\n"),
        (head("200 OK", CHUNKED), b"-3\r\nabc\r\n0\r\n\r\n"),
        (head("200 OK", CHUNKED), b"0x3\r\nabc\r\n0\r\n\r\n"),
        (head("200 OK", CHUNKED), b"3" * 70_000),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n",),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 600_000,),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 6,),
    ],
)
def test_what_is_no_proper_answer_is_refused(writes: tuple[bytes, ...]) -> None:
    with pytest.raises(ProtocolError):
        answered(*writes)


def test_a_header_that_would_be_two_is_never_sent() -> None:
    async def attempt() -> None:
        place = Place("127.0.0.1", 9, 3.0, None, "127.0.0.1")
        async with get(place, b"/", {"Authorization": "a\r\nX: b"}):
            pass

    with pytest.raises(ValueError, match="second header"):
        asyncio.run(attempt())
