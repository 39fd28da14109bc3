"""The hours that page views are counted in, and which counts are those of a series of a web vital.

The names are those that the receiver of beacons writes, so the detector knows nothing of beacons.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from detector import chance
from detector.baseline import DAY_MS, DAYS, HOUR_MS
from detector.buckets import Bounds
from detector.chance import Estimate
from detector.deriving import Derived, derived
from detector.exclusion import Apart
from detector.form import Quantile, Share
from detector.mix import Statistic
from detector.signal import Signal
from storage.history import NO_LAYOUT, Floats, Windows
from storage.series import Labels

OTHER = "__other__"
"""A release without a label of its own."""


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


@dataclass(frozen=True, slots=True)
class Asked:
    """One series of a web vital, the whole hours that are asked about, and which are no past."""

    form: Quantile | Share
    wanted: Mapping[str, str]
    since_ms: int
    until_ms: int
    left_out: Apart
    derive: tuple[Derived, ...] = ()

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
            plain.signal.form.derive,
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
        made = [one for one in self.derive if one.label in known]
        known |= {one.name for one in made}
        mine = derived(labels, made)
        return all(mine.get(n) == value for n, value in self.wanted.items() if n in known)

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
