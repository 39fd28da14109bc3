"""Bucket counts of page views over a span: from the history, and of the running hour from memory.

Whole hours are what is stored, so a span is widened to whole hours. The receiver's own counts of an
hour stand in for what was stored of it, because they are newer.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from api.house import House
from api.moments import milliseconds
from collector.rum.cells import HOUR_MS, Cut, Hour, Tally
from collector.rum.names import variable
from detector.increase import LOOKBACK_MS
from storage.history import HOUR_SECONDS, NO_LAYOUT, Floats, Windows
from storage.series import Labels, Match, Matcher, Selector

Key = tuple[str, ...]
Project = Callable[[Labels], Key | None]
REQUESTS = "api_requests"
METHOD = "GET"
PAGES = "http_server_page_hits_total"


@dataclass(frozen=True, slots=True)
class Hours:
    """Whole hours `(since, until]`."""

    since_ms: int
    until_ms: int

    @classmethod
    def around(cls, since_ms: int, until_ms: int) -> "Hours":
        """The whole hours that a span touches."""
        return cls(since_ms // HOUR_MS * HOUR_MS, -(-until_ms // HOUR_MS) * HOUR_MS)

    def holds(self, hour: Hour) -> bool:
        """Whether an hour is one of them."""
        return self.since_ms < hour.end_ms <= self.until_ms


def counts(house: House, cut: Cut, hours: Hours, project: Project) -> dict[Key, Floats]:
    """Bucket counts by key; what has no key, or other buckets than now, is left out.

    All labels of one key must have the same metric.
    """
    found: dict[Key, Floats] = {}

    def add(key: Key, observed: Floats) -> None:
        known = found.get(key)
        if known is None:
            found[key] = observed.copy()
        elif len(known) == len(observed):
            known += observed

    live = running(house, hours)
    for hour in live:
        for labels, _, observed in hour.rows(cut):
            key = project(labels)
            if key is not None:
                add(key, np.array(observed, np.float64))
    stored, rows = stored_rows(house, cut, hours, live)
    keys = [project(labels) for labels in stored.series]
    starts = np.cumsum(stored.widths()) - stored.widths()
    for layout, bounds in enumerate(stored.layouts):
        of_layout = rows[stored.layout[rows] == layout]
        matrix = stored.counts[starts[of_layout][:, None] + np.arange(len(bounds))]
        summed = np.zeros((len(stored.series), len(bounds)))
        np.add.at(summed, stored.index[of_layout], matrix)
        for i in np.unique(stored.index[of_layout]).tolist():
            key = keys[i]
            if key is not None:
                add(key, summed[i])
    return found


def tallies(house: House, tally: Tally, hours: Hours, project: Project) -> dict[Key, list[float]]:
    """[part, whole] by key."""
    found: dict[Key, list[float]] = {}
    live = running(house, hours)
    told = [one for hour in live for one in hour.shares(tally)]
    stored, rows = stored_rows(house, tally, hours, live)
    for i in rows.tolist():
        value, n = float(stored.values[i]), float(stored.n[i])
        part = n if tally is Tally.LOADS else value * n
        told.append((stored.series[int(stored.index[i])], part, n))
    for labels, part, whole in told:
        key = project(labels)
        if key is not None:
            known = found.setdefault(key, [0.0, 0.0])
            known[0] += part
            known[1] += whole
    return found


def first_seen(house: House, cut: Cut, hours: Hours, project: Project) -> dict[Key, int]:
    """The end of the first hour that each key has counts in."""
    found: dict[Key, int] = {}
    for labels, end_ms in ends(house, cut, hours):
        key = project(labels)
        if key is not None:
            found[key] = min(end_ms, found.get(key, end_ms))
    return found


def ends(house: House, cut: Cut, hours: Hours) -> Iterator[tuple[Labels, int]]:
    """(labels, first end) of each series."""
    live = running(house, hours)
    for hour in live:
        yield from ((labels, hour.end_ms) for labels, _, _ in hour.rows(cut))
    stored, rows = stored_rows(house, cut, hours, live)
    first = np.full(len(stored.series), hours.until_ms + HOUR_MS, np.int64)
    np.minimum.at(first, stored.index[rows], stored.end_ms[rows])
    for i in np.unique(stored.index[rows]).tolist():
        yield stored.series[i], int(first[i])


def running(house: House, hours: Hours) -> list[Hour]:
    """The hours in the receiver's memory that are meant."""
    return [hour for hour in house.rum.hours() if hour.end_ms and hours.holds(hour)]


def stored_rows(
    house: House, name: str, hours: Hours, live: list[Hour]
) -> tuple[Windows, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """What the history has, and which of its rows no hour in memory stands in for."""
    found = house.history.windows(name, hours.since_ms, hours.until_ms, seconds=HOUR_SECONDS)
    kept = np.ones(len(found), bool) if name in set(Tally) else found.layout != NO_LAYOUT
    apps = [labels.get("app") for labels in found.series]
    for hour in live:
        mine = np.array([app == hour.app for app in apps], bool)
        kept &= ~((found.end_ms == hour.end_ms) & mine[found.index])
    return found, np.flatnonzero(kept)


def page_hits(house: House, target: str, hours: Hours) -> Mapping[str, float]:
    """Pages that a server answered, by its route with variables as `:`.

    Where the server counts pages (`plimsoll-client` does) and its samples reach back so far; else
    all GET requests, data and redirects among them, so that the coverage is a lower bound.
    """
    pages = counted_pages(house, target, hours)
    if pages:
        return pages
    signal = house.detector.definitions.signals.get(REQUESTS)
    if signal is None:
        return {}
    seconds = signal.form.over
    found = house.history.windows(
        REQUESTS, hours.since_ms, hours.until_ms, seconds=seconds, counts=False
    )
    total = np.bincount(found.index, found.n, len(found.series))
    hits: dict[str, float] = {}
    for labels, n in zip(found.series, total.tolist(), strict=True):
        if labels.get("target") == target and labels.get("method") == METHOD:
            route = plain(labels.get("route"))
            hits[route] = hits.get(route, 0.0) + n
    return hits


def counted_pages(house: House, target: str, hours: Hours) -> Mapping[str, float]:
    """The increase of the server's own count of pages, by route; empty where it has none.

    Only where the samples of the whole span are kept: a part of it would be held against all loads.
    """
    kept_ms = round(house.settings.storage.keep_samples * 1000)
    if hours.since_ms < milliseconds(house.now()) - kept_ms:
        return {}
    wanted = Selector(PAGES, (Matcher("target", Match.EQUAL, target),))
    found = house.history.samples([wanted], hours.since_ms - LOOKBACK_MS, hours.until_ms)
    order = np.lexsort((found.at_ms, found.index))
    index, values, at_ms = found.index[order], found.values[order], found.at_ms[order]
    grown = np.diff(values)
    # After a restart a counter begins at zero; the first sample of a series is no increase.
    grown = np.where(grown < 0, values[1:], grown)
    inside = (np.diff(index) == 0) & (at_ms[1:] > hours.since_ms)
    hits: dict[str, float] = {}
    total = np.bincount(index[1:][inside], grown[inside], len(found.series))
    for labels, n in zip(found.series, total.tolist(), strict=True):
        if n:
            route = plain(labels.get("route"))
            hits[route] = hits.get(route, 0.0) + n
    return hits


def plain(route: str) -> str:
    """A route template whatever its notation: `/a/:id`, `/a/{id}` and `/a/[id]` are one."""
    return "/".join(":" if variable(part) else part for part in route.split("/"))
