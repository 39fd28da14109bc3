"""Beacon: which scripts deliver every web vital however a page view ends, and at what price.

One page, in Chromium, ended in eight ways, with our beacon and with the scripts of others, all by
the same program. What is complete: benchmarks/_rivals.py. The page is fast and local, so this
shows wrong order and endings that are not thought of, not how much is lost in the field.
"""

import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import brotli

from api.built import built
from benchmarks import _chromium
from benchmarks._capture import WAYS, Ending, Received, captured
from benchmarks._rivals import HERE, OURS, RIVALS, Rival, bundles

VIEWS = int(os.environ.get("PLIMSOLL_BEACON_VIEWS", "3"))
AT_ONCE = 5
ATTRIBUTES = 'data-url="RECEIVER/rum" data-app="shop" data-release="web@1.4.2"'
MOST_BYTES = 1024
TOP = ("", "brotli", *Ending, "requests (preflights)", "bytes", "cookie")


@dataclass(frozen=True, slots=True)
class Script:
    """A script that is tried."""

    rival: Rival
    title: str
    code: bytes


def scripts() -> list[Script]:
    """Ours in both variants, then the rivals."""
    own = [
        Script(OURS, "Plimsoll", built("js").plain),
        Script(OURS, "Plimsoll with attribution", built("attr.js").plain),
    ]
    with tempfile.TemporaryDirectory(prefix="plimsoll-rivals-") as folder:
        made = bundles(Path(folder))
    return own + [Script(one, one.title, made[name]) for name, one in RIVALS.items()]


async def tried(tests: list[tuple[Script, Ending]]) -> tuple[str, list[Received]]:
    """Chromium's version, and what every view sent."""
    binary = _chromium.chromium()
    if binary is None:
        raise RuntimeError("Chromium is not installed")
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(browser: _chromium.Chromium, script: Script, ending: Ending) -> Received:
        async with turns:
            return await captured(browser, script.code, ATTRIBUTES, WAYS[ending])

    async with _chromium.running(binary) as browser:
        version = await browser.version()
        return version, await asyncio.gather(*(in_turn(browser, *one) for one in tests))


def measure() -> dict[str, object]:
    """The share of views that were complete, ours beside the best of the others, and the table."""
    all_of_them = scripts()
    tests = [(script, ending) for script in all_of_them for ending in Ending for _ in range(VIEWS)]
    version, received = asyncio.run(tried(tests))
    found: dict[str, dict[Ending, list[Received]]] = {}
    for (script, ending), one in zip(tests, received, strict=True):
        found.setdefault(script.title, {}).setdefault(ending, []).append(one)
    shares = {one.title: complete(one, found[one.title]) for one in all_of_them}
    own = min(shares[one.title] for one in all_of_them if one.rival is OURS)
    rows = [row(one, found[one.title]) for one in all_of_them]
    small = all(
        len(request.body) <= MOST_BYTES
        for one in all_of_them
        if one.rival is OURS
        for views in found[one.title].values()
        for view in views
        for request in view.posts
    )
    best = max(share for title, share in shares.items() if not title.startswith(OURS.title))
    return {
        "name": "beacon",
        "ours": round(own, 3),
        "peer": round(best, 3),
        "ratio": round(own / best, 2),
        "goal": f"1, in requests of {MOST_BYTES} bytes at most",
        "met": own == 1 and small,
        "unit": "share of page views of which every metric arrived",
        "table": "\n" + "\n".join(map(line, [TOP, ["---"] * len(TOP), *rows])),
        "versions": {"browser": version, **versions()},
    }


def complete(script: Script, views: Mapping[Ending, list[Received]]) -> float:
    """The share of views that brought everything."""
    all_views = [(ending, one) for ending, several in views.items() for one in several]
    whole = [one for ending, one in all_views if not script.rival.missing(one, ending)]
    return len(whole) / len(all_views)


def row(script: Script, views: Mapping[Ending, list[Received]]) -> list[str]:
    """What one script costs and delivers."""
    cells = [script.title, f"{len(brotli.compress(script.code, quality=11)):,}"]
    for ending in Ending:
        lost = Counter(
            metric for one in views[ending] for metric in script.rival.missing(one, ending)
        )
        of = len(views[ending])
        told = [f"{metric} {of - times}/{of}" for metric, times in lost.items()]
        cells.append(", ".join(told) or "all")
    # A plain view: what the odd endings cost is their own affair.
    plain = views[Ending.NAVIGATE]
    requests = sum(len(one.requests) for one in plain) / len(plain)
    preflights = sum(one.preflights for one in plain) / len(plain)
    posts = [post for one in plain for post in one.posts]
    size = sum(len(post.body) + len(post.path) for post in posts) / len(plain)
    cookies = "yes" if any("cookie" in post.headers for post in posts) else "no"
    return [*cells, f"{requests:.2g} ({preflights:.2g})", f"{size:,.0f}", cookies]


def line(cells: object) -> str:
    """A line of a table in Markdown."""
    assert isinstance(cells, list | tuple)
    return f"| {' | '.join(cells)} |"


def versions() -> dict[str, str]:
    """The rivals' versions, from their lock file."""
    lock = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    names = sorted({one.package for one in RIVALS.values()} | {"esbuild"})
    return {name: str(lock[f"node_modules/{name}"]["version"]) for name in names}
