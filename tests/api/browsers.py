"""Eight days of what browsers told of the shop: the counts of hours, as the receiver stores them.

`/checkout/:id` is slow, and slower since the release `web@2`; `/` is good; few visit `/about`.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from api.house import House
from collector.rum.cells import Cut, Tally
from collector.rum.percentile import BOUNDS
from detector.readings import Reading
from storage.history import HOUR_SECONDS, NO_LAYOUT, Ints, Windows
from storage.series import Labels
from tests.api.shop import DAY_MS, NOW_MS

HOUR_MS = 3_600_000
RELEASED_MS = NOW_MS - DAY_MS
ORIGIN = "https://shop.example"
COLLECTOR: dict[str, Any] = {
    "targets": [{"name": "shop", "url": "http://shop.internal:8000/metrics"}],
    "rum": {
        "apps": [
            {"name": "shop", "key": "k1", "origins": [ORIGIN], "target": "shop"},
            {"name": "blog", "key": "k2", "origins": ["https://blog.example"]},
        ]
    },
}
# Medians: seconds, CLS a score; by metric. The factor is that of a route.
MEDIANS = {"LCP": 1.4, "INP": 0.09, "CLS": 0.03, "FCP": 0.9, "TTFB": 0.25}
ROUTES = {"/": (1.0, 60), "/checkout/:id": (2.2, 25), "/cart": (1.5, 30), "/about": (1.1, 0.05)}
DEVICES = {"mobile": (1.3, 0.6), "desktop": (0.9, 0.4)}
ELEMENTS = {"#hero": 0.7, "main > h1": 0.3}


def fill(house: House) -> None:
    """Put it into the history."""
    rng = np.random.default_rng(3)
    ends = np.arange(NOW_MS - 8 * DAY_MS + HOUR_MS, NOW_MS + 1, HOUR_MS)
    for metric in MEDIANS:
        mix, release, element = [], [], []
        for end_ms, (route, (slow, busy)), (device, (factor, share)) in product(
            ends.tolist(), ROUTES.items(), DEVICES.items()
        ):
            new = end_ms > RELEASED_MS
            later = 1.25 if new and route == "/checkout/:id" else 1.0
            n = rng.poisson(busy * share)
            values = rng.lognormal(np.log(MEDIANS[metric] * slow * factor * later), 0.45, n)
            base = {"app": "shop", "metric": metric, "route": route}
            where = {"device": device, "connection": "4g", "navigation": "navigate"}
            mix.append((Labels.of({**base, **where}), end_ms, values))
            named = {"device": device, "release": "web@2" if new else "web@1"}
            release.append((Labels.of({**base, **named}), end_ms, values))
            if metric in ("LCP", "INP") and device == "mobile":
                for name, part in ELEMENTS.items():
                    told = {"release": named["release"], "element": name}
                    some = values[: round(part * len(values))]
                    element.append((Labels.of({**base, **told}), end_ms, some))
        for cut, rows in ((Cut.MIX, mix), (Cut.RELEASE, release), (Cut.ELEMENT, element)):
            if rows:
                house.history.put_windows(counted(cut, metric, rows))
    house.history.put_windows(*tallies(ends.tolist()))
    judged(house, ends)


def judged(house: House, ends: Ints) -> None:
    """What the signals make of it: the p75 of an hour of the slow route, with its seven days."""
    labels = Labels.of(service="shop", route="/checkout/:id", device="mobile")
    values = np.where(ends > RELEASED_MS, 6.9, 5.4)
    n, none = np.full(len(ends), 240.0), np.full(len(ends), NO_LAYOUT, np.int64)
    seconds = np.full(len(ends), HOUR_SECONDS)
    zero = np.zeros(len(ends), np.int64)
    house.history.put_windows(Windows("rum_lcp", (labels,), zero, ends, seconds, values, n, none))
    reading = Reading("rum_lcp", labels, NOW_MS, 6.9, 240.0, 5.4, 0.1, 7)
    house.detector.readings["rum_lcp"] = (reading,)


def counted(cut: Cut, metric: str, rows: list[tuple[Labels, int, np.ndarray]]) -> Windows:
    """Windows of an hour from single values."""
    bounds = BOUNDS[metric]
    counts = np.array(
        [np.bincount(np.searchsorted(bounds, v), minlength=len(bounds)) for _, _, v in rows]
    )
    series: dict[Labels, int] = {}
    index = [series.setdefault(labels, len(series)) for labels, _, _ in rows]
    return Windows(
        str(cut),
        tuple(series),
        np.array(index, np.int64),
        np.array([end_ms for _, end_ms, _ in rows], np.int64),
        np.full(len(rows), HOUR_SECONDS),
        np.zeros(len(rows)),
        counts.sum(axis=1).astype(np.float64),
        np.zeros(len(rows), np.int64),
        (bounds,),
        counts.ravel().astype(np.float64),
    )


def tallies(ends: list[int]) -> Iterator[Windows]:
    """What was lost: 1 of 250 beacons, 3 of 200 ends; loads of the first page."""
    told = {
        Tally.LOST: (Labels.of(app="shop"), 0.004, 250.0),
        Tally.UNFINALISED: (Labels.of(app="shop", browser="chrome"), 0.015, 200.0),
        Tally.LOADS: (Labels.of(app="shop", route="/cart"), 2200.0, 2200.0),
    }
    for tally, (labels, value, n) in told.items():
        count = len(ends)
        yield Windows(
            str(tally),
            (labels,),
            np.zeros(count, np.int64),
            np.array(ends, np.int64),
            np.full(count, HOUR_SECONDS),
            np.full(count, value),
            np.full(count, n),
            np.full(count, NO_LAYOUT, np.int64),
        )
