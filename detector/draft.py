"""What a rule says at a tick before its past is asked, and whose past is to be."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from detector.current import Days
from detector.extent import may_grow
from detector.gates import conclude
from detector.judgement import VERDICTS, Assessment, Background, Judged, Verdict, Verdicts
from detector.judging import Facts, judge_of
from detector.regression import Kind, Phase, Regression
from detector.rule import Rule, Span
from detector.signal import Signal
from storage.history import Flags


@dataclass(frozen=True, slots=True)
class Draft:
    """The verdicts of one rule as the literal rule and its plain gates give them."""

    name: str
    rule: Rule
    days: Days
    span: Span
    judged: Judged
    background: Background
    facts: Facts
    verdicts: Verdicts
    version: int  # of what is held of the signal: another when somebody wrote into its past
    turn: Flags | None = None  # of a change: whose hour it is to be looked at

    @property
    def signal(self) -> Signal:
        """The signal that the rule judges."""
        return self.days.signal

    def candidates(self, open_: Iterable[Regression]) -> list[int]:
        """The rows that would open; one that is open already is not asked for its past."""
        if not self.rule.asks_the_past:
            return []
        known = {
            one.labels
            for one in open_
            if one.rule == self.name
            and one.signal == self.signal.name
            and one.kind is Kind.REGRESSION
            and one.phase is not Phase.SUSPECTED
        }
        rows = np.flatnonzero(self.verdicts.verdict == VERDICTS.index(Verdict.REGRESSED)).tolist()
        return [row for row in rows if self.judged.series[row] not in known]

    def growing(self, open_: Iterable[Regression]) -> dict[int, Regression]:
        """The changes that are open and may have grown, by their rows.

        Their past is asked before anybody is told so: where the judged windows are larger by
        enough, or critical, and once an hour.
        """
        if not self.rule.is_change or self.turn is None:
            return {}
        mine = [
            one
            for one in open_
            if one.rule == self.name and one.signal == self.signal.name and one.phase.holds
        ]
        if not mine:
            return {}
        position = {labels: row for row, labels in enumerate(self.judged.series)}
        found = {}
        for one in mine:
            row = position.get(one.labels)
            if row is not None and may_grow(
                one, self.rule, self.verdicts.row(row), turn=bool(self.turn[row])
            ):
                found[row] = one
        return found


def concluded(draft: Draft, assessment: Assessment) -> Verdicts:
    """The verdicts of the rule with what the past says."""
    levels = judge_of(draft.rule).judge(draft.background, draft.facts, assessment)
    return conclude(
        draft.name, draft.rule, draft.span, draft.judged, draft.background, levels, assessment
    )
