"""One look at the past of a series, as a rule's draft asks for it. Pure, but for the past given."""

import numpy as np

from detector.change import Evidence, Month, Scale, examined
from detector.draft import Draft
from detector.episode import Telling
from detector.exclusion import Apart
from detector.method import Method
from detector.pasts import Past
from detector.units import Unit
from storage.history import Flags, Floats, Ints


def windows_of(draft: Draft, row: int, past: Past, over_ms: int) -> Floats:
    """The past with the windows that the rule judged as the newest of it.

    These end at the tick and at distances of `over` before it, so a change is seen as soon as
    enough of them lie behind it, and not only where the grid has one. Windows with too few
    observations are left out.
    """
    values, n = past.values.copy(), past.n.copy()
    if draft.span.each_ms == over_ms:
        values[-draft.span.of :] = draft.judged.values[row]
        n[-draft.span.of :] = draft.judged.n[row]
    values[~np.isfinite(values) | (n < draft.rule.gates.min_count)] = np.nan
    return values


def told_before(
    draft: Draft, method: Method, values: Floats, now_ms: int, left_out: Apart
) -> int | None:
    """How many windows ago the method would last have told of the series, by itself.

    It learns from what is open as from everything else.
    """
    kept, first_slot = without(draft, values, now_ms, left_out)
    share = draft.signal.form.unit == Unit.RATIO
    scale = Scale.of(kept, upwards=draft.rule.upwards, is_share=share)
    found = method.judge(scale.judged(kept), first_slot)
    seconds = round(draft.signal.form.over)
    at = seconds * np.arange(len(kept), dtype=np.int64)
    told = Telling().told(found.changed, found.size, at, seconds)
    return len(kept) - 1 - told[-1] if told else None


def without(draft: Draft, values: Floats, now_ms: int, left_out: Apart) -> tuple[Floats, int]:
    """The windows without those that are no past, and the slot of the first."""
    over_ms, ends = ends_of(draft, len(values), now_ms)
    gone: Flags = ends <= left_out.until_ms
    for lo_ms, hi_ms in left_out.over:
        gone |= (ends > lo_ms) & (ends - over_ms < hi_ms)
    # What is judged now is no past of its own, whatever was open a moment ago.
    gone[-max(draft.span.total_ms // over_ms, 1) :] = False
    return np.where(gone, np.nan, values), int(ends[0]) // over_ms


def ends_of(draft: Draft, count: int, now_ms: int) -> tuple[int, Ints]:
    """How long a window is, and when the last so many of them ended on the grid, in ms."""
    over_ms = round(draft.signal.form.over * 1000)
    back = np.arange(count - 1, -1, -1, dtype=np.int64)
    return over_ms, now_ms // over_ms * over_ms - over_ms * back


def look(
    draft: Draft,
    method: Method,
    values: Floats,
    now_ms: int,
    left_out: Apart,
    month: Month | None = None,
) -> Evidence:
    """The evidence at the last window, without what is no past."""
    learnt = np.ones(len(values), np.bool_)
    if left_out.since_ms is not None:
        learnt = ends_of(draft, len(values), now_ms)[1] <= left_out.since_ms
    kept, first_slot = without(draft, values, now_ms, left_out)
    return examined(
        method,
        kept,
        first_slot,
        learnt,
        upwards=draft.rule.upwards,
        is_share=draft.signal.form.unit == Unit.RATIO,
        month=month,
    )


def ended_ms(draft: Draft, back: int, now_ms: int) -> int:
    """When the window `back` before the newest ended: judged at the tick, others on the grid."""
    over_ms = round(draft.signal.form.over * 1000)
    at_tick = draft.span.each_ms == over_ms and back < draft.span.of
    return (now_ms if at_tick else now_ms // over_ms * over_ms) - back * over_ms
