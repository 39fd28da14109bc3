"""What each window was expected to be: the same hours of the last days. Pure.

Arrays are `[..., windows]`, one window per slot, NaN where a window is missing. Everything at a
slot reads that slot and earlier ones only, so a longer array never changes what was said before.
Medians are the lower middle value, an element of the data: the same bits however it is computed.
"""

import numpy as np

from detector.ranks import by_size, middle_of
from storage.history import Floats

SAME_HOURS_DAYS = 7
LEAST_DAYS = 2


def sliding(values: Floats, count: int, stride: int = 1) -> Floats:
    """Every `count` values in a row, `stride` apart, read-only: `[..., windows - reach, count]`.

    `reach` is `(count - 1) * stride`. As numpy's `sliding_window_view`, at a tenth of what it costs
    to call.
    """
    kept = np.ascontiguousarray(values)
    shape = (*kept.shape[:-1], kept.shape[-1] - (count - 1) * stride, count)
    strides = (*kept.strides, stride * kept.itemsize)
    view: Floats = np.ndarray(shape, kept.dtype, kept, strides=strides)
    view.flags.writeable = False
    return view


def trailing(values: Floats, count: int, stride: int = 1) -> Floats:
    """The last `count` values at every slot, `stride` apart, oldest first: `[..., windows, count]`.

    Slots before the beginning are NaN.
    """
    reach = (count - 1) * stride
    padded = np.concatenate([np.full((*values.shape[:-1], reach), np.nan), values], axis=-1)
    return sliding(padded, count, stride)


def ordered(values: Floats) -> Floats:
    """The values sorted along the last axis, the NaNs last."""
    return np.sort(values, axis=-1)


def middle(in_order: Floats) -> Floats:
    """The median along the last axis of sorted values with the NaNs last; NaN if there is none."""
    last = in_order.shape[-1] - 1
    result: Floats = np.array(in_order[..., last // 2])
    partly = np.isnan(in_order[..., last])
    if partly.any():
        rows = in_order[partly]
        known = last + 1 - np.isnan(rows).sum(axis=-1)
        result[partly] = rows[np.arange(len(rows)), np.maximum(known - 1, 0) // 2]
    return result


def shifted(values: Floats, slots: int, absent: float = np.nan) -> Floats:
    """The values of `slots` windows ago; before the beginning `absent`."""
    result = np.full_like(values, absent)
    if slots < values.shape[-1]:
        result[..., slots:] = values[..., : values.shape[-1] - slots]
    return result


def same_hours(values: Floats, per_day: int, around: int, about: Floats | None = None) -> Floats:
    """The median of the last seven days, each the median of the windows about that time of day.

    `around` windows before and after (none: the window of that time itself). A day that is missing
    counts for nothing; with fewer than two days nothing is expected. The median over the days
    forgets an odd day, the one over the windows an odd quarter of an hour. `about` are the medians
    of the last `2 * around` windows, for whoever has them already.
    """
    if about is None:
        about = middle(ordered(trailing(values, 2 * around))) if around else values
    known = np.where(np.isnan(about), np.inf, about)
    by_rank = by_size(
        [shifted(known, day * per_day - around, np.inf) for day in range(1, SAME_HOURS_DAYS + 1)]
    )
    return np.where(np.isfinite(by_rank[LEAST_DAYS - 1]), middle_of(by_rank), np.nan)


def over_days(days: Floats) -> Floats:
    """The median of the days on the last axis; NaN with fewer than `LEAST_DAYS`."""
    in_order = ordered(days)
    return np.where(np.isnan(in_order[..., LEAST_DAYS - 1]), np.nan, middle(in_order))
