"""What a baseline may not hold: regressions, and everything before a new normal. Pure.

A regression is judged against the baseline from before it, as long as it lasts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detector.baseline import DAY_MS, DAYS, DAYS_NEEDED, baseline_end_ms
from detector.judgement import Background
from detector.regression import Lasting, Phase, Regression
from storage.series import Labels


@dataclass(frozen=True, slots=True, eq=False)
class BySignal:
    """Regressions by their signal: ticks ask for those of each signal, and there may be many.

    While nothing changed on a signal, the next tick finds the same object there.
    """

    of: Mapping[str, Sequence[Lasting]]


LEARNT_MS = DAY_MS // 2
"""A regression that was over within so long is a part of the past: it comes and goes."""

Spans = BySignal | Sequence[Lasting]
"""The regressions that baselines may not hold."""


def on(spans: Spans, signal: str) -> Sequence[Lasting]:
    """Those on one signal."""
    if isinstance(spans, BySignal):
        return spans.of.get(signal, ())
    return [one for one in spans if one.signal == signal]


def left_out(spans: Sequence[Lasting], now_ms: int) -> dict[Labels, list[tuple[int, int]]]:
    """What no baseline of a signal may hold, by series: regressions, and all before acceptance.

    What was there already when somebody accepted a new normal is part of it, whichever rule it is.
    """
    found: dict[Labels, list[tuple[int, int]]] = {}
    accepted: dict[Labels, tuple[int, int]] = {}
    for one in spans:
        if one.accepted_from_ms is not None:
            last = accepted.get(one.labels, (0, 0))
            accepted[one.labels] = max(last, (one.accepted_from_ms, one.resolved_ms or 0))
    for labels, (from_ms, _) in accepted.items():
        found[labels] = [(0, from_ms)]
    for one in spans:
        _, since_ms = accepted.get(one.labels, (0, 0))
        if one.freezes:
            mine = [span for span in one.spans(now_ms) if span[0] >= since_ms]
            found.setdefault(one.labels, []).extend(mine)
    return {labels: sorted(set(each)) for labels, each in found.items() if each}


@dataclass(frozen=True, slots=True)
class Apart:
    """What the method may not take for the past of a series, in milliseconds.

    Windows until `until_ms` are from before a new normal, those in `over` from regressions that are
    over: both are no past at all. From `since_ms` on something is open: judged, and not learnt.
    """

    until_ms: int = 0
    over: tuple[tuple[int, int], ...] = ()
    since_ms: int | None = None

    def is_past(self, start_ms: int, end_ms: int) -> bool:
        """Whether all of a span may be learnt from."""
        if start_ms < self.until_ms or (self.since_ms is not None and end_ms > self.since_ms):
            return False
        return not any(lo_ms < end_ms and hi_ms > start_ms for lo_ms, hi_ms in self.over)


def apart(spans: Sequence[Lasting], now_ms: int) -> dict[Labels, Apart]:
    """What is no past, by series, of the regressions on one signal.

    What was never confirmed and went away again is learnt: the series does that. So is what was
    over within half a day: the method has a bound of its own on what one outage teaches, and a
    series that has one every other day would be told of each as if it were the first.
    """
    found: dict[Labels, Apart] = {}
    for one in spans:
        if one.accepted_from_ms is not None:
            known = found.get(one.labels, Apart())
            found[one.labels] = Apart(max(known.until_ms, one.accepted_from_ms))
    for one in spans:
        if not one.freezes or one.phase is Phase.TRANSIENT:
            continue
        known = found.get(one.labels, Apart())
        over, since_ms = list(one.spans(now_ms)), known.since_ms
        if one.resolved_ms is None:
            began_ms, _ = over.pop()
            since_ms = began_ms if since_ms is None else min(since_ms, began_ms)
        mine = tuple(
            (lo_ms, hi_ms)
            for lo_ms, hi_ms in over
            if lo_ms >= known.until_ms and hi_ms - lo_ms > LEARNT_MS
        )
        found[one.labels] = Apart(known.until_ms, known.over + mine, since_ms)
    return found


def restarted(
    background: Background,
    series: Sequence[Labels],
    signal: str,
    spans: Sequence[Lasting],
    now_ms: int,
) -> Background:
    """The same, with fewer days asked of series whose normal began anew a few days ago.

    70 % of the days since, and none ready on the first day.
    """
    since: dict[Labels, int] = {}
    for one in spans:
        if one.signal == signal and one.accepted_from_ms is not None:
            since[one.labels] = max(one.accepted_from_ms, since.get(one.labels, 0))
    if not since:
        return background
    end_ms = baseline_end_ms(now_ms)
    age = np.array([(end_ms - since.get(one, 0)) / DAY_MS for one in series], np.float64)
    share = np.ceil(np.clip(age, 0, DAYS) * DAYS_NEEDED / DAYS)
    needed = np.where(age < 1, DAYS + 1, np.clip(share, 1, DAYS_NEEDED)).astype(np.int64)
    return replace(background, needed=needed)


def frozen(
    background: Background, series: Sequence[Labels], open_: Mapping[Labels, Regression]
) -> Background:
    """The baselines, but for series with an open regression those from when it opened.

    So that a regression cannot become its own normal and resolve itself.
    """
    if not open_:
        return background
    mean, deviation = background.mean.copy(), background.deviation.copy()
    n, days = background.n.copy(), background.days.copy()
    for row, labels in enumerate(series):
        regression = open_.get(labels)
        if regression is not None and regression.baseline is not None:
            evidence = regression.evidence
            mean[row] = regression.baseline
            deviation[row] = evidence["deviation"]
            n[row], days[row] = evidence["baseline_n"], evidence["days"]
    return Background(mean, deviation, n, days, background.needed)
