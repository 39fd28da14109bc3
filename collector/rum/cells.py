"""Counts by bucket: since the process began, and of each hour. Pure.

Lifetime counts have the labels app, metric, route and device only, and become samples. What would
multiply them (release, country, connection, kind of navigation) is counted by the hour.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from collector.rum.guards import Pivot
from collector.rum.vitals import SECONDS, SHIFT, VITALS
from collector.source import TARGET
from storage.history import Samples
from storage.series import NAME, Labels

KIND = "rum"
"""The collector and its one target: what browsers send comes from no page that could be named."""
HOUR_MS = 3_600_000
HOUR_SECONDS = 3600.0
MOST_CELLS = 20_000


class Cell:
    """A histogram: observations a bucket, the last one beyond all edges, and their sum.

    `pivot` divides the values of the running hour.
    """

    __slots__ = ("counts", "pivot", "total")

    def __init__(self, metric: str, route: str, device: str) -> None:
        vital = VITALS[metric]
        self.counts = [0] * (len(vital.edges) + 1)
        self.total = 0.0
        # Half of all layout shifts are 0, so what is judged of them is the share within good.
        fixed = None if vital.is_time else vital.bucket(vital.good)
        self.pivot = Pivot(hash((metric, route, device)), len(self.counts), fixed)


@dataclass(frozen=True, slots=True)
class CellKey:
    """Which histogram: the labels that it has beside `app`."""

    metric: str
    route: str
    device: str


class Histograms:
    """The histograms of one app since the process began."""

    def __init__(self, app: str) -> None:
        self.app = app
        self.cells: dict[tuple[str, str, str], Cell] = {}
        self._series: dict[tuple[str, str, str], tuple[Labels, ...]] = {}

    def cell(self, metric: str, route: str, device: str) -> Cell:
        """The histogram of a metric, route and device; a new one where there is none."""
        key = metric, route, device
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = Cell(metric, route, device)
        return cell

    def count(self, metric: str, route: str, device: str, bucket: int, value: float) -> None:
        """Count one value; `bucket` is its place among the edges."""
        cell = self.cell(metric, route, device)
        cell.counts[bucket] += 1
        cell.total += value

    def forget(self, routes: frozenset[str]) -> None:
        """Drop the histograms of routes that are not among these any more."""
        for key in [one for one in self.cells if one[1] not in routes]:
            del self.cells[key]
            self._series.pop(key, None)

    def samples(self, at_ms: int) -> Samples:
        """Every bucket, sum and count as a sample of the target `rum`."""
        series: list[Labels] = []
        values: list[float] = []
        for key, cell in list(self.cells.items()):  # pages are written in another thread
            labels = self._series.get(key)
            if labels is None:
                labels = self._series[key] = self._labels(key)
            rising = np.cumsum(cell.counts).tolist()
            series += labels
            values += [*rising, cell.total, rising[-1]]
        return Samples.at(series, at_ms, values)

    def _labels(self, key: tuple[str, str, str]) -> tuple[Labels, ...]:
        metric, route, device = key
        vital = VITALS[metric]
        family = SECONDS if vital.is_time else SHIFT
        shared = {"app": self.app, "route": route, "device": device, TARGET: KIND}
        if vital.is_time:
            shared["metric"] = metric
        bounds = [*map(repr, vital.edges), "+Inf"]
        return (
            *(Labels.of({NAME: f"{family}_bucket", **shared, "le": le}) for le in bounds),
            Labels.of({NAME: f"{family}_sum", **shared}),
            Labels.of({NAME: f"{family}_count", **shared}),
        )


class Cut(StrEnum):
    """By what an hour's counts are told apart; each is the name of its windows in the history."""

    MIX = "rum_hour_mix"
    """metric, route, device, connection, navigation"""
    RELEASE = "rum_hour_release"
    """metric, route, device, release"""
    COUNTRY = "rum_hour_country"
    """metric, route, device, country"""
    ELEMENT = "rum_hour_element"
    """metric, route, release, element"""


CUT_LABELS: Mapping[Cut, tuple[str, ...]] = {
    Cut.MIX: ("metric", "route", "device", "connection", "navigation"),
    Cut.RELEASE: ("metric", "route", "device", "release"),
    Cut.COUNTRY: ("metric", "route", "device", "country"),
    Cut.ELEMENT: ("metric", "route", "release", "element"),
}


