"""What else may explain a change: work that only moved, or more work to do. Pure.

A tag may make a regression milder; it never hides it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector import units
from detector.form import Mean
from detector.judgement import VERDICTS, Judgement, Verdict, Verdicts
from detector.load import Work
from detector.regression import Regression, Tag
from detector.rule import Rule
from detector.signal import Signal
from storage.history import Flags, Floats, Ints

UNCHANGED = 0.02
FLAT = 0.10


@dataclass(frozen=True, slots=True)
class Tagged:
    """One tag with the numbers it rests on; `milder` where it opens as `info` and stays so."""

    tag: Tag
    milder: bool
    evidence: Mapping[str, float | str]


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
    """Where a value has grown no more than the work: there is simply more to do.

    All four are columns over the series: value and requests per second, now and normally. The
    requests must have grown by 10 %, and each of them may cost up to 10 % more than it did. That it
    costs less explains it too: a part of the usage does not depend on the requests. NaN, or no
    requests, explains nothing.
    """
    there = (requests > 0) & (usual_requests > 0) & (usual > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = (usage / requests) / (usual / usual_requests)
        more = requests / usual_requests
        result: Flags = there & (each <= 1 + FLAT) & (usage > usual) & (more >= 1 + FLAT)
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


def by_load(rule: Rule, judgement: Judgement, load: Signal, work: Work | None) -> Tagged | None:
    """The tag of a regression that more work explains; None where it does not, or nobody knows.

    Against what is usual at this hour, as the work is; where that is not known, against the
    average.
    """
    if work is None or rule.load is None:
        return None
    usual = dict(judgement.stages).get("expected", np.nan)
    usual = judgement.baseline if np.isnan(usual) else usual
    columns = (judgement.typical, work.now, usual, work.usual)
    if not load_driven(*(np.array([one]) for one in columns))[0]:
        return None
    evidence: dict[str, float | str] = {
        "load": load.name,
        "unit": load.form.unit,
        "now": work.now,
        "usual": work.usual,
        "days": work.days,
        "series": work.series,
        "value": judgement.typical,
        "usual_value": float(usual),
    }
    return Tagged(Tag.LOAD_DRIVEN, rule.load.milder, evidence)


def told(tag: Tag, evidence: Mapping[str, float | str]) -> str:
    """A tag in words, with its numbers where they were kept."""
    if tag is Tag.COST_SHIFT:
        return (
            "Cost shift: other routes of this service got faster by as much, "
            f"their time in sum is the same within {100 * UNCHANGED:g} %."
        )
    if "now" not in evidence:
        return "Load driven: it has grown no more than the work."
    unit = units.Unit(str(evidence["unit"]))
    now, usual, value, usual_value = (
        float(evidence[name]) for name in ("now", "usual", "value", "usual_value")
    )
    each = value / now / (usual_value / usual)
    return (
        f"Load driven: {evidence['load']} is {units.text(now, unit)}, {now / usual:.2g} x the "
        f"{units.text(usual, unit)} usual at this hour; for the same work it is {each:.2g} x what "
        "it was."
    )


def all_told(regression: Regression) -> list[str]:
    """Each tag of a regression in words."""
    kept = regression.evidence.get("tags") or {}
    return [told(tag, kept.get(tag, {})) for tag in regression.tags]
