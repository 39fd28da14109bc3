"""The page views behind a web vital: who came, with which release, and what they looked at.

They are counted by the hour under names that the receiver of beacons writes and this module reads,
so the detector knows nothing of beacons. Whole hours are held against the same hours of the seven
days before. Where nobody counted them (vitals read from Prometheus) there is nothing to say.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from detector import chance
from detector.baseline import DAY_MS, DAYS, HOUR_MS
from detector.buckets import Bounds
from detector.chance import Estimate
from detector.exclusion import Apart
from detector.mix import Alike, Statistic, Stratum, alike, explains
from detector.signal import Quantile, Share, Signal
from storage.history import HOUR_SECONDS, NO_LAYOUT, Floats, History, Windows
from storage.series import Labels

OTHER = "__other__"
"""A release without a label of its own."""
LEAST_OF_RELEASE = 100.0
"""Fewer page views of a release say nothing of it."""
LEAST_OF_ELEMENT = 20.0
MOST_ELEMENTS = 3


class Cut(StrEnum):
    """The windows of an hour that page views are counted in, by what they tell apart."""

    VISITORS = "rum_hour_mix"
    """route, device, connection, kind of navigation"""
    COUNTRY = "rum_hour_country"
    """route, device, country"""
    RELEASE = "rum_hour_release"
    """route, device, release"""
    ELEMENT = "rum_hour_element"
    """route, release, element"""


LABELS: Mapping[Cut, tuple[str, ...]] = {
    Cut.VISITORS: ("route", "device", "connection", "navigation"),
    Cut.COUNTRY: ("route", "device", "country"),
    Cut.RELEASE: ("route", "device", "release"),
    Cut.ELEMENT: ("route", "release", "element"),
}


class ReleaseVerdict(StrEnum):
    """How the newest release stands against the one before it."""

    UNKNOWN = "unknown"  # too few page views of one of the two
    ALIKE = "alike"  # the interval of the difference holds zero
    WORSE = "worse"
    BETTER = "better"


@dataclass(frozen=True, slots=True)
class Releases:
    """The newest release against the one that most had before it, by what their beacons told."""

    before: str
    after: str
    verdict: ReleaseVerdict
    was: Estimate
    is_: Estimate
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Element:
    """An LCP element or INP target: its share and its value, before and now.

    `growth` is its part of the change: share times value now, less the same before.
    """

    element: str
    route: str
    share: float
    share_before: float
    value: float
    value_before: float
    growth: float
    n: float


@dataclass(frozen=True, slots=True)
class Composition:
    """What is left of a difference with the visitors made alike, by the cut that leaves least."""

    names: tuple[str, ...]
    left: float
    found: Alike


@dataclass(frozen=True, slots=True)
class Visits:
    """What the page views behind one candidate say."""

    composition: Composition | None = None
    releases: Releases | None = None
    elements: tuple[Element, ...] = ()


Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Observations by bucket of each key, and the first hour in which it was there."""

    by_key: dict[Key, Floats] = field(default_factory=dict)
    first_ms: dict[Key, int] = field(default_factory=dict)

    def add(self, key: Key, counts: Floats, end_ms: int) -> None:
        """One hour more of a key; of another layout it is left out."""
        known = self.by_key.get(key)
        if known is not None and len(known) != len(counts):
            return
        self.by_key[key] = counts.copy() if known is None else known + counts
        self.first_ms[key] = min(end_ms, self.first_ms.get(key, end_ms))


