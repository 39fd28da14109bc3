"""Customers of the demo shop: real HTTP requests at random times, the same for the same seed.

Run as a process of its own: `python -P -m api.demo.traffic URL SEED`. It ends with its parent.
"""

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import Awaitable, Callable

import httpx

PER_SECOND = {"product": 10.0, "search": 5.0, "checkout": 5.0}
ITEMS = 3
LINKED = 505
"""Products that others link to; the shop has 500 of them."""
Call = Callable[[httpx.AsyncClient, random.Random], Awaitable[httpx.Response]]


async def product(client: httpx.AsyncClient, choice: random.Random) -> httpx.Response:
    """Look at a product; some are looked at far more often than others, a few are gone."""
    return await client.get(f"/products/{int(choice.paretovariate(0.6)) % LINKED}")


async def search(client: httpx.AsyncClient, choice: random.Random) -> httpx.Response:
    """Search for something."""
    return await client.get("/search", params={"q": str(choice.randrange(50))})


async def checkout(client: httpx.AsyncClient, choice: random.Random) -> httpx.Response:
    """Buy a few things."""
    items = [choice.randrange(500) for _ in range(ITEMS)]
    return await client.post("/checkout", json={"items": items})


CALLS: dict[str, Call] = {"product": product, "search": search, "checkout": checkout}


async def arrive(client: httpx.AsyncClient, name: str, choice: random.Random) -> None:
    """One stream of customers who come independently of each other."""
    under_way: set[asyncio.Task[None]] = set()
    while True:
        await asyncio.sleep(choice.expovariate(PER_SECOND[name]))
        task = asyncio.create_task(ask(client, CALLS[name], choice))
        under_way.add(task)
        task.add_done_callback(under_way.discard)


async def ask(client: httpx.AsyncClient, call: Call, choice: random.Random) -> None:
    """One request; a shop that is going away is no news."""
    try:
        await call(client, choice)
    except httpx.HTTPError:
        await asyncio.sleep(0.1)


async def main(url: str, seed: int) -> None:
    """All streams, until the process that started them is gone."""
    parent = os.getppid()
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(
        base_url=url, timeout=5.0, limits=limits, trust_env=False
    ) as client:
        streams = [
            asyncio.create_task(arrive(client, name, random.Random(f"{seed} {name}")))
            for name in CALLS
        ]
        while os.getppid() == parent:
            await asyncio.sleep(0.5)
        for one in streams:
            one.cancel()


if __name__ == "__main__":
    # Ctrl-C in the terminal goes to all processes of the demo; this one has nothing to say to it.
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], int(sys.argv[2])))
