"""One GET over HTTP/1.1 on a connection of its own, to one address that was checked before.

A scrape needs a small part of HTTP: one request, no redirects, no proxies, no reuse, no cookies.
That part is read here straight from the socket, because a general client costs more than reading
the whole page. What is not understood is refused (RFC 9112: a length that is no number or is told
twice, a transfer coding other than `chunked`, folded header lines).
"""

import asyncio
import contextlib
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

READ_BYTES = 256 * 1024
LINE_BYTES = 64 * 1024
HEAD_LINES = 100
MOST_INTERIM = 5
"""Answers with a status of 1xx that may come before the one that counts."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: .*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?")


class ProtocolError(Exception):
    """What came is not HTTP, or ended too early."""


class ConnectError(Exception):
    """No connection; the message is the system's."""


class ConnectTimeoutError(Exception):
    """No connection in time."""


class TLSError(Exception):
    """Connected, but not to whom it should be, or not in TLS."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect to: a literal address; for TLS also whom to trust, and the name to check."""

    address: str
    port: int
    connect_seconds: float
    """At most so long for TCP, and once more for TLS."""
    tls: ssl.SSLContext | None
    name: str


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
    reader, writer = await _connect(place)
    try:
        lines = [b"GET " + path + b" HTTP/1.1"]
        lines += [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
        writer.write(b"\r\n".join([*lines, b"", b""]))
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


async def _connect(place: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(place.connect_seconds):
                await loop.sock_connect(plain, (place.address, place.port))
        except TimeoutError:
            raise ConnectTimeoutError from None
        except OSError as error:
            said = os.strerror(error.errno) if error.errno else "cannot connect"
            raise ConnectError(said) from None
        return await _streams(plain, place)
    except BaseException:
        plain.close()
        raise


async def _streams(
    plain: socket.socket, place: Place
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = place.name if place.tls is not None else None
    try:
        async with asyncio.timeout(place.connect_seconds):
            return await asyncio.open_connection(
                sock=plain, ssl=place.tls, server_hostname=name, limit=READ_BYTES
            )
    except TimeoutError:
        raise ConnectTimeoutError from None
    except ssl.SSLCertVerificationError as error:
        raise TLSError(f"the certificate is refused: {error.verify_message}") from None
    except OSError:
        raise TLSError("the TLS handshake failed") from None


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
