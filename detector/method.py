"""Detection, whole: from windows to the evidence that a series changed for the worse. Pure.

For each of several spans (40 minutes to a day) and references (the same time of the last days or
none; the level of the week, of the day, of the hour before) there is one statistic: what most of
the span lies above, minus the reference (`evidence`). Its threshold comes from the series' own last
two weeks (`calibration`). References whose threshold is far above the best of the span cannot see
as much and are left aside; of the others at least half must be beyond theirs, and two. One alone
would not do: the best of several is partly the luckiest.

Values are oriented so that larger is worse, and on a scale on which a change adds (`transform`).
What is seen is found once it was suspected for a while without a break, and what is suspected for
hours is found as well: bursts end, and what happens by chance goes away.
`Method.judge` takes a whole history at once, and what it says at a window rests on that window and
earlier ones alone: a tick, a replay and the bench ask it, and nothing else.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from detector.assessment import Assessment
from detector.calibration import (
    TREBLING,
    Kinds,
    Memory,
    Strictness,
    before,
    in_blocks,
    medians,
    thresholds,
    tops,
    usual,
)
from detector.evidence import Span, held, level, lower_quartile, ordered_pieces, renewed
from detector.expected import middle, ordered, same_hours, shifted
from detector.ranks import MOST, middle_of, ranked, trailing_by_rank
from storage.history import Flags, Floats, Ints

STRICTNESS = Strictness()
LASTING_PER_DAY = 12  # a span of two hours or more is lasting
TOO_FEW = 0.49  # the most that is said of comparisons that agree, and are too few or too early


@dataclass(frozen=True, slots=True)
class Limits:
    """The usual value of every statistic and how far beyond it is unusual: `[..., statistics]`.

    With a last axis of blocks when whole histories are judged.
    """

    centre: Floats
    beyond: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """The parameters of the method for one length of window; `five_minutes` and `coarse` make it.

    `suspicion`: the share of a threshold that is suspected. It is enough once it was suspected in
    `patience` windows in a row (0: never). `lull`: the longest break of a suspicion that what is
    seen waits for (`Span.wait`).
    `comparable`: a reference counts if its threshold is at most so many times the best of the span;
    `agreement`: this share of those that count must be beyond.
    """

    per_day: int
    around: int
    spans: tuple[Span, ...]
    short: int  # the first so many spans are also compared with the hour before
    hour: int
    day_every: int
    memory: Memory
    strictness: Strictness = STRICTNESS
    suspicion: float = 0.8
    patience: int = 0
    lull: int = 0
    comparable: float = 3.0
    agreement: float = 0.5
    least_agreeing: int = 2

    @property
    def rows(self) -> tuple[slice, ...]:
        """Where the statistics of each span stand: by season, then by level."""
        ends = np.cumsum([0] + [2 * self.levels(number) for number in range(len(self.spans))])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    def levels(self, number: int) -> int:
        """With how many levels a span is compared."""
        return 3 if number < self.short else 2

    @property
    def kinds(self) -> Kinds:
        """What each statistic is of; a block holds so many spans of it without overlap."""
        windows = np.repeat(
            [span.windows for span in self.spans], [rows.stop - rows.start for rows in self.rows]
        )
        return Kinds(
            independent=self.memory.block / windows,
            floors=np.repeat(self.floors[:, 0], [rows.stop - rows.start for rows in self.rows]),
            lasting=windows * LASTING_PER_DAY >= self.per_day,
        )

    @property
    def floors(self) -> Floats:
        """The least change worth a notice, of each span."""
        return np.array([span.floor for span in self.spans])[:, None]

    def judge(self, values: Floats, first_slot: int, learnt: Flags | None = None) -> Assessment:
        """The evidence at every window of one history: `[windows]`.

        `first_slot` is the first window's end, in windows since the epoch. Windows where `learnt`
        is false (a regression is open) are left out of what the thresholds are learnt from.
        """
        memory, count, lead = self.memory, len(values), first_slot % self.memory.block
        blocks = self._in_blocks(values, first_slot, learnt)
        known = blocks if learnt is None else np.where(grid(learnt, lead, memory), blocks, np.nan)
        limits = Limits(
            *thresholds(
                tops(known),
                medians(known[..., :: memory.stride]),
                self.kinds,
                memory,
                self.strictness,
            )
        )
        shape = (len(self.spans), -1)
        agreeing, suspecting, effect, least = (
            part.reshape(shape)[:, lead : lead + count] for part in self.weigh(blocks, limits)
        )
        self._be_patient(agreeing, suspecting, effect)
        self._wait(agreeing, suspecting, effect)
        return Assessment(agreeing, suspecting, effect, least, self.floors, self.agreement)

    def _be_patient(self, agreeing: Floats, suspecting: Floats, effect: Floats) -> None:
        """Let what has been suspected for as long as patience lasts, until now, be found.

        By spans of at most twice that length: in a longer one most windows are still the same.
        """
        patient = sum(span.windows <= 2 * self.patience for span in self.spans)
        seen = (suspecting >= self.agreement) & (effect >= self.floors)
        long = lasted(np.asarray(seen[:patient].any(axis=0))) >= self.patience
        agreeing[:patient, long] = suspecting[:patient, long]

    def _wait(self, agreeing: Floats, suspecting: Floats, effect: Floats) -> None:
        """Put off what is seen until it was suspected for long enough.

        What was seen since the suspicion began, by whatever span, is found as soon as the wait of
        that span is over, and for as long as the suspicion lasts; by the spans that suspect it now.
        Between the time in which the short spans see a step and that in which the long ones do it
        may be no suspicion: that is a lull, and no end of it.
        """
        waits = np.array([span.wait for span in self.spans])[:, None]
        if not waits.any():
            return
        worth, here = effect >= self.floors, np.arange(effect.shape[-1])
        suspected = (suspecting >= self.agreement) & worth
        seen = np.where((agreeing >= self.agreement) & worth, here, -1)
        long = lasted(np.asarray(suspected.any(axis=0)), self.lull)
        since = np.maximum.accumulate(seen, axis=-1) > here - long
        due = (since & (long > waits)).any(axis=0)
        early = np.minimum(agreeing, TOO_FEW)
        np.copyto(agreeing, np.where(due, suspecting, early), where=suspected)

    def weigh(self, values: Floats, limits: Limits) -> tuple[Floats, Floats, Floats, Floats]:
        """The evidence: agreeing, suspecting, effect and least, each `[spans, ..., windows]`.

        `values` is `[statistics, ..., windows]`, the limits are `[statistics, ...]`.
        """
        shape, windows = (len(self.spans), *values.shape[1:]), values.shape[-1]
        shares, effect, least = np.zeros((2, *shape)), np.full(shape, np.nan), np.empty(shape)
        for number, rows in enumerate(self.rows):
            centre, beyond, seen = limits.centre[rows], limits.beyond[rows], values[rows]
            best = beyond.min(axis=0)
            chosen = np.isfinite(beyond) & (beyond <= self.comparable * best)
            least[number] = best[..., None]
            lowest = np.where(chosen, centre + self.suspicion * beyond, np.inf)
            suspecting = (seen > lowest[..., None]).sum(axis=0, dtype=np.int8).reshape(-1)
            some = np.flatnonzero(suspecting != 0)  # what is beyond the whole threshold is of these
            if not len(some):
                continue
            # One axis for all that is before the windows: to find places in one is far cheaper.
            of, flat = some // windows, (len(seen), -1)
            these = seen.reshape(flat)[:, some]
            count = np.maximum(chosen.sum(axis=0), 1).reshape(-1)[of]
            few = np.minimum(self.least_agreeing, count)
            whole = np.where(chosen, centre + beyond, np.inf).reshape(flat)[:, of]
            agreeing = (these > whole).sum(axis=0)
            for share, counted in zip(shares, (agreeing, suspecting[some]), strict=True):
                part = counted / count
                share[number].reshape(-1)[some] = np.where(
                    counted >= few, part, np.minimum(part, TOO_FEW)
                )
            suspected = shares[1, number].reshape(-1)[some] >= self.agreement
            usually = np.where(chosen, centre, np.nan).reshape(flat)[:, of[suspected]]
            above = np.ascontiguousarray((these[:, suspected] - usually).T)
            effect[number].reshape(-1)[some[suspected]] = middle(ordered(above))
        return shares[0], shares[1], effect, least

    def _in_blocks(self, values: Floats, first_slot: int, learnt: Flags | None) -> Floats:
        """`[statistics, blocks, block]` of one history."""
        memory, windows, rows = self.memory, values.shape[-1], self.rows
        lead = first_slot % memory.block
        blocks = -(-(lead + windows) // memory.block)
        result = np.full((rows[-1].stop, blocks * memory.block), np.nan)
        into = result[:, lead : lead + windows]
        counts = [span.count for span in self.spans if span.piece == 1 and span.count <= MOST]
        raw = trailing_by_rank(values, counts)
        ready = self.hour in raw and self.hour == 2 * self.around
        about = middle_of(raw[self.hour]) if ready else None
        same = same_hours(values, self.per_day, self.around, about)
        residual = np.stack([values, values - same])  # both at once: half the calls
        rest = trailing_by_rank(residual[1], counts)
        day = level(residual, first_slot, self.per_day, self.day_every)
        quartiles, hour = [], None
        for span in self.spans:
            if span.piece == 1 and span.count in raw:
                both = (raw[span.count], rest[span.count])
                quartile = np.stack([ranked(one, span.rank, span.least) for one in both])
                if span.windows == self.hour:
                    hour = np.stack([middle_of(one) for one in both])
            else:
                in_order = ordered_pieces(residual, renewed(residual, first_slot, span.piece), span)
                hour = middle(in_order) if span.windows == self.hour else hour
                quartile = lower_quartile(in_order, span)
            quartiles.append(held(quartile, first_slot, span.piece, windows))
        for number, (span, quartile) in enumerate(zip(self.spans, quartiles, strict=True)):
            known = masked(quartile, learnt)
            median = medians(in_blocks(known, first_slot, memory.block)[..., :: memory.stride])
            week = usual(before(median, memory.level_blocks, memory.left_out, np.nan), 2)
            week = np.repeat(week, memory.block, axis=-1)[..., lead : lead + windows]
            row, levels = rows[number].start, self.levels(number)
            season = slice(row, rows[number].stop, levels)
            into[season] = quartile - week
            into[season.start + 1 : season.stop : levels] = quartile - shifted(day, span.windows)
            if number < self.short and hour is not None:
                into[season.start + 2 : season.stop : levels] = quartile - shifted(
                    hour, span.windows
                )
        return result.reshape(len(result), blocks, memory.block)


def lasted(seen: Flags, lull: int = 0) -> Ints:
    """For how many windows, until each, something was seen, breaks of up to `lull` included.

    0 where nothing was seen in the last `lull` windows and in this one.
    """
    here = np.arange(len(seen))
    there = here - np.maximum.accumulate(np.where(seen, here, -lull - 1)) <= lull
    begins = seen & ~np.concatenate([[False], there[:-1]])
    since = np.maximum.accumulate(np.where(begins, here, 0))
    result: Ints = np.where(there, here - since + 1, 0)
    return result


def grid(learnt: Flags, lead: int, memory: Memory) -> Flags:
    """The windows to be learnt from on the grid of blocks; what is not there is learnt."""
    tail = -(lead + len(learnt)) % memory.block
    return np.pad(learnt, (lead, tail), constant_values=True).reshape(-1, memory.block)


def masked(values: Floats, learnt: Flags | None) -> Floats:
    """The values, NaN where they are not to be learnt from."""
    return values if learnt is None else np.where(learnt, values, np.nan)


def five_minutes() -> Method:
    """For windows of five minutes: spans of 40 minutes, 1, 4, 12 and 24 hours.

    Of the shortest, eight windows, seven must be above. Four of four found no more on real series,
    nor more within an hour (the smallest of four windows is a noisy figure, and needs a higher
    threshold); only what stands far out came a quarter of an hour sooner, and bursts of half an
    hour with it.

    What the two short spans see has to be suspected for a quarter of their length first, what the
    longer ones see for three hours and a half. On real series that takes away a quarter of the
    false alarms and a few of the steps of +10 %; higher thresholds take away far more of the steps
    for the same.
    """
    return Method(
        per_day=288,
        around=6,
        spans=(
            Span(8, 1, 0.12, wait=2),
            Span(12, 1, 0.08, wait=3),
            Span(16, 3, 0.06, wait=42),
            Span(24, 6, 0.06, wait=42),
            Span(24, 12, 0.06, wait=42),
        ),
        short=3,
        hour=12,
        day_every=6,
        memory=Memory(block=144, stride=12),
        patience=72,
        lull=18,
    )


def coarse(window_seconds: int) -> Method:
    """For windows of 15 minutes to 6 hours: spans of 2, 3, 6, 12 and 24 windows.

    One window alone is no evidence of a change that stays. Half a day holds few of them, so three
    comparisons have to agree: with two, more was told on real series, and less of it right. Who
    sees so little of a series wants to hear of every afternoon in trouble, `Strictness.rare_counts`
    (with windows of five minutes that found nothing more).
    """
    per_day = 86_400 // window_seconds
    floors = zip((2, 3, 6, 12, 24), (0.12, 0.10, 0.08, 0.06, 0.06), strict=True)
    return Method(
        per_day=per_day,
        around=0,
        spans=tuple(Span(count, 1, floor) for count, floor in floors),
        short=3,
        hour=6,
        day_every=1,
        memory=Memory(block=max(per_day // 2, 1), stride=1, creep=1.0),
        strictness=Strictness(rare_counts=TREBLING),
        least_agreeing=3,
    )
