"""A rule's trigger, whatever its tree, as levels for each series. Pure, over columns."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, assert_never

import numpy as np

from detector.bounds import Bounds, Levels, Limits, Tree
from detector.judgement import Assessment, Background
from detector.judges.absolute import AbsoluteJudge
from detector.judges.burn import BurnJudge
from detector.judges.change import ChangeJudge, Hours
from detector.judges.distribution import Distributions, ShareJudge, ShiftJudge
from detector.judges.relative import RelativeJudge
from detector.judges.sigma import SigmaJudge
from detector.judges.slope import SlopeJudge
from detector.rule import Rule
from detector.trigger import (
    Absolute,
    AnyLeaf,
    Burn,
    Change,
    Distribution,
    Relative,
    Sigma,
    Slope,
    Trigger,
)
from storage.history import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What triggers ask for beside the averages; None where no trigger does.

    `burnt` are the shares of the long and the short span of each burn rate, series x 2. `n` are the
    observations behind the newest values, where they are shares of them; `is_share` says that the
    values are shares of a whole. `hours` are the last two hours, for changes.
    """

    distributions: Distributions | None = None
    lows: Floats | None = None
    burnt: Mapping[Burn, Floats] = field(default_factory=dict)
    n: Floats | None = None
    is_share: bool = False
    hours: Hours | None = None


@dataclass(frozen=True, slots=True)
class RuleJudge:
    """Judges what a rule's trigger asks for."""

    rule: Rule

    def judge(
        self,
        background: Background,
        facts: Facts = Facts(),
        assessment: Assessment | None = None,
    ) -> Levels:
        """The levels of the rule for each series of the background.

        Against what is usual at this hour the same trigger is asked with the expected value and
        scale in place of the average and deviation of seven days.
        """
        rule = self.rule
        worse = self.bounds(rule.trigger, background, facts)
        expected = critical = better = None
        if assessment is not None and rule.gates.expected:
            # How far a change lies beyond the scatter of its hours was asked before its past was.
            scale = np.zeros(len(background.mean)) if rule.is_change else assessment.scale
            usual = Background(
                assessment.expected,
                scale,
                background.n,
                background.days,
                background.needed,
            )
            if facts.hours is not None:
                times = assessment.expected / background.mean
                facts = replace(facts, hours=facts.hours.against(times))
            expected = self.bounds(rule.trigger, usual, facts)
        if rule.critical_when is not None:
            critical = self.bounds(rule.critical_when, background, facts)
        mirror = mirrored(rule.trigger)
        if mirror is not None:
            better = self.bounds(mirror, background, facts)
        return Levels(worse=worse, expected=expected, better=better, critical=critical)

    def bounds(
        self, trigger: Trigger, background: Background, facts: Facts, path: str = ""
    ) -> Bounds:
        """One trigger, or a tree of them."""
        if trigger.branches:
            how: Literal["all", "any"] = "all" if trigger.all is not None else "any"
            return Tree(
                how,
                tuple(
                    self.bounds(one, background, facts, f"{path}{how}.{number}.")
                    for number, one in enumerate(trigger.branches)
                ),
            )
        alone = trigger is self.rule.trigger
        leaf = trigger.part
        clear = self.rule.cleared if alone else leaf.clear
        if clear is None:
            clear = leaf.halfway if leaf.halfway is not None else leaf.level
        critical = self.rule.critical if alone else None
        found = limits(leaf, clear, critical, background, facts)
        name = f"{path}{trigger.kind}"
        return replace(found, trigger=name)


def judge_of(rule: Rule) -> RuleJudge:
    """The judge that a rule's trigger asks for."""
    return RuleJudge(rule)


def limits(
    leaf: AnyLeaf, clear: float, critical: float | None, background: Background, facts: Facts
) -> Limits:
    """What one trigger means for each series; NaN throughout where its facts are not there."""
    up = leaf.upwards
    # Sigmas are distances on either side, levels and multiples are values.
    furthest = math.inf if up or leaf.is_distance else -math.inf
    far = furthest if critical is None else critical
    match leaf:
        case Absolute():
            return AbsoluteJudge(leaf.level, clear, far).judge(background)
        case Relative():
            points = leaf.mode == "points"
            return RelativeJudge(leaf.level, clear, far, points).judge(background)
        case Sigma():
            return SigmaJudge(leaf.level, clear, far, up, facts.n).judge(background)
        case Distribution():
            if facts.distributions is None:
                return unknown(background)
            if leaf.bound is not None:
                share = ShareJudge(leaf.level, clear, far, leaf.bound, up)
                return share.judge(facts.distributions)
            return ShiftJudge(leaf.level, clear, far, up).judge(facts.distributions)
        case Slope():
            if facts.lows is None:
                return unknown(background)
            return SlopeJudge(leaf.level, clear, far, leaf.within, leaf.days).judge(facts.lows)
        case Burn():
            if leaf not in facts.burnt:
                return unknown(background)
            burn = BurnJudge(leaf.level, clear, far, leaf.objective, up)
            return burn.judge(facts.burnt[leaf])
        case Change():
            change = ChangeJudge(leaf.level, clear, far, up, facts.is_share)
            return change.judge(background, facts.hours)
    assert_never(leaf)


def unknown(background: Background) -> Limits:
    """Nothing is known of any series."""
    nothing = np.full(len(background.mean), np.nan)
    return Limits(nothing, nothing, nothing)


@lru_cache(maxsize=4096)
def mirrored(trigger: Trigger) -> Trigger | None:
    """The same margin on the better side; None where nothing of it has one.

    The reciprocal of a multiple: what is better by a mirror and then comes back has got worse by
    the trigger. Fixed limits, slopes and shapes have no mirror, and are left out of a tree.
    """
    if trigger.branches:
        inner = [one for one in map(mirrored, trigger.branches) if one is not None]
        if not inner:
            return None
        how = "all" if trigger.all is not None else "any"
        return Trigger.model_validate({how: tuple(inner)})
    leaf = trigger.part
    side = "below" if leaf.upwards else "above"
    match leaf:
        case Relative(mode="points"):
            # Points beyond 1 have no mirror below zero.
            level = 2 - leaf.level
            if level <= 0:
                return None
            return Trigger(relative=Relative.model_validate({side: level, "mode": "points"}))
        case Relative():
            return Trigger(relative=Relative.model_validate({side: 1 / leaf.level}))
        case Sigma():
            return Trigger(sigma=Sigma.model_validate({side: leaf.level}))
        case _:
            return None
