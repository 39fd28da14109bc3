"""The middleware under uvicorn: what a server really does when a client leaves."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from prometheus_client import CollectorRegistry

from client_tests.asking import counted, value
from plimsoll_client.exposition import metrics_app
from plimsoll_client.middleware import RequestMetrics

DEADLINE_SECONDS = 20.0


def application(registry: CollectorRegistry) -> FastAPI:
    app = FastAPI()

    async def ticks() -> AsyncIterator[bytes]:
        while True:
            yield b"tick"
            await asyncio.sleep(0.01)

    @app.get("/stream/{n}")
    async def stream(n: int) -> StreamingResponse:
        return StreamingResponse(ticks())

    @app.get("/things/{n}")
    async def thing(n: int) -> int:
        return n

    @app.post("/upload")
    async def upload(request: Request) -> int:
        return len(await request.body())

    app.add_route("/metrics", metrics_app(registry))
    app.add_middleware(RequestMetrics, registry=registry)
    return app


@pytest.fixture
def address(registry: CollectorRegistry) -> Iterator[tuple[str, int]]:
    """A running server; it is told to stop, and waited for, at the end."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application(registry), log_level="critical", lifespan="on", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    wait_until(lambda: server.started)
    yield listening.getsockname()
    server.should_exit = True
    thread.join(DEADLINE_SECONDS)
    listening.close()
    assert not thread.is_alive()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "the server took too long"
        time.sleep(0.005)


def talk(address: tuple[str, int], request: bytes, until: bytes) -> bytes:
    """Send a request, read until a marker is seen, and hang up."""
    with socket.create_connection(address, timeout=DEADLINE_SECONDS) as connection:
        connection.sendall(request)
        got = b""
        while until not in got:
            part = connection.recv(65536)
            if not part:
                break
            got += part
    return got


def test_an_answer_carries_its_time_and_is_counted(
    address: tuple[str, int], registry: CollectorRegistry
) -> None:
    got = talk(address, b"GET /things/7 HTTP/1.1\r\nHost: a\r\n\r\n", until=b"\r\n\r\n7")

    assert b"\r\nserver-timing: app;dur=" in got
    assert b"\r\nx-process-time: 0." in got
    wait_until(lambda: counted(registry) != {})
    assert counted(registry) == {("GET", "/things/{n}", "200"): 1}
    assert value(
        registry, "http_server_response_body_bytes_total", method="GET", route="/things/{n}"
    ) == len(b"7")


def test_a_client_that_hangs_up_in_a_stream_is_a_499(
    address: tuple[str, int], registry: CollectorRegistry
) -> None:
    talk(address, b"GET /stream/7 HTTP/1.1\r\nHost: a\r\n\r\n", until=b"tick")

    wait_until(lambda: counted(registry) != {})
    assert counted(registry) == {("GET", "/stream/{n}", "499"): 1}


def test_a_client_that_hangs_up_in_its_upload_is_a_499(
    address: tuple[str, int], registry: CollectorRegistry
) -> None:
    with socket.create_connection(address, timeout=DEADLINE_SECONDS) as connection:
        connection.sendall(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
        wait_until(lambda: value(registry, "http_server_active_requests", method="POST") == 1)

    wait_until(lambda: counted(registry) != {})
    assert counted(registry) == {("POST", "/upload", "499"): 1}


def test_the_metrics_page_is_served_at_its_own_path(address: tuple[str, int]) -> None:
    got = talk(
        address,
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        until=b"__never__",
    )

    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'http_server_active_requests{method="GET"} 1.0\n' in got
