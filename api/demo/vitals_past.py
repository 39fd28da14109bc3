"""Eight days of web vitals that the demo shop could have had, as its receiver would have kept them.

Windows of the LCP signal, and the counts of each hour by visitors, release, country and element.
All come from the model that those who come now follow (`api.demo.crowd`), and from the seed.
"""

import random
from collections.abc import Iterator

import numpy as np

from api.demo.crowd import DEVICES, LATE_PAGE, PAGES, PER_SECOND, visit
from api.demo.past import DAY_MS, busy
from api.demo.shop import GOOD
from api.demo.storefront import APP, HERO, RELEASE
from collector.rum.cells import HOUR_MS, HOUR_SECONDS, Cut, Tally
from collector.rum.percentile import BOUNDS
from collector.rum.vitals import DEVICES as CLASSES
from collector.rum.vitals import VITALS
from detector.buckets import Bounds, Buckets
from detector.form import Quantile
from detector.signal import Signal
from detector.window import with_buckets
from storage.history import NO_LAYOUT, Floats, History, Ints, Windows
from storage.series import Labels

DRAWN = 1500
SIGNAL = "rum_lcp"
Cell = tuple[str, str, str, str]
"""Metric, route, device, connection."""


def model(seed: int) -> dict[Cell, Floats]:
    """How many values each visit adds to each bucket of a cell, on the average."""
    rng, found = random.Random(f"{seed} vitals"), dict[Cell, Floats]()
    for route, page in PAGES.items():
        for device, (share, _) in DEVICES.items():
            for _ in range(DRAWN):
                seen = visit(rng, late=False, route=route, device=device)
                for name, value in seen.metrics.items():
                    vital = VITALS[name]
                    key = (name, route, CLASSES[device], seen.connection)
                    counts = found.setdefault(key, np.zeros(len(BOUNDS[name])))
                    base = vital.value(value)
                    counts[vital.bucket(0.0 if base is None else base)] += (
                        page.share * share / DRAWN
                    )
    return found


def fill(
    history: History, signal: Signal | None, end_ms: int, seed: int, days: int
) -> Iterator[float]:
    """Write the days before `end`; gives the share done."""
    cells, rng = model(seed), np.random.default_rng([seed, 99])
    if signal is not None and isinstance(signal.form, Quantile):
        lengths = ((signal.form.over, days * DAY_MS), (signal.form.window, 2 * HOUR_MS))
        for seconds, back_ms in lengths:
            step_ms = round(seconds * 1000)
            last_ms = end_ms // step_ms * step_ms
            times = np.arange(last_ms - back_ms + step_ms, last_ms + 1, step_ms)
            # A day at a time: all at once would be more than the file's memory.
            for some in np.array_split(times, max(1, back_ms // DAY_MS)):
                history.put_windows(judged(signal.name, seconds, some, cells, rng))
    yield 0.6
    ends = end_ms // HOUR_MS * HOUR_MS - HOUR_MS * np.arange(days * 24)[::-1]
    for window in hourly(ends, cells, rng):
        history.put_windows(window)
    yield 1.0


def judged(
    name: str, seconds: float, times: Ints, cells: dict[Cell, Floats], rng: np.random.Generator
) -> Windows:
    """The windows of the signal of one length, of the page that the story is about, by device."""
    rates: dict[tuple[str, str], Floats] = {}
    for (metric, route, device, _), counts in cells.items():
        if metric == "LCP" and route == LATE_PAGE:
            rates[route, device] = rates.get((route, device), np.zeros(len(counts))) + counts
    visits = PER_SECOND * seconds * busy(times)
    drawn = [rng.poisson(visits[:, None] * one[None, :]) for one in rates.values()]
    rows = {
        Labels.of(service=APP, route=route, device=device): counts.astype(np.float64)
        for (route, device), counts in zip(rates, drawn, strict=True)
    }
    return counted(name, seconds, BOUNDS["LCP"], times, rows)


def hourly(ends: Ints, cells: dict[Cell, Floats], rng: np.random.Generator) -> Iterator[Windows]:
    """The counts of each hour, by each cut, and the page loads."""
    visits = PER_SECOND * HOUR_SECONDS * busy(ends)
    for cut in Cut:
        for metric in VITALS:
            rows: dict[Labels, Floats] = {}
            for (name, route, device, connection), rate in cells.items():
                labels = told(cut, route, device, connection)
                if name == metric and not (cut is Cut.ELEMENT and metric != "LCP"):
                    key = Labels.of({"app": APP, "metric": metric, **labels})
                    drawn = rng.poisson(visits[:, None] * rate[None, :])
                    rows[key] = rows.get(key, np.zeros(drawn.shape)) + drawn
            if rows:
                yield counted(cut, HOUR_SECONDS, BOUNDS[metric], ends, rows)
    none, all_ = np.zeros(len(ends)), np.round(visits)
    for route, page in PAGES.items():
        loads = np.round(visits * page.share)
        yield plain(
            Tally.LOADS, HOUR_SECONDS, (Labels.of(app=APP, route=route),), ends, loads, loads
        )
    yield plain(Tally.LOST, HOUR_SECONDS, (Labels.of(app=APP),), ends, none, all_)
    chrome = Labels.of(app=APP, browser="chrome")
    yield plain(Tally.UNFINALISED, HOUR_SECONDS, (chrome,), ends, none, all_)


def told(cut: Cut, route: str, device: str, connection: str) -> dict[str, str]:
    """The labels of page views under a cut."""
    release = RELEASE.format(GOOD)
    match cut:
        case Cut.MIX:
            shared = {"route": route, "device": device}
            return shared | {"connection": connection, "navigation": "navigate"}
        case Cut.RELEASE:
            return {"route": route, "device": device, "release": release}
        case Cut.COUNTRY:
            return {"route": route, "device": device, "country": "ZZ"}
        case Cut.ELEMENT:
            return {"route": route, "release": release, "element": f"#{HERO}"}


def counted(
    name: str, seconds: float, bounds: Bounds, ends: Ints, rows: dict[Labels, Floats]
) -> Windows:
    """Windows with their buckets: of each series one row for each end."""
    counts = np.concatenate([*rows.values()])
    buckets = Buckets((bounds,), np.zeros(len(counts), np.int64), counts.cumsum(axis=1))
    value, n = buckets.quantile(0.75), buckets.totals()
    return with_buckets(plain(name, seconds, tuple(rows), ends, value, n), buckets)


def plain(
    name: str, seconds: float, series: tuple[Labels, ...], ends: Ints, values: Floats, n: Floats
) -> Windows:
    """Windows without buckets, the series behind one another."""
    return Windows(
        str(name),
        series,
        np.repeat(np.arange(len(series)), len(ends)),
        np.tile(ends, len(series)),
        np.full(len(values), seconds),
        values,
        n,
        np.full(len(values), NO_LAYOUT, np.int64),
    )
