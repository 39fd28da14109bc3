"""The stored windows of one signal, moved through time as a running detector holds them.

Where the short windows are still stored, ticks are as close as they were. Older ones are gone after
some days; there the windows that are judged (`over`) stand in for them, one tick for each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from detector.baseline import DAY_MS, DAYS, HOUR_MS
from detector.current import Current, Days, Members
from detector.form import Quantile
from detector.recent import Budget, Recent
from detector.rule import Rule
from detector.signal import Signal
from storage.history import History, Windows
from storage.series import Labels

READ_ROWS = 200_000  # windows of one read, about
MEMORY_BYTES = 512 * 2**20
# A baseline ends up to two hours before its tick.
REACH_MS = DAYS * DAY_MS + 3 * HOUR_MS

Chosen = Callable[[Labels], bool]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span `(start, end]` of ticks with windows of one length; `signal` has that length."""

    signal: Signal
    start_ms: int
    end_ms: int
    is_coarse: bool

    @property
    def step_ms(self) -> int:
        """The distance between ticks."""
        return self.signal.form.window_ms

    @property
    def ticks(self) -> int:
        """How many there are."""
        return max(0, (self.end_ms - self.start_ms) // self.step_ms)


def over_ms(signal: Signal) -> int:
    """Length of a judged window."""
    return round(signal.form.over * 1000)


def coarse(signal: Signal) -> Signal:
    """The same signal as if nothing shorter than its judged windows were stored."""
    form = signal.form.model_copy(update={"window": signal.form.over})
    return signal.model_copy(update={"form": form})


def coarse_rule(rule: Rule, signal: Signal) -> Rule:
    """The same rule on the longer windows: they hold as many times more observations.

    Only of a rule that looks at the short ones (`sustain: for`).
    """
    times = over_ms(signal) / signal.form.window_ms
    if rule.sustain.for_ is None or times == 1:
        return rule
    least = {name: getattr(rule.gates, name) * times for name in ("min_count", "min_events")}
    return rule.model_copy(update={"gates": rule.gates.model_copy(update=least)})


def back_ms(signal: Signal, rules: Sequence[Rule]) -> int:
    """How far back rules look at the newest windows."""
    spans = [rule.span(signal.form.window, signal.form.over).total_ms for rule in rules]
    return max([over_ms(signal) + signal.form.window_ms, *spans])


def stretches(
    history: History, signal: Signal, rules: Sequence[Rule], start_ms: int, end_ms: int
) -> list[Stretch]:
    """The span as one or two stretches: long windows first, short ones as far back as they reach.

    Both ends are moved inwards to the grid of the judged windows.
    """
    step_ms = over_ms(signal)
    start_ms, end_ms = -(-start_ms // step_ms) * step_ms, end_ms // step_ms * step_ms
    if signal.form.window_ms == step_ms:
        return [Stretch(signal, start_ms, end_ms, False)]
    first_ms = first_fine_ms(history, signal, start_ms - HOUR_MS, end_ms)
    # From here on all that a tick looks at is there.
    needed_ms = back_ms(signal, rules) + step_ms
    from_ms = end_ms if first_ms is None else -(-(first_ms + needed_ms) // step_ms) * step_ms
    from_ms = min(max(from_ms, start_ms), end_ms)
    found = [
        Stretch(coarse(signal), start_ms, from_ms, True),
        Stretch(signal, from_ms, end_ms, False),
    ]
    return [one for one in found if one.ticks]


def first_fine_ms(history: History, signal: Signal, start_ms: int, end_ms: int) -> int | None:
    """Where the short windows begin; None where there are none."""
    for at_ms in range(start_ms, end_ms, DAY_MS):
        until_ms = min(at_ms + DAY_MS, end_ms)
        found = history.windows(
            signal.name, at_ms, until_ms, seconds=signal.form.window, counts=False
        )
        if len(found):
            return int(found.end_ms.min()) - signal.form.window_ms
    return None


def stretch_at(history: History, signal: Signal, rules: Sequence[Rule], at_ms: int) -> Stretch:
    """The one tick at a time or, where short windows are gone, the last one before it."""
    form, judged_ms = signal.form, over_ms(signal)
    at_ms = at_ms // form.window_ms * form.window_ms
    if form.window_ms == judged_ms:
        return Stretch(signal, at_ms - judged_ms, at_ms, False)
    from_ms = at_ms - back_ms(signal, rules) - judged_ms

    def there(start_ms: int, end_ms: int, seconds: float) -> bool:
        found = history.windows(signal.name, start_ms, end_ms, seconds=seconds, counts=False)
        return len(found) > 0

    before_ms = from_ms - 2 * HOUR_MS
    # Short windows before all that is looked at, or nothing at all before: they reach far enough.
    if there(from_ms, at_ms, form.window) and (
        there(before_ms, from_ms, form.window) or not there(before_ms, from_ms, form.over)
    ):
        return Stretch(signal, at_ms - form.window_ms, at_ms, False)
    at_ms = at_ms // judged_ms * judged_ms
    return Stretch(coarse(signal), at_ms - judged_ms, at_ms, True)


class Sweep:
    """The windows of a stretch, read piece by piece; `steps` moves from tick to tick.

    `chosen` says which series are looked at, or is the only one. `lost` counts windows that found
    no room in `memory_bytes`.
    """

    def __init__(
        self,
        history: History,
        stretch: Stretch,
        back_ms: int,
        chosen: Chosen | Labels | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.history, self.stretch, self.chosen = history, stretch, chosen
        self.lost = 0
        form = stretch.signal.form
        self.over_ms = over_ms(stretch.signal)
        members = Members()
        self.current = Current(stretch.signal, members, back_ms)
        recent = Recent(self.over_ms, REACH_MS // self.over_ms + 1, Budget(memory_bytes))
        self.days = Days(stretch.signal, members, recent)
        self.merged: Windows = Windows.of(stretch.signal.name, ())
        self.counts = isinstance(form, Quantile) and form.window_ms < self.over_ms

    def windows(self, start_ms: int, end_ms: int, seconds: float, *, counts: bool) -> Windows:
        """The windows of the chosen series that end in `(start, end]`."""
        one = self.chosen if isinstance(self.chosen, Labels) else None
        found = self.history.windows(
            self.stretch.signal.name, start_ms, end_ms, one, seconds=seconds, counts=counts
        )
        if self.chosen is None or isinstance(self.chosen, Labels):
            return found
        return only(found, self.chosen)

    def begin(self) -> None:
        """Read what the first tick looks back at."""
        start_ms, recent = self.stretch.start_ms, self.days.recent
        recent.advance(start_ms)
        for at_ms in range(start_ms - recent.reach_ms, start_ms, DAY_MS):
            until_ms = min(at_ms + DAY_MS, start_ms)
            self.keep(self.windows(at_ms, until_ms, self.stretch.signal.form.over, counts=False))
        reach_ms = -(-self.current.needed_ms // self.over_ms) * self.over_ms
        for _ in self.pushed(start_ms - reach_ms, start_ms):
            pass

    def steps(self) -> Iterator[int]:
        """Each tick, when everything that it judges is held."""
        for at_ms in self.pushed(self.stretch.start_ms, self.stretch.end_ms):
            if at_ms % self.over_ms == 0:
                self.days.recent.advance(at_ms)
                self.keep(self.merged)
            yield at_ms

    def pushed(self, start_ms: int, end_ms: int) -> Iterator[int]:
        """The ticks of `(start, end]`, each after its windows were taken."""
        form = self.stretch.signal.form
        at_ms, width = start_ms, 1
        while at_ms < end_ms:
            until_ms = min(at_ms + width * form.window_ms, end_ms)
            found = self.windows(at_ms, until_ms, form.window, counts=self.counts)
            ticks = range(at_ms + form.window_ms, until_ms + 1, form.window_ms)
            for one_ms, mine in zip(ticks, by_end(found, ticks), strict=True):
                self.merged = self.current.push(one_ms, mine)
                yield one_ms
            each = len(found) // width + 1
            at_ms, width = until_ms, max(1, min(READ_ROWS // each, 8 * width, 1440))

    def keep(self, windows: Windows) -> None:
        """Put judged windows where baselines find them."""
        rows = self.days.members.rows(windows.series)[windows.index]
        recent = self.days.recent
        self.lost += recent.put(rows, windows.end_ms, windows.values, windows.n)


def by_end(windows: Windows, ends_ms: Sequence[int]) -> Iterator[Windows]:
    """The windows that end at each of these times, in their order; sorted once for all."""
    order = np.argsort(windows.end_ms, kind="stable")
    widths = windows.widths()
    begins = np.cumsum(widths) - widths
    sizes = widths[order]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    counts = windows.counts[np.repeat(begins[order] - starts[:-1], sizes) + np.arange(sizes.sum())]
    end_ms = windows.end_ms[order]
    index, layout = windows.index[order], windows.layout[order]
    seconds, values, n = windows.seconds[order], windows.values[order], windows.n[order]
    edges = np.searchsorted(end_ms, np.append(np.asarray(ends_ms), ends_ms[-1] + 1))
    for lo, hi in pairwise(edges.tolist()):
        yield Windows(
            windows.signal,
            windows.series,
            index[lo:hi],
            end_ms[lo:hi],
            seconds[lo:hi],
            values[lo:hi],
            n[lo:hi],
            layout[lo:hi],
            windows.layouts,
            counts[starts[lo] : starts[hi]],
        )


def only(windows: Windows, chosen: Chosen) -> Windows:
    """The windows of some series."""
    kept = np.array([chosen(one) for one in windows.series], np.bool_)
    if kept.all():
        return windows
    rows = kept[windows.index]
    place = np.cumsum(kept) - 1
    return replace(
        windows,
        series=tuple(one for one, there in zip(windows.series, kept, strict=True) if there),
        index=place[windows.index[rows]],
        end_ms=windows.end_ms[rows],
        seconds=windows.seconds[rows],
        values=windows.values[rows],
        n=windows.n[rows],
        layout=windows.layout[rows],
        counts=windows.counts[np.repeat(rows, windows.widths())],
    )
