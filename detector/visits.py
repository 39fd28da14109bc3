"""The page views behind a web vital: who came, with which release, and what they looked at.

They are counted by the hour under names that the receiver of beacons writes and this module reads,
so the detector knows nothing of beacons. Whole hours are held against the same hours of the seven
days before. Where nobody counted them (vitals read from Prometheus) there is nothing to say.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from detector import chance
from detector.buckets import Bounds
from detector.chance import Estimate
from detector.exclusion import Apart
from detector.form import Quantile, Share
from detector.hours import OTHER, Asked, Counts, Cut, counted, is_rollout, together, without_release
from detector.mix import Alike, Stratum, alike, explains
from detector.signal import Signal
from storage.history import HOUR_SECONDS, History, Windows
from storage.series import Labels

LEAST_OF_RELEASE = 100.0
"""Fewer page views of a release say nothing of it."""
LEAST_OF_ELEMENT = 20.0
MOST_ELEMENTS = 3


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

    def composition(self, asked: Asked, difference: float) -> Composition | None:
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

    def releases(self, asked: Asked) -> Releases | None:
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
        return Releases(before[0], newest[0], verdict(asked, was, is_, gap), was, is_, gap)

    def elements(self, asked: Asked, releases: Releases | None) -> tuple[Element, ...]:
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
        self, cut: Cut, asked: Asked, names: Sequence[str]
    ) -> tuple[Counts, Counts, Bounds | None]:
        """(before, now, bounds of the buckets) by the values of some labels."""
        now, bounds = self.counts(cut, asked, [(asked.since_ms, asked.until_ms)], names)
        if bounds is None:
            return Counts(), now, None
        before, other = self.counts(cut, asked, asked.past(), names)
        return before, now, bounds if other in (None, bounds) else None

    def counts(
        self, cut: Cut, asked: Asked, spans: Iterable[tuple[int, int]], names: Sequence[str]
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


def verdict(asked: Asked, was: Estimate, is_: Estimate, gap: Estimate) -> ReleaseVerdict:
    """How the newer stands: what its interval says, where both have enough page views."""
    if min(was.n, is_.n) < LEAST_OF_RELEASE or not math.isfinite(gap.low + gap.high):
        return ReleaseVerdict.UNKNOWN
    if gap.low <= 0 <= gap.high:
        return ReleaseVerdict.ALIKE
    rising = gap.low > 0
    return ReleaseVerdict.WORSE if rising == (asked.form.worse == "up") else ReleaseVerdict.BETTER


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
