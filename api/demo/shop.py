"""A small shop with a database, a cache and a slow partner; version 1.5.0 has a mistake.

Run as a process of its own: `python -P -m api.demo.shop PORT SEED`. Every request runs a real
query, on SQLite or on the PostgreSQL that `api.demo.stores` tells of; the time that a real shop
spends waiting for others is waited for.
"""

import asyncio
import math
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, sleep
from typing import Annotated

import uvicorn
from fastapi import Body, FastAPI, HTTPException
from prometheus_client import CollectorRegistry, Histogram

from api.demo import stores
from plimsoll_client.cache import ObservedCache
from plimsoll_client.exposition import metrics_app
from plimsoll_client.middleware import RequestMetrics

GOOD, SLOW = "1.4.2", "1.5.0"
QUERY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
JITTER = 0.12
FAILING = 0.001
"""Share of the checkouts that the bank does not answer: an API without any error is none."""


class Shop:
    """What the shop holds: products in a database, a cache of their pages, the running version."""

    def __init__(self, seed: int, registry: CollectorRegistry) -> None:
        self.version = GOOD
        self.random = random.Random(seed)
        self.cache = ObservedCache("products", registry)
        self.pages = stores.pages()
        self.queries = Histogram(
            "db_client_operation_duration_seconds",
            "Time of a query.",
            ["db", "operation"],
            buckets=QUERY_BUCKETS,
            registry=registry,
        )
        self.products = stores.products()

    @contextmanager
    def query(self, operation: str) -> Iterator[stores.Products]:
        """A query, timed under its class."""
        began = perf_counter()
        yield self.products
        self.queries.labels("shop", operation).observe(perf_counter() - began)

    async def partner(self, median_seconds: float) -> None:
        """Wait for somebody else's service, sometimes a little longer."""
        await asyncio.sleep(median_seconds * math.exp(self.random.gauss(0, JITTER)))


def create_shop(seed: int) -> Callable[..., object]:
    """The ASGI application."""
    registry = CollectorRegistry()
    shop = Shop(seed, registry)
    app = FastAPI(title="Demo shop", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/products/{product_id}")
    async def product(product_id: int) -> dict[str, str]:
        page = shop.pages.get(product_id)
        if page is not None:
            shop.cache.hit()
            await shop.partner(0.02)
            return {"page": page}
        with shop.cache.fetch(), shop.query("select product") as products:
            found = products.ask("SELECT name FROM product WHERE id = ?", [product_id])
        await shop.partner(0.05)
        if not found:
            raise HTTPException(404, "no such product")
        page = str(found[0][0])
        if shop.random.random() < 0.9:  # a tenth of the pages is too personal to be kept
            shop.pages.put(product_id, page)
        return {"page": page}

    @app.get("/search")
    async def search(q: str) -> dict[str, int]:
        with shop.query("search") as products:
            found = products.ask("SELECT id FROM product WHERE name LIKE ?", [f"%{q}%"])
        await shop.partner(0.07)
        return {"found": len(found)}

    @app.post("/checkout")
    async def checkout(items: Annotated[list[int], Body(embed=True)]) -> dict[str, float]:
        with shop.query("sum prices") as products:
            marks = ", ".join("?" * len(items))
            [[found]] = products.ask(f"SELECT sum(price) FROM product WHERE id IN ({marks})", items)
            total = float(str(found or 0))
        await shop.partner(0.11)
        if shop.random.random() < FAILING:
            raise HTTPException(503, "the bank does not answer")
        if shop.version == SLOW:
            for item in items:  # the mistake: the tax service is asked once for each item
                with shop.query("select tax class") as products:
                    products.ask("SELECT price FROM product WHERE id = ?", [item])
                await shop.partner(0.02)
        return {"total": total}

    @app.post("/deploy")
    async def deploy(version: Annotated[str, Body(embed=True)]) -> dict[str, str]:
        shop.version = version
        return {"version": shop.version}

    app.add_route("/metrics", metrics_app(registry))
    return RequestMetrics(app, registry=registry)


def end_with(parent: int) -> None:
    """End this process when the one that started it is gone, however it went."""
    while os.getppid() == parent:
        sleep(0.5)
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with, args=[os.getppid()], daemon=True).start()
    uvicorn.run(
        create_shop(int(sys.argv[2])),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        access_log=False,
    )
