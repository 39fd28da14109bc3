"""One GET over HTTP/1.1 on a connection of its own, to one address that was checked before.

A scrape needs a small part of HTTP: one request, no redirects, no proxies, no reuse, no cookies.
That part is read here straight from the socket, because a general client costs more than reading
the whole page. What is not understood is refused (RFC 9112: a length that is no number or is told
twice, a transfer coding other than `chunked`, folded header lines).
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

from collector.connect import READ_BYTES, Place, TLSError, connect

LINE_BYTES = 64 * 1024
HEAD_LINES = 100
MOST_INTERIM = 5
"""Answers with a status of 1xx that may come before the one that counts."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: .*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?")


class ProtocolError(Exception):
    """What came is not HTTP, or ended too early."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and headers (names in small letters); the body comes in pieces."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


@contextlib.asynccontextmanager
async def get(place: Place, path: bytes, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
    """Ask for one page; the connection is closed with the block.

    Raises ConnectError, ConnectTimeoutError, TLSError or ProtocolError, also while it is read.
    """
    request = _request(path, headers)
    reader, writer = await connect(place)
    try:
        writer.write(request)
        for _ in range(MOST_INTERIM):
            status, told = await _head(reader)
            if status >= 200:
                break
        else:
            raise ProtocolError("only interim answers")
        yield Answer(status, told, _pieces(reader, told))
    finally:
        # At once: a server that does not answer our goodbye would keep the socket open.
        writer.transport.abort()


def _request(path: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [b"GET " + path + b" HTTP/1.1"]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise ValueError("a line break in a request would be a second header")
    return b"\r\n".join([*lines, b"", b""])


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    found = _STATUS.fullmatch(await _line(reader))
    if found is None:
        raise ProtocolError("no status line")
    headers: dict[str, str] = {}
    for _ in range(HEAD_LINES):
        line = await _line(reader)
        if not line:
            return int(found[1]), headers
        header = _HEADER.fullmatch(line)
        if header is None:
            raise ProtocolError("no header line")
        name, value = header[1].decode().lower(), header[2].decode("latin-1")
        if name in headers and name in ("content-length", "transfer-encoding"):
            raise ProtocolError("the length is told twice")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    raise ProtocolError("too many header lines")


async def _line(reader: asyncio.StreamReader) -> bytes:
    """One line without its end."""
    with _told():
        line = await reader.readuntil(b"\n")
    if len(line) > LINE_BYTES:
        raise ProtocolError("a line is too long")
    return line[:-1].removesuffix(b"\r")


def _pieces(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise ProtocolError("an unknown transfer coding, or a length beside it")
        return _chunks(reader)
    if length is None:
        return _to_the_end(reader)
    if not (length.isascii() and length.isdigit() and len(length) < 20):
        raise ProtocolError("the length is no number")
    return _exactly(reader, int(length))


async def _exactly(reader: asyncio.StreamReader, length: int) -> AsyncIterator[bytes]:
    while length:
        with _told():
            piece = await reader.read(min(length, READ_BYTES))
        if not piece:
            raise ProtocolError("it ends too early")
        length -= len(piece)
        yield piece


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        found = _CHUNK.fullmatch(await _line(reader))
        if found is None:
            raise ProtocolError("no length of a chunk")
        length = int(found[1], 16)
        if not length:
            return  # what may follow are trailers, and the connection is closed
        async for piece in _exactly(reader, length):
            yield piece
        if await _line(reader):
            raise ProtocolError("a chunk is longer than it says")


async def _to_the_end(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        with _told():
            piece = await reader.read(READ_BYTES)
        if not piece:
            return
        yield piece


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What the reader raises, in the words of this file."""
    try:
        yield
    except ssl.SSLError:  # a server may refuse us after the handshake
        raise TLSError("the TLS connection was ended") from None
    except asyncio.LimitOverrunError:
        raise ProtocolError("a line is too long") from None
    except (OSError, asyncio.IncompleteReadError):
        raise ProtocolError("it ends too early") from None
