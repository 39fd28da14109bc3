"""Chromium for the tests of the beacon: many views at once, each judged by a test of its own."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.built import built
from benchmarks import _chromium
from benchmarks._capture import WAYS, Ending, Received, Request, Way, captured
from tests.servers import missing

ATTRIBUTES = 'data-app="shop" data-release="web@1.4.2" data-url="RECEIVER/rum"'
MOST_BYTES = 1024
# More and they are in each other's way on two cores.
AT_ONCE = 8


@dataclass(frozen=True)
class View:
    """What is visited, and how it ends."""

    way: Way | Ending = Ending.CLOSE
    script: str = "js"
    attributes: str = ATTRIBUTES
    before: str = ""
    """JavaScript that runs ahead of the beacon."""
    twice: bool = False
    """Whether the script is there twice."""


def binary() -> str:
    """Chromium, or the end of the test."""
    found = _chromium.chromium()
    if found is None:
        missing("Chromium is not installed: apt-get install chromium")
    return found


def visit(views: Mapping[str, View]) -> dict[str, Received]:
    """All of them, several at once: most of the time each of them waits."""

    async def all_of_them() -> list[Received]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def in_turn(browser: _chromium.Chromium, view: View) -> Received:
            script = built(view.script).plain * (2 if view.twice else 1)
            way = WAYS[view.way] if isinstance(view.way, Ending) else view.way
            async with turns:
                return await captured(browser, script, view.attributes, way, view.before)

        async with _chromium.running(binary()) as browser:
            return await asyncio.gather(*(in_turn(browser, one) for one in views.values()))

    return dict(zip(views, asyncio.run(all_of_them()), strict=True))


def beacon(request: Request) -> dict[str, Any]:
    """The payload of a request."""
    payload: dict[str, Any] = json.loads(request.body)
    return payload


def final(received: Received) -> dict[tuple[str, str], dict[str, Any]]:
    """The metrics of a view by page view and id, as a receiver settles them: the last one wins."""
    found: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
    for request in received.posts:
        payload = beacon(request)
        for metric in payload["m"]:
            key = (payload["p"], metric["i"])
            if key not in found or payload["s"] > found[key][0]:
                found[key] = (payload["s"], metric)
    return {key: metric for key, (_, metric) in found.items()}


def names(received: Received, kind: str = "") -> list[str]:
    """Which metrics arrived, in the order of the alphabet; of one kind of navigation, if named."""
    return sorted(one["n"] for one in final(received).values() if kind in ("", one["t"]))
