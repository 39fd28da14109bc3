"""Real HTTP servers on 127.0.0.1 that behave as targets do, well or badly."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

CERTIFICATE = Path(__file__).parent / "tls" / "certificate.pem"
KEY = Path(__file__).parent / "tls" / "key.pem"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
METRICS = b'# TYPE http_requests_total counter\nhttp_requests_total{code="200"} 5\n'

Answer = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
"""Answers one request; gets its head."""


class Server:
    """One running server, with the heads of the requests that came."""

    def __init__(self, port: int, scheme: str) -> None:
        self.port = port
        self.scheme = scheme
        self.requests: list[bytes] = []

    def url(self, host: str = "127.0.0.1") -> str:
        """The address of its page."""
        return f"{self.scheme}://{host}:{self.port}/metrics"


@asynccontextmanager
async def serving(
    answer: Answer, *, tls: bool = False, address: str = "127.0.0.1", listens: bool = True
) -> AsyncIterator[Server]:
    """Serve until the block ends; then whoever still hangs is let go.

    A server that does not listen answers without having read a request.
    """
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, KEY)
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            request = await reader.readuntil(b"\r\n\r\n") if listens else b""
            server.requests.append(request)
            await answer(writer, request)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            handlers.discard(task)

    listener = await asyncio.start_server(handle, address, 0, ssl=context)
    server = Server(listener.sockets[0].getsockname()[1], "https" if tls else "http")
    try:
        yield server
    finally:
        listener.close()
        for task in list(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(listener.wait_closed(), 1)


def head(status: str, headers: Mapping[str, str]) -> bytes:
    """The head of an answer."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode()


def page(
    body: bytes,
    *,
    status: str = "200 OK",
    content_type: str = TEXT,
    headers: Mapping[str, str] | None = None,
    announced: int | None = None,
) -> Answer:
    """Answer with this body; `announced` is a Content-Length that need not be true."""
    told = {"Content-Type": content_type, **(headers or {})}
    length = len(body) if announced is None else announced
    if length >= 0:
        told["Content-Length"] = str(length)

    async def answer(writer: asyncio.StreamWriter, _request: bytes) -> None:
        writer.write(head(status, told) + body)
        await writer.drain()

    return answer


async def hang(_writer: asyncio.StreamWriter, _request: bytes) -> None:
    """Take the request and say nothing."""
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter, _request: bytes) -> None:
    """One byte now and then: never silent for long, never done."""
    writer.write(head("200 OK", {"Content-Type": TEXT, "Content-Length": "1000000"}))
    while True:
        writer.write(b"#")
        await writer.drain()
        await asyncio.sleep(0.02)


async def flood(writer: asyncio.StreamWriter, _request: bytes) -> None:
    """50 MB in chunks, without a word about the length."""
    writer.write(head("200 OK", {"Content-Type": TEXT, "Transfer-Encoding": "chunked"}))
    chunk = b"# " + b"x" * 65_533 + b"\n"
    for _ in range(50_000_000 // len(chunk)):
        writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def close_at_once(_writer: asyncio.StreamWriter, _request: bytes) -> None:
    """Take the request and hang up."""


def bomb() -> Answer:
    """A small gzip body that becomes 64 MB."""
    return page(gzip.compress(bytes(64_000_000), 1), headers={"Content-Encoding": "gzip"})


HALF = page(METRICS[:-10], announced=len(METRICS))
HTML = page(b"<!DOCTYPE html><html><body>Welcome</body></html>", content_type="text/html")
JSON = page(b'{"status": "ok"}', content_type="application/json")
BAD_UTF8 = page(METRICS + b'x{y="\xff\xfe"} 1\n')
REDIRECT = page(b"", status="302 Found", headers={"Location": "http://169.254.169.254/"})
GOOD = page(METRICS)
