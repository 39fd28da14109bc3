"""Distribution: a histogram has moved against the same hours of the days before."""

from dataclasses import dataclass

import numpy as np

from detector.bounds import Limits
from detector.judgement import DAYS_NEEDED
from storage.history import Flags, Floats, Ints

MAD_TO_SIGMA = 1.4826
# Nobody notices less.
LEAST_GAP = 0.05
# Smirnov: two samples of one distribution are further apart than this times sqrt(1/n + 1/m) one
# time in a hundred, since P(D+ > d) is about exp(-2 d^2 nm/(n+m)).
BY_CHANCE = float(np.sqrt(np.log(100) / 2))


@dataclass(frozen=True, slots=True)
class Distributions:
    """Cumulative counts of each series (s) in the judged windows (w) and on the days (d) before.

    `now` is s x w x b, `past` s x d x w x b: the same windows on each of the days before, so that
    like is compared with like. `edges` is s x b; buckets a series does not have repeat its total.
    """

    now: Floats
    past: Floats
    edges: Floats


@dataclass(frozen=True, slots=True)
class ShareJudge:
    """Judge the growth of the share of observations beyond an edge."""

    level: float
    clear: float
    critical: float
    bound: float
    upwards: bool

    def judge(self, found: Distributions) -> Limits:
        """The share of each judged window, less that of the same windows of the days before.

        NaN where the bound is no edge of a series, or fewer than five days have observations.
        """
        within_now = at_edge(found.now, found.edges, self.bound)
        pooled = found.past.sum(axis=(1, 2))[:, None, :]
        within_past = at_edge(pooled, found.edges, self.bound)
        known = days_with_data(found) >= DAYS_NEEDED
        # Larger is worse: the share beyond the edge grows as that within it falls.
        measured = within_past - within_now if self.upwards else within_now - within_past
        return limits(self.level, self.clear, self.critical, measured, known, self.upwards)


@dataclass(frozen=True, slots=True)
class ShiftJudge:
    """Judge the largest gap between two cumulative distributions, in its own usual variation."""

    deviations: float
    clear: float
    critical: float
    upwards: bool

    def judge(self, found: Distributions) -> Limits:
        """One-sided Kolmogorov distance of each judged window from the days before.

        The threshold is the median of the distances of each single day from the others (either
        way: one way, half of them are zero) plus so many times 1.4826 x MAD of them: what differs
        from day to day anyway is no shift. It is never less than what so few observations differ
        by chance, and never below 0.05.
        """
        pooled = found.past.sum(axis=1)
        measured = gap(found.now, pooled, self.upwards)
        usual = np.stack(
            [
                widest(found.past[:, day], pooled - found.past[:, day])
                for day in range(found.past.shape[1])
            ],
            axis=1,
        ).reshape(len(measured), -1)
        centre, spread = middle(usual)
        known = days_with_data(found) >= DAYS_NEEDED

        least = np.maximum(LEAST_GAP, chance(found))

        def level(deviations: float) -> Floats:
            share = deviations / self.deviations
            return np.maximum(centre + deviations * spread, least * share)

        sign = 1 if self.upwards else -1
        threshold = np.where(known, level(self.deviations), np.nan)
        clear = np.where(known, level(self.clear), np.nan)
        critical = np.full(len(centre), np.inf)
        if np.isfinite(self.critical):
            critical = level(self.critical)
        return Limits(sign * threshold, sign * clear, sign * critical, sign * measured)


def limits(
    level: float, clear: float, critical: float, measured: Floats, known: Flags, upwards: bool
) -> Limits:
    """Fixed levels of a measure that is larger where it is worse; turned for `below`."""
    sign = 1 if upwards else -1
    threshold, clear_ = (np.where(known, sign * one, np.nan) for one in (level, clear))
    far = sign * abs(critical)
    return Limits(threshold, clear_, np.full(len(measured), far), sign * measured)


def fractions(cumulative: Floats) -> Floats:
    """Cumulative distribution from cumulative counts; NaN where nothing was observed."""
    total = cumulative[..., -1:]
    return np.where(total > 0, cumulative / np.where(total > 0, total, 1), np.nan)


def at_edge(cumulative: Floats, edges: Floats, bound: float) -> Floats:
    """The share of observations at most `bound`, series x windows; NaN where it is no edge."""
    column = np.argmax(edges == bound, axis=1)
    has = (edges == bound).any(axis=1)
    share = np.take_along_axis(fractions(cumulative), column[:, None, None], axis=2)[..., 0]
    return np.where(has[:, None], share, np.nan)


def gap(one: Floats, other: Floats, upwards: bool) -> Floats:
    """How far `one` lies beyond `other` at its furthest edge: 0 to 1, NaN where either is empty.

    Beyond means larger where larger is worse: its cumulative distribution is lower.
    """
    difference = fractions(other) - fractions(one)
    empty = np.isnan(difference).all(axis=-1)
    signed = np.where(np.isnan(difference), -np.inf, difference if upwards else -difference)
    return np.where(empty, np.nan, np.maximum(signed.max(axis=-1), 0.0))


def widest(one: Floats, other: Floats) -> Floats:
    """The Kolmogorov distance, whichever way."""
    return np.maximum(gap(one, other, True), gap(one, other, False))


def middle(distances: Floats) -> tuple[Floats, Floats]:
    """Median and 1.4826 x MAD of each row; NaN where nothing is known."""
    centre = np.full(len(distances), np.nan)
    spread = np.full(len(distances), np.nan)
    for row, values in enumerate(distances):
        there = values[~np.isnan(values)]
        if len(there):
            centre[row] = np.median(there)
            spread[row] = MAD_TO_SIGMA * np.median(np.abs(there - centre[row]))
    return centre, spread


def chance(found: Distributions) -> Floats:
    """How far apart the smallest judged window and the days before may be by chance."""
    now = found.now[..., -1]
    fewest = np.where(now > 0, now, np.inf).min(axis=1)
    before = found.past[..., -1].sum(axis=(1, 2))
    with np.errstate(divide="ignore"):
        apart: Floats = BY_CHANCE * np.sqrt(1 / fewest + 1 / before)
    return apart


def days_with_data(found: Distributions) -> Ints:
    """On how many days before anything was observed in these windows."""
    counted: Ints = (found.past[..., -1].sum(axis=2) > 0).sum(axis=1)
    return counted
