"""One of the servers that `benchmarks.rum` compares, on a port: `python -m benchmarks._rum_server`.

All three run on the same uvicorn with the same settings; they differ in what answers `POST /rum`.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from api.app import Application, create_app
from api.direct import direct
from api.document import Document
from api.house import House
from api.loops import clock
from api.serve import build
from api.settings import build as settings_of
from storage.config import StorageConfig

COLLECT_SECONDS = 5.0
RUM = {
    "apps": [
        {
            "name": "shop",
            "key": "shop-public",
            "origins": ["https://shop.example"],
            "routes": ["/", "/product/:id"],
        }
    ],
    "trusted_proxies": ["127.0.0.0/8"],
    "app_per_second": 1_000_000,
    "app_burst": 1_000_000,
}


async def empty(scope: Any, receive: Any, send: Any) -> None:
    """204, whatever is asked."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Metric(BaseModel):
    """A metric as a first attempt would declare it."""

    n: str
    i: str
    v: float
    t: str
    u: str


class Beacon(BaseModel):
    """A beacon likewise."""

    v: int
    k: str
    p: str
    s: int
    r: float
    dt: str
    ct: str | None = None
    rel: str | None = None
    m: list[Metric]


def naive() -> FastAPI:
    """FastAPI with a pydantic model as the body, and nothing done with it."""
    app = FastAPI()

    @app.post("/rum", status_code=204)
    async def rum(beacon: Beacon) -> None:
        del beacon

    return app


def house(directory: Path, port: int, most_waiting: int) -> House:
    """A Plimsoll that takes beacons; with few waiting, each request also counts a view."""
    text = {
        "server": {"port": port},
        "collector": {"host": False, "rum": {**RUM, "metric_ids": most_waiting}},
    }
    settings = settings_of(Document(data=text))
    return build(replace(settings, storage=StorageConfig(directory=directory)))


async def turns(made: House) -> None:
    """The turns of the collector, as the loops take them."""
    while True:
        made.collector.start_due(clock())
        await asyncio.sleep(COLLECT_SECONDS)
        await asyncio.to_thread(made.collector.flush)


async def serve(app: Callable[..., Any], port: int, made: House | None) -> None:
    """Until it is terminated."""
    config = uvicorn.Config(
        app,
        port=port,
        http=direct(app.beacons) if isinstance(app, Application) else "h11",
        log_level="error",
        access_log=False,
        lifespan="off",
        proxy_headers=False,
    )
    beside = asyncio.create_task(turns(made)) if made is not None else None
    await uvicorn.Server(config).serve()
    if beside is not None:
        beside.cancel()


def main(kind: str, port: int, most_waiting: int = 200_000) -> None:
    """Run one server."""
    if kind == "empty":
        asyncio.run(serve(empty, port, None))
    elif kind == "naive":
        asyncio.run(serve(naive(), port, None))
    else:
        with tempfile.TemporaryDirectory(prefix="plimsoll-rum-") as folder:
            made = house(Path(folder), port, most_waiting)
            turning = made if kind == "running" else None
            asyncio.run(serve(create_app(made), port, turning))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *map(int, sys.argv[3:]))
