"""False discoveries held down over all series of a tick: Benjamini and Hochberg (1995). Pure.

Holds for independent and for positively dependent tests (Benjamini and Yekutieli 2001), within one
tick; it says nothing of the sum over ticks.
"""

import numpy as np

from storage.history import Flags, Floats


def student_tail(score: Floats, degrees: int = 12) -> Floats:
    """P(T > score) of Student's t with an even number of degrees of freedom, in closed form.

    Abramowitz and Stegun 26.7.4. Twelve degrees: the tail of robust scores of hour blocks is
    heavier than the normal one, whose p would promise too much.
    """
    if degrees % 2 or degrees < 2:
        raise ValueError("the closed form is for even degrees of freedom")
    angle = np.arctan(np.asarray(score, np.float64) / np.sqrt(degrees))
    term = np.ones_like(angle)
    total = np.ones_like(angle)
    for step in range(1, degrees // 2):
        term = term * (2 * step - 1) / (2 * step) * np.cos(angle) ** 2
        total = total + term
    tail: Floats = 0.5 * (1.0 - np.sin(angle) * total)
    return tail


def pooled_tail(score: Floats, null: Floats) -> Floats:
    """P(null >= score) from scores of many series when nothing was wrong; never zero.

    `(1 + how many of the null are as large) / (1 + how many there are)` (Phipson and Smyth 2010).
    """
    ordered = np.sort(null[np.isfinite(null)])
    as_large = len(ordered) - np.searchsorted(ordered, score, side="left")
    return np.asarray((1.0 + as_large) / (1.0 + len(ordered)), np.float64)


def adjusted(p: Floats) -> Floats:
    """The q of each p: the smallest false discovery rate at which it would be discovered.

    NaN (not tested) stays NaN and is not in the family.
    """
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    family = len(order)
    raw = p[order] * family / np.arange(1, family + 1)
    q = np.full(p.shape, np.nan)
    q[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return q


def discoveries(p: Floats, rate: float) -> Flags:
    """Which are discoveries when that share of them may be false."""
    q = adjusted(p)
    return np.isfinite(q) & (q <= rate)
