"""Beacons over real sockets: both ways in, what is refused before it is read, and its cost."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn

from api.app import create_app
from api.direct import direct
from api.document import Document
from api.house import House
from api.serve import build, forwarding
from api.settings import build as settings_of
from collector.rum.refusal import Refusal
from storage.config import StorageConfig
from tests.api.shop import Clock, close
from tests.collector.rum.sending import APP, CHROME, ORIGIN, whole

HEADERS = {"Origin": ORIGIN, "User-Agent": CHROME}


@contextmanager
def serving(house: House) -> Iterator[int]:
    """The application of a house, served as `plimsoll run` serves it; its port."""
    app = create_app(house)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            forwarding(app),
            interface="asgi3",
            http=direct(app.beacons),
            log_config=None,
            lifespan="off",
            proxy_headers=False,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    settings = settings_of(Document(data={"collector": {"rum": {"apps": [APP]}}}))
    made = build(replace(settings, storage=StorageConfig(directory=tmp_path)), now=Clock())
    yield made
    close(made)


def test_beacons_pages_and_refusals_share_a_connection(house: House) -> None:
    with serving(house) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for i in range(3):
            body = json.dumps(whole(f"view-{i:04}"))
            assert client.post("/rum", content=body, headers=HEADERS).status_code == 204
            assert client.get("/healthz").status_code == 200
        assert client.post("/rum", content=b"{}", headers=HEADERS).status_code == 400
        gzipped = client.post("/rum", content=b"x", headers={**HEADERS, "Content-Encoding": "gzip"})
        assert gzipped.status_code == 415
        # A forwarded address is believed of nobody here: both ways count the peer's network.
        for _ in range(60):
            spoofed = {**HEADERS, "X-Forwarded-For": "198.51.100.7", "Expect": "none"}
            last = client.post("/rum", content=b"{}", headers=spoofed)
        assert last.status_code == 429
    site = house.rum.sites["k1"]
    assert site.beacons == 3
    assert house.rum.refused[Refusal.PREFIX_RATE] > 0


def test_fifty_megabytes_in_chunks_are_refused_after_the_first(house: House) -> None:
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    head = (
        f"POST /rum HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: {ORIGIN}\r\nUser-Agent: x\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    ).encode()
    sent = 0
    with serving(house) as port, socket.create_connection(("127.0.0.1", port), 20) as line:
        line.sendall(head)
        answered = b""
        line.settimeout(0.001)
        for _ in range(800):
            try:
                line.sendall(chunk)
                sent += len(chunk)
                answered += line.recv(4096)
                if answered:
                    break
            except TimeoutError:
                continue
            except OSError:  # closed from the other side
                break
    assert answered.startswith(b"HTTP/1.1 413 ") or sent < 800 * len(chunk)
    assert house.rum.refused[Refusal.TOO_LARGE] == 1


def test_what_never_ends_is_not_waited_for_by_others(house: House) -> None:
    head = f"POST /rum HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nContent-Length: 500\r\n\r\n"
    with serving(house) as port:
        lines = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(30)]
        for line in lines:
            line.sendall(head.encode())
        url = f"http://127.0.0.1:{port}/rum"
        body = json.dumps(whole("view-0001"))
        answer = httpx.post(url, content=body, headers=HEADERS, timeout=20, trust_env=False)
        for line in lines:
            line.close()
    assert answer.status_code == 204
