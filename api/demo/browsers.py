"""Browsers of the demo shop: they open its pages over HTTP, and send what a beacon would.

Run as a process of its own: `python -P -m api.demo.browsers SHOP SEED PLIMSOLL`. The pages are
real, their release is read from them, and the beacons go to `POST /rum`; only the times are drawn
(`api.demo.crowd`), because a hundred real browsers would need more than this machine. It ends with
its parent.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import sys

import httpx

from api.demo.crowd import PAGES, PER_SECOND, beacon, visit
from api.demo.shop import SLOW
from api.demo.storefront import KEY

RELEASE = re.compile(r'data-release="([^"]*)"')
AGENT = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Mobile Safari/537.36"
)


async def browse(
    client: httpx.AsyncClient, shop_url: str, plimsoll_url: str, rng: random.Random
) -> None:
    """One visit of one page, and its beacon; whoever is going away is no news."""
    seen = visit(rng, late=False)
    try:
        page = await client.get(shop_url + PAGES[seen.route].address.format(rng.randrange(500)))
        found = RELEASE.search(page.text)
        release = found.group(1) if found else ""
        if release.endswith(SLOW):
            seen = visit(rng, late=True, route=seen.route)
        address = f"10.{rng.randrange(200)}.{rng.randrange(250)}.{rng.randrange(1, 250)}"
        body = beacon(seen, KEY, f"{rng.getrandbits(80):020x}", release)
        headers = {"Origin": shop_url, "User-Agent": AGENT, "X-Forwarded-For": address}
        await client.post(f"{plimsoll_url}/rum", content=json.dumps(body), headers=headers)
    except httpx.HTTPError:
        await asyncio.sleep(0.1)


async def main(shop_url: str, seed: str, plimsoll_url: str) -> None:
    """Visits at random times, until the process that started this one is gone."""
    parent, rng = os.getppid(), random.Random(f"{seed} browsers")
    under_way: set[asyncio.Task[None]] = set()
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(timeout=5.0, limits=limits, trust_env=False) as client:
        while os.getppid() == parent:
            await asyncio.sleep(rng.expovariate(PER_SECOND))
            task = asyncio.create_task(browse(client, shop_url, plimsoll_url, rng))
            under_way.add(task)
            task.add_done_callback(under_way.discard)


if __name__ == "__main__":
    # Ctrl-C in the terminal goes to all processes of the demo; this one has nothing to say to it.
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:4]))