@dataclass(slots=True)
class PageViews:
    """Reads the hours that page views are counted in; what was read is held for one tick."""

    history: History
    _held: dict[tuple[Cut, int, int], Windows] = field(default_factory=dict)

    def forget(self) -> None:
        """Read anew."""
        self._held.clear()

    def look(
        self, signal: Signal, labels: Labels, now_ms: int, difference: float, left_out: Apart
    ) -> Visits | None:
        """What they say of one series; None where its signal is no web vital.

        `difference` is the newest value less the average, as it was judged.
        """
        form = signal.form
        if form.vital is None or not isinstance(form, Quantile | Share):
            return None
        asked = Asked.of(signal, labels, now_ms, left_out)
        releases = self.releases(asked)
        return Visits(self.composition(asked, difference), releases, self.elements(asked, releases))

    def composition(self, asked: "Asked", difference: float) -> Composition | None:
        """The cut whose strata, made as frequent as before, leave least of the difference."""
        found = []
        for cut in (Cut.VISITORS, Cut.COUNTRY, Cut.RELEASE):
            names = asked.free(cut)
            before, now, bounds = self.sides(cut, asked, names)
            if bounds is None or (cut is Cut.RELEASE and is_rollout(before, now)):
                continue
            made = alike(before.by_key, now.by_key, asked.statistic(bounds))
            if made is not None:
                left = explains(made, difference)
                if math.isfinite(left):
                    found.append(Composition(names, left, made))
        return min(found, key=lambda one: one.left, default=None)

    def releases(self, asked: "Asked") -> Releases | None:
        """The newest release against the one before; None where there are no two."""
        past, now, bounds = self.sides(Cut.RELEASE, asked, ("release",))
        if bounds is None:
            return None
        all_ = together(past, now)
        known = [key for key in all_.by_key if key[0] and key[0] != OTHER]
        here = [key for key in known if key in now.by_key]
        newest = max(here, key=lambda one: (all_.first_ms[one], one), default=None)
        if newest is None:
            return None
        since_ms = all_.first_ms[newest]
        older = [one for one in known if all_.first_ms[one] < since_ms]
        if not older:
            return None
        before = max(older, key=lambda one: (float(all_.by_key[one].sum()), one))
        was, is_ = (asked.estimate(bounds, all_.by_key[one]) for one in (before, newest))
        gap = chance.difference(was, is_)
        return Releases(before[0], newest[0], asked.verdict(was, is_, gap), was, is_, gap)

    def elements(self, asked: "Asked", releases: Releases | None) -> tuple[Element, ...]:
        """The elements that grew most; none where beacons carry no attribution.

        Where the newest release is the slower one, its page views are held against all others.
        """
        names = tuple(one for one in ("route", "element") if one in asked.free(Cut.ELEMENT))
        worse = releases if releases and releases.verdict is ReleaseVerdict.WORSE else None
        before, now, bounds = self.sides(Cut.ELEMENT, asked, (*names, "release"))
        if bounds is None:
            return ()
        was, is_ = without_release(before, now, worse.after if worse is not None else None)
        totals = [float(sum(one.sum() for one in side.values())) for side in (was, is_)]
        statistic = asked.statistic(bounds)
        found = []
        for key, counts in is_.items():
            if float(counts.sum()) < LEAST_OF_ELEMENT or not key[-1]:
                continue
            old = was.get(key)
            share = float(counts.sum()) / totals[1]
            share_before = 0.0 if old is None else float(old.sum()) / totals[0]
            value = statistic(counts)
            value_before = math.nan if old is None else statistic(old)
            growth = share * value - share_before * (0.0 if old is None else value_before)
            route = key[0] if len(key) > 1 else ""
            found.append(
                Element(
                    key[-1],
                    route,
                    share,
                    share_before,
                    value,
                    value_before,
                    growth,
                    float(counts.sum()),
                )
            )
        grown = [one for one in found if one.growth > 0]
        return tuple(sorted(grown, key=lambda one: (-one.growth, one.element))[:MOST_ELEMENTS])

    def sides(
        self, cut: Cut, asked: "Asked", names: Sequence[str]
    ) -> tuple[Counts, Counts, Bounds | None]:
        """(before, now, bounds of the buckets) by the values of some labels."""
        now, bounds = self.counts(cut, asked, [(asked.since_ms, asked.until_ms)], names)
        if bounds is None:
            return Counts(), now, None
        before, other = self.counts(cut, asked, asked.past(), names)
        return before, now, bounds if other in (None, bounds) else None

    def counts(
        self, cut: Cut, asked: "Asked", spans: Iterable[tuple[int, int]], names: Sequence[str]
    ) -> tuple[Counts, Bounds | None]:
        """The page views of some spans; the bounds are None where there are none, or several."""
        found, layouts = Counts(), set()
        for start_ms, end_ms in spans:
            windows = self.read(cut, start_ms, end_ms)
            mine = [
                tuple(one.get(name) for name in names) if asked.fits(cut, one) else None
                for one in windows.series
            ]
            for row, counts in counted(windows):
                key = mine[int(windows.index[row])]
                if key is not None:
                    layouts.add(windows.layouts[int(windows.layout[row])])
                    found.add(key, counts, int(windows.end_ms[row]))
        return found, layouts.pop() if len(layouts) == 1 else None

    def read(self, cut: Cut, start_ms: int, end_ms: int) -> Windows:
        """The windows of some hours, once."""
        key = (cut, start_ms, end_ms)
        if key not in self._held:
            self._held[key] = self.history.windows(cut, start_ms, end_ms, seconds=HOUR_SECONDS)
        return self._held[key]


