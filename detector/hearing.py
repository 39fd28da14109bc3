"""One signal at one time: what is normal for its series, and what each of its rules says.

Ticks, replays and explanations judge through this one place, so that what a replay shows is what
ticks would have done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from detector.baseline import DAY_MS, DAYS, Flat, baseline_end_ms, flat
from detector.current import Current, Days
from detector.draft import Draft, concluded
from detector.exclusion import BySignal, Spans, frozen, left_out, on, restarted
from detector.facts import FactFinder
from detector.form import weights_are_counts
from detector.gates import conclude
from detector.judgement import VERDICTS, Assessment, Background, Verdict, Verdicts
from detector.judges.change import Hours
from detector.judging import judge_of
from detector.lasting import hours, is_turn
from detector.regression import Lasting, Regression
from detector.rule import Rule
from detector.signal import Signal
from detector.usual import about_this_hour, usual
from storage.history import Flags, Ints
from storage.series import Labels

QUIET = np.array([one in (Verdict.STEADY, Verdict.UNKNOWN) for one in VERDICTS])


@dataclass(slots=True)
class Normals:
    """Flat baselines, made anew each hour and when a regression changes what they may hold."""

    _known: dict[str, tuple[tuple[int, int, int], Flat]] = field(default_factory=dict)
    _asked: dict[str, tuple[object, tuple[int, int]]] = field(default_factory=dict)

    def forget(self, signal: str | None = None) -> None:
        """Make those of one signal anew, or all."""
        for name in [*self._known] if signal is None else [signal]:
            self._known.pop(name, None)
            self._asked.pop(name, None)

    def flat(self, days: Days, now_ms: int, spans: Spans) -> Flat:
        """The baselines of a signal at a tick.

        Windows in which any rule on the signal had a regression open are left out.
        """
        name, end_ms = days.signal.name, baseline_end_ms(now_ms)
        # What is over stays as it was, and what is not lasts beyond the end: that is the same too.
        same = (end_ms, days.recent.version)
        asked = on(spans, name) if isinstance(spans, BySignal) else spans
        before = self._asked.get(name)
        if before is not None and before[0] is asked and before[1] == same:
            return self._known[name][1]
        self._asked[name] = (asked, same)
        excluded = left_out(on(spans, name), now_ms)
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
        spans: Spans,
    ) -> list[Verdicts]:
        """The verdicts of these drafts, with the gates that ask the past."""
        ...


def is_breached(said: Verdicts) -> bool:
    """Whether any series is neither steady nor unknown."""
    return not bool(QUIET[said.verdict].all())


def unasked(draft: Draft) -> Verdicts:
    """The verdicts of a change where nobody can look at the past: whatever it is, it is none."""
    nothing = Assessment.nothing(len(draft.judged))
    nothing.looked[:] = True
    return concluded(draft, nothing)


@dataclass(frozen=True, slots=True)
class Hearing:
    """Everything that the rules of one signal are judged on at one tick.

    Without `assess` nobody looks at the past of candidates, and the gates that ask it abstain; of
    changes, which nothing else tells, none is found.
    """

    days: Days
    current: Current
    baseline: Flat
    facts: FactFinder
    version: int = 0
    assess: Assess | None = None

    @property
    def signal(self) -> Signal:
        """The signal whose rules are heard."""
        return self.days.signal

    def drafts(
        self,
        rules: Mapping[str, Rule],
        now_ms: int,
        watched: Sequence[Regression],
        spans: Spans,
    ) -> list[Draft]:
        """What each rule says without the past; those that have no series to judge say nothing.

        `watched` are the regressions that go on, `spans` those that baselines may not hold.
        """
        signal = self.signal
        result: list[Draft] = []
        if not len(self.current.rows) and not any(r.signal == signal.name for r in watched):
            return []
        lasting = on(spans, signal.name)
        for name, rule in rules.items():
            if not rule.looks_at(now_ms, signal.form.over):
                continue
            mine = [r for r in watched if r.rule == name and r.signal == signal.name]
            span = rule.span(signal.form.window, signal.form.over)
            # One series may have got worse and, before that, better: it is judged once.
            judged = self.current.matrix(span, tuple(dict.fromkeys(r.labels for r in mine)))
            if not len(judged):
                continue
            series = judged.series
            normal = restarted(
                self.baseline.background(series), series, signal.name, lasting, now_ms
            )
            held = {r.labels: r for r in mine if r.freezes}
            background = frozen(normal, series, held)
            if rule.is_change:
                background = self.about_this_hour(rule, background, series, held, now_ms, lasting)
            facts = self.facts.find(signal, rule, span, judged, self.version)
            turn = None
            if rule.is_change:
                members = self.days.members
                rows = members.places(series)
                turn = is_turn(members, rows, now_ms, self.days.recent.step_ms)
                near = turn | np.isin(rows, members.places(r.labels for r in mine))
                facts = replace(facts, hours=self.hours(rule, rows, near, now_ms, lasting))
            levels = judge_of(rule).judge(background, facts)
            said = conclude(name, rule, span, judged, background, levels)
            gates = rule.gates
            if (gates.settling or gates.min_parts) and is_breached(said):
                if gates.settling:
                    judged = self.facts.beginnings.marked(gates.settling, span, judged)
                if gates.min_parts:
                    judged = self.facts.parts.counted(signal, span, judged)
                said = conclude(name, rule, span, judged, background, levels)
            draft = Draft(
                name, rule, self.days, span, judged, background, facts, said, self.version, turn
            )
            result.append(draft)
        return result

    def hours(
        self,
        rule: Rule,
        rows: Ints,
        asked: Flags,
        now_ms: int,
        spans: Sequence[Lasting],
    ) -> Hours:
        """The last two hours of those series that are asked for, by their numbers."""
        members, recent = self.days.members, self.days.recent
        gone = left_out(spans, now_ms)
        found = hours(members, recent, rows[asked], now_ms, gone, rule.gates.min_count)
        placed = np.full((3, len(rows)), np.nan)
        placed[:, asked] = found.now, found.usual, found.deviation
        return Hours(*placed)

    def about_this_hour(
        self,
        rule: Rule,
        background: Background,
        series: Sequence[Labels],
        held: Mapping[Labels, Regression],
        now_ms: int,
        spans: Sequence[Lasting],
    ) -> Background:
        """What is usual at this hour in place of the average of the days."""
        members, recent = self.days.members, self.days.recent
        gone = left_out(spans, now_ms)
        found = usual(members, recent, now_ms, gone, rule.gates.min_count)
        return about_this_hour(background, found, members, series, held)

    def verdicts(
        self,
        rules: Mapping[str, Rule],
        now_ms: int,
        watched: Sequence[Regression],
        spans: Spans,
    ) -> list[Verdicts]:
        """What each rule says in the end."""
        drafts = self.drafts(rules, now_ms, watched, spans)
        if self.assess is None:
            return [unasked(one) if one.rule.is_change else one.verdicts for one in drafts]
        return self.assess(drafts, now_ms, watched, spans)
