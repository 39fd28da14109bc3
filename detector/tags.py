"""What else may explain a change: work that only moved, or more load. Pure, over columns.

A tag makes a regression milder; it never hides it.
"""

from collections.abc import Sequence

import numpy as np

from detector.judgement import VERDICTS, Verdict, Verdicts
from detector.signal import Mean, Signal
from storage.history import Flags, Floats, Ints

UNCHANGED = 0.02
FLAT = 0.10


def cost_shift(group: Ints, value: Floats, usual: Floats, n: Floats, worse: Flags) -> Flags:
    """Which of the series got slower while another of their group got faster by as much.

    `value` and `usual` are seconds a request now and normally, `n` requests now. Of each group the
    time of today's requests at today's and at the usual speed is summed; where the sums differ by
    less than 2 %, and some moved one way and some the other by more than that, the work has moved
    between them. Series whose usual value is not known count for nothing.
    """
    known = ~np.isnan(value) & ~np.isnan(usual) & (n > 0)
    groups = int(group.max(initial=-1)) + 1

    def total(seconds: Floats) -> Floats:
        return np.bincount(group[known], seconds[known], groups).astype(np.float64)

    moved = (value - usual) * n
    before, risen, fallen = (
        total(usual * n),
        total(np.maximum(moved, 0)),
        total(np.maximum(-moved, 0)),
    )
    least = UNCHANGED * before
    same = (np.abs(risen - fallen) < least) & (risen > least) & (fallen > least)
    result: Flags = worse & known & same[group]
    return result


def load_driven(usage: Floats, requests: Floats, usual: Floats, usual_requests: Floats) -> Flags:
    """Where usage has grown and usage for each request has not: there is simply more to do.

    All four are columns over the series: usage and requests per second, now and normally. Flat is
    within 10 %. NaN, or no requests, explains nothing.
    """
    there = (requests > 0) & (usual_requests > 0) & (usual > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (usage / requests) / (usual / usual_requests)
        flat = np.abs(ratio - 1) <= FLAT
        result: Flags = there & flat & (usage > usual) & (requests > usual_requests)
    return result


def groups_of(names: Sequence[str]) -> Ints:
    """A number for each name, the same for the same."""
    position: dict[str, int] = {}
    return np.array([position.setdefault(one, len(position)) for one in names], np.int64)


def shifted(signal: Signal, verdicts: Verdicts) -> Flags:
    """Which series of a rule on mean times got slower while a sibling got faster by as much."""
    held = verdicts.verdict == VERDICTS.index(Verdict.REGRESSED)
    if not isinstance(signal.form, Mean):
        return np.zeros(len(held), np.bool_)
    owners = [one.get("service") or one.get("target") for one in verdicts.judged.series]
    judged = verdicts.judged
    there = np.where(np.isnan(judged.values), 0.0, judged.n)
    n = there.sum(axis=1)
    seconds = np.nansum(judged.values * there, axis=1)
    value = np.where(n > 0, seconds / np.where(n > 0, n, 1), np.nan)
    return cost_shift(groups_of(owners), value, verdicts.background.mean, n, held)
