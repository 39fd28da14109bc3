"""Middleware: what measuring a request costs, beside prometheus-fastapi-instrumentator.

A FastAPI application with 200 routes in included routers is called in process, without a server.
The bare application, ours and the peer take turns in short rounds; of each the fastest round
counts, since everything that disturbs a round only makes it slower. Ours answers a private address,
so it also writes the timing headers, which the peer does not have.
"""

import asyncio
import gc
import platform
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from time import perf_counter
from typing import Any

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from plimsoll_client.middleware import RequestMetrics

PEER = "prometheus-fastapi-instrumentator"
ROUTES = 200
ASKED_ROUTES = (0, 150)
ROUNDS = 40
REQUESTS_PER_ROUND = 250
GOAL_RATIO = 0.2
GOAL_MICROSECONDS = 25.0


def measure() -> dict[str, object]:
    """Microseconds that ours and the peer add to one request, as the mean over the asked routes."""
    best = asyncio.run(fastest_rounds(applications()))
    added = {
        name: [best[name, route] - best["bare", route] for route in ASKED_ROUTES]
        for name in ("ours", "peer")
    }
    ours, peer = (sum(values) / len(values) for values in (added["ours"], added["peer"]))
    ratio = ours / peer
    return {
        "name": "middleware",
        "ours": round(ours, 2),
        "peer": round(peer, 2),
        "ratio": round(ratio, 4),
        "goal": f"<= {GOAL_RATIO} of the peer and <= {GOAL_MICROSECONDS:.0f} us",
        "met": ratio <= GOAL_RATIO and ours <= GOAL_MICROSECONDS,
        "unit": "us per request on top of the bare application",
        "bare": {f"route {route}": round(best["bare", route], 2) for route in ASKED_ROUTES},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("fastapi", "starlette", "prometheus-client", PEER)},
        },
    }


def applications() -> Mapping[str, FastAPI]:
    """The same application bare, with ours and with the peer, each on a registry of its own."""
    try:
        peer = import_module("prometheus_fastapi_instrumentator")
    except ImportError as missing:
        raise RuntimeError(
            f"the peer is not installed: make a throw-away environment with this project in it,"
            f" run `pip install {PEER}` there and start the benchmark from it"
        ) from missing
    ours, theirs = application(), application()
    ours.add_middleware(RequestMetrics, registry=CollectorRegistry())
    peer.Instrumentator(registry=CollectorRegistry()).instrument(theirs)
    return {"bare": application(), "ours": ours, "peer": theirs}


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
