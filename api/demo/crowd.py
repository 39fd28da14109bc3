"""The browsers of the demo: which pages they open, with which devices, and how fast these come.

One model for those who come now and for the eight days that there could have been. Times are
milliseconds, as beacons tell them.
"""

import random
from dataclasses import dataclass

from api.demo.storefront import EXPERIMENT_SECONDS, HERO

PER_SECOND = 8.0
CLICKS = 0.4
DEVICES = {"m": (0.6, 1.3), "d": (0.4, 1.0)}
CONNECTIONS = {"4g": (0.85, 1.0), "3g": (0.15, 1.6)}
LATE_PAGE = "/product/:id"


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its share of the visits, its address, and its usual LCP after the first paint."""

    share: float
    address: str
    largest_ms: float


PAGES = {
    "/": Page(0.3, "/", 350.0),
    LATE_PAGE: Page(0.55, "/product/{}", 450.0),
    "/cart": Page(0.15, "/cart", 250.0),
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One page view; `metrics` are those that its beacon tells, by name."""

    route: str
    device: str
    connection: str
    metrics: dict[str, float]


def chosen(rng: random.Random, parts: dict[str, tuple[float, float]]) -> tuple[str, float]:
    """One of some parts by its share, and its factor."""
    name = rng.choices([*parts], [share for share, _ in parts.values()])[0]
    return name, parts[name][1]


def visit(rng: random.Random, *, late: bool, route: str = "", device: str = "") -> Visit:
    """One page view; `late` is whether product pages wait for the experiments service."""
    route = route or rng.choices([*PAGES], [one.share for one in PAGES.values()])[0]
    if device:
        slower = DEVICES[device][1]
    else:
        device, slower = chosen(rng, DEVICES)
    connection, slow = chosen(rng, CONNECTIONS)
    factor = slower * slow

    def about(median: float, spread: float) -> float:
        return median * factor * rng.lognormvariate(0, spread)

    first_byte = about(70, 0.4)
    first_paint = first_byte + about(380, 0.35)
    largest = first_paint + about(PAGES[route].largest_ms, 0.4)
    if late and route == LATE_PAGE:
        largest += 1000 * EXPERIMENT_SECONDS
    metrics = {
        "TTFB": round(first_byte, 1),
        "FCP": round(first_paint, 1),
        "LCP": round(largest, 1),
        "CLS": rng.choice((0.0, 0.0, 0.01, 0.06)),
    }
    if rng.random() < CLICKS:
        metrics["INP"] = float(8 * max(1, round(about(90, 0.6) / 8)))
    return Visit(route, device, connection, metrics)


def beacon(seen: Visit, key: str, view: str, release: str) -> dict[str, object]:
    """What the beacon of a page view says; see docs/rum-protocol.md."""
    metrics = []
    for name, value in seen.metrics.items():
        metric: dict[str, object] = {"n": name, "i": f"v6-{name}", "v": value, "u": seen.route}
        if name == "LCP":
            metric["a"] = {"e": f"#{HERO}"}
        metrics.append(metric)
    return {
        "v": 1,
        "k": key,
        "rel": release,
        "p": view,
        "s": 0,
        "dt": seen.device,
        "ct": seen.connection,
        "m": metrics,
    }
