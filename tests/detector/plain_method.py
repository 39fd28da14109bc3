"""The method once more, as plainly as it can be written: one window, one number at a time.

No arrays, nothing shared between windows, no code of the detector except its parameters. It is slow
and there to be compared with (`test_plain_method.py`): what `detector/method.py` does in passes
over whole histories must come to this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from math import inf, isfinite, isnan, log, nan

from detector.evidence import Span
from detector.method import TOO_FEW, Method

SAME_HOURS_DAYS, LEAST_DAYS = 7, 2
Reading = Callable[[int], float]


def median(values: Sequence[float], least: int = 1) -> float:
    """The lower middle one of what is known; NaN with fewer than `least`."""
    known = sorted(one for one in values if not isnan(one))
    return known[(len(known) - 1) // 2] if len(known) >= least else nan


@dataclass(frozen=True)
class Said:
    """What is said at one window: a number for each span."""

    agreeing: list[float] = field(default_factory=list)
    suspecting: list[float] = field(default_factory=list)
    effect: list[float] = field(default_factory=list)
    least: list[float] = field(default_factory=list)


class Plain:
    """One history, judged window by window. `learnt` as in `Method.judge`."""

    def __init__(
        self,
        method: Method,
        values: Sequence[float],
        first_slot: int,
        learnt: Sequence[bool] | None = None,
    ) -> None:
        self.method, self.values, self.first = method, values, first_slot
        self.learnt = learnt or [True] * len(values)
        self.rest = cache(self._rest)
        self.day = cache(self._day)
        self.quartile = cache(self._quartile)
        self.block_median = cache(self._block_median)
        self.statistic = cache(self._statistic)
        self.summary = cache(self._summary)
        self.limit = cache(self._limit)

    def value(self, at: int) -> float:
        """The value of a window; NaN outside the history."""
        return self.values[at] if 0 <= at < len(self.values) else nan

    def _rest(self, at: int) -> float:
        """What is left of a value against the same hours."""
        days = []
        for day in range(1, SAME_HOURS_DAYS + 1):
            then, around = at - day * self.method.per_day, self.method.around
            about = range(then - around + 1, then + around + 1) if around else [then]
            days.append(median([self.value(one) for one in about]) if then + around >= 0 else nan)
        return self.value(at) - median(days, LEAST_DAYS)

    def of(self, season: bool) -> Reading:
        """The rest, or the values."""
        return self.rest if season else self.value

    def turn(self, at: int, every: int) -> int:
        """The newest window up to this one at which something is renewed."""
        return at - (self.first + at) % every

    def _day(self, season: bool, at: int) -> float:
        """The level of the last day."""
        every = self.method.day_every
        at = self.turn(at, every)
        count = self.method.per_day // every
        if at < 0:
            return nan
        return median([self.of(season)(at - one * every) for one in range(count)], count // 4 + 1)

    def _quartile(self, number: int, season: bool, at: int) -> float:
        """What most of a span lies above."""
        span = self.method.spans[number]
        at = self.turn(at, span.piece)
        if at < 0:
            return nan
        pieces = [self.piece(span, season, at - one * span.piece) for one in range(span.count)]
        known = sorted(one for one in pieces if not isnan(one))
        most = 3 / 4 if span.piece == 1 else 2 / 3  # of the pieces lie above
        rank = int((1 - most) * (span.count - 1) + 1e-9)
        return known[rank] if len(known) >= span.count - span.count // 4 else nan

    def piece(self, span: Span, season: bool, at: int) -> float:
        """The median of the piece that ends with this window."""
        if at < 0:
            return nan
        return median([self.of(season)(at - one) for one in range(span.piece)])

    def hour(self, season: bool, at: int) -> float:
        """The level of the last hour, where three quarters of the span of an hour are not asked."""
        number = next(
            one for one, span in enumerate(self.method.spans) if span.windows == self.method.hour
        )
        span = self.method.spans[number]
        at = self.turn(at, span.piece)
        return median(
            [self.piece(span, season, at - one * span.piece) for one in range(span.count)]
        )

    def block_of(self, at: int) -> int:
        """In which block of the grid a window lies, counted from that of the first."""
        block = self.method.memory.block
        return (self.first + at) // block - self.first // block

    def windows_of(self, block: int) -> range:
        """The windows of a block, also those outside the history."""
        size = self.method.memory.block
        start = (self.first // size + block) * size - self.first
        return range(start, start + size)

    def _block_median(self, number: int, season: bool, block: int) -> float:
        """The usual value of a span in a block, of what is to be learnt from."""
        at = self.windows_of(block)[:: self.method.memory.stride]
        return median([self.quartile(number, season, one) for one in at if self.counts(one)])

    def counts(self, at: int) -> bool:
        """Whether a window is of the history, and to be learnt from."""
        return 0 <= at < len(self.values) and self.learnt[at]

    def _statistic(self, number: int, season: bool, reference: int, at: int) -> float:
        """A span against the level of the week (0), of the day (1), of the hour (2) before."""
        quartile, windows = self.quartile(number, season, at), self.method.spans[number].windows
        if reference == 0:
            memory, block = self.method.memory, self.block_of(at)
            newest = block - memory.left_out
            past = range(newest - memory.level_blocks, newest)
            return quartile - median([self.block_median(number, season, one) for one in past], 2)
        level = self.day if reference == 1 else self.hour
        return quartile - level(season, at - windows) if at >= windows else nan

    def _summary(
        self, number: int, season: bool, reference: int, block: int
    ) -> tuple[float, float]:
        """The largest value and the median of a block."""
        at = self.windows_of(block)
        seen = {
            one: self.statistic(number, season, reference, one) for one in at if self.counts(one)
        }
        known = [one for one in seen.values() if not isnan(one)]
        usual = median([seen[one] for one in at[:: self.method.memory.stride] if one in seen])
        return (max(known) if known and not isnan(usual) else -inf), usual

    def _limit(
        self, number: int, season: bool, reference: int, block: int
    ) -> tuple[float, float, float]:
        """The usual value in a block, how far beyond is unusual, and as what the block counts."""
        memory, strict, span = self.method.memory, self.method.strictness, self.method.spans[number]
        newest = block - memory.left_out
        past = range(max(newest - memory.blocks, 0), max(newest, 0))
        summaries = [self.summary(number, season, reference, one) for one in past]
        medians = [usual for _, usual in summaries if not isnan(usual)]
        largest = self.summary(number, season, reference, block)[0]
        centre = median(medians, memory.least)
        if isnan(centre):
            return nan, inf, largest
        independent = memory.block / span.windows
        most = max(self.limit(number, season, reference, one)[2] for one in past) - centre
        if span.windows / self.method.per_day * 24 >= 2:  # hours
            tops = sorted(one for one, _ in summaries if isfinite(one))
            often = tops[len(tops) - 1 - len(tops) // 4] - centre
            most = min(most, max(often, strict.rare_counts))
        margin = strict.margin + strict.chances * log(max(independent, 1.0))
        room = margin * (1 + strict.scarcity / (len(medians) * independent))
        spread = 1.4826 * median([abs(one - centre) for one in medians])
        beyond = max(room * most, strict.guard * spread)
        beyond *= 1 + strict.doubt * min(beyond, strict.doubted_most)
        cap = centre + memory.creep * max(beyond, span.floor)
        return centre, beyond, min(largest, cap)

    def said(self) -> list[Said]:
        """The evidence at every window, with how long it was suspected taken into account."""
        result: list[Said] = []
        spans, patience, enough = self.method.spans, self.method.patience, self.method.agreement
        few = len([span for span in spans if span.windows <= 2 * patience])
        patiently = quiet = 0
        began = -1  # when the suspicion did; -1 when there is none
        seen: set[int] = set()  # spans that saw it since then
        for at in range(len(self.values)):
            one = self.evidence(at)
            worth = [effect >= span.floor for effect, span in zip(one.effect, spans, strict=True)]
            suspects = [
                w and share >= enough for w, share in zip(worth, one.suspecting, strict=True)
            ]
            agreeing = list(one.agreeing)
            patiently = patiently + 1 if any(suspects[:few]) else 0
            if 0 < patience <= patiently:
                agreeing[:few] = one.suspecting[:few]
            quiet = 0 if any(suspects) else quiet + 1
            if quiet > self.method.lull:
                began, seen = -1, set()
            elif began < 0 and any(suspects):
                began = at
            seen |= {n for n, share in enumerate(agreeing) if worth[n] and share >= enough}
            due = any(at - began >= spans[number].wait for number in seen)
            for number, suspected in enumerate(suspects):
                if suspected and any(span.wait for span in spans):
                    early = min(agreeing[number], TOO_FEW)
                    agreeing[number] = one.suspecting[number] if due else early
            result.append(replace(one, agreeing=agreeing))
        return result

    def evidence(self, at: int) -> Said:
        """The evidence at a window, whatever was suspected before."""
        result, block = Said(), self.block_of(at)
        for number in range(len(self.method.spans)):
            references = range(3 if number < self.method.short else 2)
            each = [(season, one) for season in (False, True) for one in references]
            limits = [self.limit(number, *one, block)[:2] for one in each]
            values = [self.statistic(number, *one, at) for one in each]
            best = min(beyond for _, beyond in limits)
            result.least.append(best)
            chosen = [
                (value, centre, beyond)
                for value, (centre, beyond) in zip(values, limits, strict=True)
                if isfinite(beyond) and beyond <= self.method.comparable * best
            ]
            agreeing = self.share(chosen, 1.0)
            suspecting = self.share(chosen, self.method.suspicion)
            suspected = suspecting >= self.method.agreement
            effect = median([value - centre for value, centre, _ in chosen])
            result.agreeing.append(agreeing)
            result.suspecting.append(suspecting)
            result.effect.append(effect if suspected else nan)
        return result

    def share(self, chosen: Sequence[tuple[float, float, float]], of: float) -> float:
        """The share of the comparable that are beyond so much of their thresholds."""
        count = max(len(chosen), 1)
        beyond = sum(value > centre + of * limit for value, centre, limit in chosen)
        share = beyond / count
        return share if beyond >= min(self.method.least_agreeing, count) else min(share, TOO_FEW)
