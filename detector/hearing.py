"""One signal at one time: what is normal for its series, and what each of its rules says.

Ticks, replays and explanations judge through this one place, so that what a replay shows is what
ticks would have done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from detector.baseline import DAY_MS, DAYS, Flat, baseline_end_ms, flat
from detector.confirming import Draft
from detector.current import Current, Members
from detector.exclusion import frozen, left_out, restarted
from detector.facts import FactFinder
from detector.gates import conclude
from detector.judgement import VERDICTS, Verdict, Verdicts
from detector.judging import judge_of
from detector.recent import Recent
from detector.regression import Regression
from detector.rule import Rule
from detector.signal import Signal, weights_are_counts


@dataclass(frozen=True, slots=True)
class Days:
    """The judged windows of the last days of a signal, as they are held in memory."""

    signal: Signal
    members: Members
    recent: Recent


@dataclass(slots=True)
class Normals:
    """Flat baselines, made anew each hour and when a regression changes what they may hold."""

    _known: dict[str, tuple[tuple[int, int, int], Flat]] = field(default_factory=dict)
    _asked: tuple[object, tuple[str, int, int]] | None = None

    def forget(self, signal: str | None = None) -> None:
        """Make those of one signal anew, or all."""
        for name in [*self._known] if signal is None else [signal]:
            self._known.pop(name, None)
        self._asked = None

    def flat(self, days: Days, now_ms: int, spans: Sequence[Regression]) -> Flat:
        """The baselines of a signal at a tick.

        Windows in which any rule on the signal had a regression open are left out.
        """
        name, end_ms = days.signal.name, baseline_end_ms(now_ms)
        same = (name, end_ms, days.recent.version)
        if self._asked is not None and self._asked[0] is spans and self._asked[1] == same:
            return self._known[name][1]
        self._asked = (spans, same)
        excluded = left_out([one for one in spans if one.signal == name], now_ms)
        reach = hash(
            tuple(
                (labels, lo, min(hi, end_ms))
                for labels, spans_ in excluded.items()
                for lo, hi in spans_
                if lo < end_ms
            )
        )
        key = (end_ms, reach, days.recent.version)
        known = self._known.get(name)
        if known and known[0] == key:
            return known[1]
        made = flat(
            days.members.position,
            days.recent.parts(end_ms - DAYS * DAY_MS, end_ms),
            end_ms,
            days.recent.step_ms,
            excluded,
            weigh_by_n=weights_are_counts(days.signal.form),
        )
        self._known[name] = (key, made)
        return made


class Assess(Protocol):
    """Those who look at the past of candidates: `confirming.Confirming.confirm`."""

    def __call__(
        self,
        drafts: Sequence[Draft],
        now_ms: int,
        open_: Sequence[Regression],
        spans: Sequence[Regression],
    ) -> list[Verdicts]:
        """The verdicts of these drafts, with the gates that ask the past."""
        ...


def is_breached(said: Verdicts) -> bool:
    """Whether any series is neither steady nor unknown."""
    quiet = [VERDICTS.index(one) for one in (Verdict.STEADY, Verdict.UNKNOWN)]
    return not bool(np.isin(said.verdict, quiet).all())


@dataclass(frozen=True, slots=True)
class Hearing:
    """Everything that the rules of one signal are judged on at one tick.

    Without `assess` nobody looks at the past of candidates, and the gates that ask it abstain.
    """

    signal: Signal
    current: Current
    baseline: Flat
    facts: FactFinder
    version: int = 0
    assess: Assess | None = None

    def drafts(
        self,
        rules: Mapping[str, Rule],
        now_ms: int,
        watched: Sequence[Regression],
        spans: Sequence[Regression],
    ) -> list[Draft]:
        """What each rule says without the past; those that have no series to judge say nothing.

        `watched` are the regressions that go on, `spans` those that baselines may not hold.
        """
        signal, result = self.signal, []
        for name, rule in rules.items():
            mine = [r for r in watched if r.rule == name and r.signal == signal.name]
            span = rule.span(signal.form.window, signal.form.over)
            # One series may have got worse and, before that, better: it is judged once.
            judged = self.current.matrix(span, tuple(dict.fromkeys(r.labels for r in mine)))
            if not len(judged):
                continue
            series = judged.series
            normal = restarted(self.baseline.background(series), series, signal.name, spans, now_ms)
            background = frozen(normal, series, {r.labels: r for r in mine if r.freezes})
            facts = self.facts.find(signal, rule, span, judged, self.version)
            levels = judge_of(rule).judge(background, facts)
            said = conclude(name, rule, span, judged, background, levels)
            gates = rule.gates
            if (gates.settling or gates.min_parts) and is_breached(said):
                if gates.settling:
                    judged = self.facts.beginnings.marked(gates.settling, span, judged)
                if gates.min_parts:
                    judged = self.facts.parts.counted(signal, span, judged)
                said = conclude(name, rule, span, judged, background, levels)
            draft = Draft(name, rule, signal, span, judged, background, facts, said, self.version)
            result.append(draft)
        return result

    def verdicts(
        self,
        rules: Mapping[str, Rule],
        now_ms: int,
        watched: Sequence[Regression],
        spans: Sequence[Regression],
    ) -> list[Verdicts]:
        """What each rule says in the end."""
        drafts = self.drafts(rules, now_ms, watched, spans)
        if self.assess is None:
            return [one.verdicts for one in drafts]
        return self.assess(drafts, now_ms, watched, spans)