class Tally(StrEnum):
    """What an hour's counts do not say, as shares; each names its windows in the history."""

    UNFINALISED = "rum_hour_unfinalised"
    """Of the page views of a browser, those whose end was never told: by browser."""
    LOST = "rum_hour_lost"
    """Of the beacons that were sent, those that did not come."""
    LOADS = "rum_hour_loads"
    """Page loads, weighted by the sampling rate: by route. Its value is its number, too."""


TALLY_LABELS: Mapping[Tally, tuple[str, ...]] = {
    Tally.UNFINALISED: ("browser",),
    Tally.LOST: (),
    Tally.LOADS: ("route",),
}

Hourly = dict[tuple[str, ...], list[int]]
MOST_ELEMENTS = 16
"""Elements of one metric, route and release in an hour; a new one takes the place of the rarest."""


@dataclass(slots=True)
class Hour:
    """The counts of one app in the hour that ends at `end_ms`, by each cut."""

    app: str
    end_ms: int
    cuts: dict[Cut, Hourly] = field(default_factory=lambda: {cut: {} for cut in Cut})
    elements: dict[tuple[str, str, str], dict[str, list[int]]] = field(default_factory=dict)
    tallies: dict[Tally, dict[tuple[str, ...], list[float]]] = field(
        default_factory=lambda: {tally: {} for tally in Tally}
    )
    overflow: int = 0

    def tally(self, tally: Tally, key: tuple[str, ...], part: float, whole: float) -> None:
        """Add `part` of a `whole`."""
        known = self.tallies[tally].setdefault(key, [0.0, 0.0])
        known[0] += part
        known[1] += whole

    def shares(self, tally: Tally) -> Iterator[tuple[Labels, float, float]]:
        """(labels, part, whole) of each key."""
        names = TALLY_LABELS[tally]
        for key, (part, whole) in list(self.tallies[tally].items()):
            yield Labels.of({"app": self.app, **dict(zip(names, key, strict=True))}), part, whole

    def counts(self, cut: Cut, key: tuple[str, ...], buckets: int) -> list[int] | None:
        """The counts of a cell, to be added to; None where a cut has no room for another one."""
        cells = self.cuts[cut]
        counts = cells.get(key)
        if counts is None and len(cells) < MOST_CELLS:
            counts = cells[key] = [0] * buckets
        return counts

    def count_element(
        self, metric: str, route: str, release: str, element: str, bucket: int
    ) -> None:
        """Count one value of an element.

        What takes the place of a rarer one starts from nothing: counts are lower bounds, and an
        element with more than 1/16 of the values of its cell is never missed for long.
        """
        known = self.elements.setdefault((metric, route, release), {})
        counts = known.get(element)
        if counts is None:
            if len(known) >= MOST_ELEMENTS:
                rarest = min(known, key=lambda one: sum(known[one]))
                del known[rarest]
                self.cuts[Cut.ELEMENT].pop((metric, route, release, rarest), None)
            if len(self.cuts[Cut.ELEMENT]) >= MOST_CELLS:
                self.overflow += 1
                return
            counts = known[element] = [0] * (len(VITALS[metric].edges) + 1)
            self.cuts[Cut.ELEMENT][metric, route, release, element] = counts
        counts[bucket] += 1

    def add(self, cut: Cut, labels: Labels, counts: Sequence[float]) -> None:
        """Add counts, as they were stored of this hour; of another layout they are left out."""
        key = tuple(labels.get(name) for name in CUT_LABELS[cut])
        vital = VITALS.get(key[0])
        if cut is Cut.COUNTRY and not key[1]:  # of a time when countries were told for all routes
            return
        if vital is None or len(counts) != len(vital.edges) + 1:
            return
        known = self.cuts[cut].setdefault(key, [0] * len(counts))
        for i, count in enumerate(counts):
            known[i] += int(count)
        if cut is Cut.ELEMENT:
            metric, route, release, element = key
            self.elements.setdefault((metric, route, release), {})[element] = known

    def rows(self, cut: Cut) -> Iterator[tuple[Labels, str, Sequence[int]]]:
        """(labels, metric, counts) of each cell, as a copy."""
        names = CUT_LABELS[cut]
        for key, counts in list(self.cuts[cut].items()):
            labels = Labels.of({"app": self.app, **dict(zip(names, key, strict=True))})
            yield labels, key[0], tuple(counts)


def hour_end(at_ms: int) -> int:
    """The end of the hour `(start, end]` that a moment falls into."""
    return -(-at_ms // HOUR_MS) * HOUR_MS