@dataclass(frozen=True, slots=True)
class Asked:
    """One series of a web vital, the whole hours that are asked about, and which are no past."""

    form: Quantile | Share
    wanted: Mapping[str, str]
    since_ms: int
    until_ms: int
    left_out: Apart

    @classmethod
    def of(cls, signal: Signal, labels: Labels, now_ms: int, left_out: Apart) -> "Asked":
        """The hours that the newest judged window touches; labels under their stored names."""
        form = signal.form
        assert isinstance(form, Quantile | Share)
        plain = signal.plain[0]
        wanted = {
            theirs: labels.get(ours) for ours, theirs in zip(plain.ours, plain.theirs, strict=True)
        }
        start_ms = now_ms - round(form.over * 1000)
        return cls(
            form,
            {**wanted, "metric": str(form.vital)},
            start_ms // HOUR_MS * HOUR_MS,
            -(-now_ms // HOUR_MS) * HOUR_MS,
            left_out,
        )

    def past(self) -> Iterator[tuple[int, int]]:
        """The same hours of the seven days before that are a past of the series, oldest first."""
        for day in range(DAYS, 0, -1):
            start_ms, end_ms = self.since_ms - day * DAY_MS, self.until_ms - day * DAY_MS
            if self.left_out.is_past(start_ms, end_ms):
                yield start_ms, end_ms

    def fits(self, cut: Cut, labels: Labels) -> bool:
        """Whether counts with these labels are those of the series."""
        known = {"app", "metric", *LABELS[cut]}
        return all(labels.get(n) == value for n, value in self.wanted.items() if n in known)

    def free(self, cut: Cut) -> tuple[str, ...]:
        """The labels of a cut that the series does not fix."""
        return tuple(one for one in LABELS[cut] if one not in self.wanted)

    def statistic(self, bounds: Bounds) -> Statistic:
        """The value of the signal from counts by bucket."""
        form = self.form
        if isinstance(form, Quantile):
            q = form.q
            return lambda counts: chance.quantile(bounds, counts, q)
        within = np.asarray(bounds) <= form.bound
        return lambda counts: float(counts[within].sum() / counts.sum())

    def estimate(self, bounds: Bounds, counts: Floats) -> Estimate:
        """The same with its 95 % band."""
        if isinstance(self.form, Quantile):
            return chance.of_quantile(bounds, counts, self.form.q)
        within = np.asarray(bounds) <= self.form.bound
        return chance.of_share(float(counts[within].sum()), float(counts.sum()))

    def verdict(self, was: Estimate, is_: Estimate, gap: Estimate) -> ReleaseVerdict:
        """How the newer stands: what its interval says, where both have enough page views."""
        if min(was.n, is_.n) < LEAST_OF_RELEASE or not math.isfinite(gap.low + gap.high):
            return ReleaseVerdict.UNKNOWN
        if gap.low <= 0 <= gap.high:
            return ReleaseVerdict.ALIKE
        rising = gap.low > 0
        return (
            ReleaseVerdict.WORSE if rising == (self.form.worse == "up") else ReleaseVerdict.BETTER
        )


def counted(windows: Windows) -> Iterator[tuple[int, Floats]]:
    """(row, its counts by bucket) of the windows that have buckets."""
    widths = windows.widths()
    ends = np.cumsum(widths)
    for row in np.flatnonzero(windows.layout != NO_LAYOUT).tolist():
        yield row, windows.counts[int(ends[row] - widths[row]) : int(ends[row])]


def is_rollout(before: Counts, now: Counts) -> bool:
    """Whether the newest release has gained page views: then others are not the reason, it is.

    A release that was there on the first of the days is not new; where all were, none is.
    """
    all_ = together(before, now)
    if not all_.first_ms:
        return True
    newest_ms = max(all_.first_ms.values())
    if newest_ms == min(all_.first_ms.values()):
        return False
    new = [key for key, first_ms in all_.first_ms.items() if first_ms == newest_ms]
    return share(new, now) > share(new, before)


def share(keys: Sequence[Key], counts: Counts) -> float:
    """The share of some keys among all."""
    total = float(sum(one.sum() for one in counts.by_key.values()))
    mine = float(sum(counts.by_key[key].sum() for key in keys if key in counts.by_key))
    return mine / total if total else 0.0


def together(*parts: Counts) -> Counts:
    """Several counts as one."""
    found = Counts()
    for part in parts:
        for key, counts in part.by_key.items():
            found.add(key, counts, part.first_ms[key])
    return found


def without_release(
    before: Counts, now: Counts, release: str | None
) -> tuple[Mapping[Key, Floats], Mapping[Key, Floats]]:
    """Both by their keys without the release at the end; of one release against all others."""
    sides = Counts(), Counts()
    for side, counts in zip(sides, (before, now), strict=True):
        for key, one in counts.by_key.items():
            if release is None or (key[-1] == release) == (counts is now):
                side.add(key[:-1], one, counts.first_ms[key])
    return sides[0].by_key, sides[1].by_key


def document(visits: Visits) -> dict[str, Any]:
    """The evidence for JSON; numbers that are not known are null."""
    made: dict[str, Any] = {}
    mixed, releases = visits.composition, visits.releases
    if mixed is not None:
        found = mixed.found
        made["mix"] = {
            "by": list(mixed.names),
            "left": mixed.left,
            "before": found.before,
            "measured": found.measured,
            "alike": found.alike,
            "moved": [
                {"visitors": told(mixed.names, one.stratum), "before": one.before, "now": one.now}
                for one in found.moved
            ],
        }
    if releases is not None:
        gap = releases.difference
        made["releases"] = {
            "before": releases.before,
            "after": releases.after,
            "verdict": str(releases.verdict),
            "value_before": estimated(releases.was),
            "value": estimated(releases.is_),
            "difference": estimated(gap),
        }
    if visits.elements:
        made["elements"] = [
            {
                "element": one.element,
                "route": one.route,
                "share": one.share,
                "share_before": one.share_before,
                "value": finite(one.value),
                "value_before": finite(one.value_before),
                "growth": finite(one.growth),
                "n": one.n,
            }
            for one in visits.elements
        ]
    return made


def told(names: Sequence[str], stratum: Stratum) -> dict[str, str]:
    """A stratum by the names of its labels, those without a value left out."""
    return {name: value for name, value in zip(names, stratum, strict=True) if value}


def estimated(one: Estimate) -> dict[str, float | None]:
    """A number with its interval."""
    return {
        "value": finite(one.value),
        "low": finite(one.low),
        "high": finite(one.high),
        "n": one.n,
    }


def finite(value: float) -> float | None:
    """A number for JSON."""
    return value if math.isfinite(value) else None
