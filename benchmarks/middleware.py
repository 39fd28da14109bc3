"""Middleware: what measuring a request costs, beside prometheus-fastapi-instrumentator.

A FastAPI application with 200 routes in included routers is called in process, without a server.
The bare application, ours and the peer take turns in short rounds; of each the fastest round
counts, since everything that disturbs a round only makes it slower. Ours has everything switched
on: the timing headers, a tier for each request, and the watch over event loop, threads and garbage
collector. The peer has none of these. What the watching thread takes is not in it, as it is not
spent per request. Once more, without the peer, ours is measured as one of several workers, where
every number is written into a shared file.
"""

import asyncio
import gc
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from time import perf_counter
from typing import Any

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from plimsoll_client.families import Tiers
from plimsoll_client.middleware import RequestMetrics
from plimsoll_client.runtime import RuntimeMetrics
from plimsoll_client.workers import VARIABLE

PEER = "prometheus-fastapi-instrumentator"
ROUTES = 200
ASKED_ROUTES = (0, 150)
ROUNDS = 40
REQUESTS_PER_ROUND = 250
GOAL_RATIO = 0.2
GOAL_MICROSECONDS = 25.0


def measure() -> dict[str, object]:
    """Microseconds that ours and the peer add to one request, as the mean over the asked routes."""
    best = asyncio.run(fastest_rounds({**applications(), "peer": measured_by_the_peer()}))
    ours, peer = added(best, "ours"), added(best, "peer")
    ratio = ours / peer
    return {
        "name": "middleware",
        "ours": round(ours, 2),
        "peer": round(peer, 2),
        "ratio": round(ratio, 4),
        "goal": f"<= {GOAL_RATIO} of the peer and <= {GOAL_MICROSECONDS:.0f} us",
        "met": ratio <= GOAL_RATIO and ours <= GOAL_MICROSECONDS,
        "unit": "us per request on top of the bare application",
        "as one of several workers": round(in_a_worker(), 2),
        "bare": {f"route {route}": round(best["bare", route], 2) for route in ASKED_ROUTES},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("fastapi", "starlette", "prometheus-client", PEER)},
        },
    }


def added(best: Mapping[tuple[str, int], float], name: str) -> float:
    """Microseconds on top of the bare application, as the mean over the asked routes."""
    return sum(best[name, route] - best["bare", route] for route in ASKED_ROUTES) / len(
        ASKED_ROUTES
    )


def in_a_worker() -> float:
    """What ours adds where the numbers are shared with other processes.

    prometheus-client decides that once, when it is imported, so this needs a process of its own.
    """
    program = (
        "import asyncio; from benchmarks import middleware as m;"
        " print(m.added(asyncio.run(m.fastest_rounds(m.applications())), 'ours'))"
    )
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, VARIABLE: folder},
            capture_output=True,
            text=True,
            check=True,
        )
    return float(ran.stdout)


def applications() -> dict[str, FastAPI]:
    """The same application bare, and with everything that ours can do."""
    ours, registry = application(), CollectorRegistry()
    tiers = Tiers(frozenset({"shared", "dedicated"}), lambda scope: "shared")
    ours.add_middleware(RuntimeMetrics, registry=registry)
    ours.add_middleware(RequestMetrics, registry=registry, tiers=tiers)
    return {"bare": application(), "ours": ours}


def measured_by_the_peer() -> FastAPI:
    """The same application with the peer."""
    try:
        peer = import_module("prometheus_fastapi_instrumentator")
    except ImportError as missing:
        raise RuntimeError(
            f"the peer is not installed: make a throw-away environment with this project in it,"
            f" run `pip install {PEER}` there and start the benchmark from it"
        ) from missing
    theirs = application()
    peer.Instrumentator(registry=CollectorRegistry()).instrument(theirs)
    return theirs


def application() -> FastAPI:
    """Twenty included routers of ten routes each."""
    app = FastAPI()

    async def item(item_id: int) -> int:
        return item_id

    for group in range(ROUTES // 10):
        router = APIRouter(prefix=f"/v1/group{group}")
        for number in range(10):
            router.add_api_route(f"/things{number}/{{item_id}}", item)
        app.include_router(router, prefix="/api")
    return app


async def fastest_rounds(apps: Mapping[str, FastAPI]) -> dict[tuple[str, int], float]:
    """Microseconds per request of each application and route: the best of interleaved rounds."""
    best: dict[tuple[str, int], float] = {}
    for route in ASKED_ROUTES:
        path = f"/api/v1/group{route // 10}/things{route % 10}/5"
        for app in apps.values():
            await ask(app, path, REQUESTS_PER_ROUND)  # warm: caches, first series
        for _ in range(ROUNDS):
            for name, app in apps.items():
                gc.collect()
                started = perf_counter()
                await ask(app, path, REQUESTS_PER_ROUND)
                each = (perf_counter() - started) / REQUESTS_PER_ROUND * 1e6
                best[name, route] = min(each, best.get((name, route), each))
    return best


async def ask(app: FastAPI, path: str, times: int) -> None:
    """Call the application as a server would."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        pass

    headers = [
        (b"host", b"shop.example"),
        (b"user-agent", b"benchmark"),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"gzip"),
        (b"cookie", b"session=0123456789"),
    ]
    for _ in range(times):
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 50000),
            "root_path": "",
            "state": {},
        }
        await app(scope, receive, send)
