"""The candidates of a tick against their own past: what of a literal breach is beyond chance.

Only series whose trigger, sustain and plain gates hold, and that have no open regression, are
looked at; and changes that are open and may have grown. Everything follows from the history and the
time: a process that has just started says the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from detector.assessment import Finding
from detector.change import Evidence, method_for
from detector.draft import Draft, concluded
from detector.exclusion import Apart, Spans, apart, on
from detector.facts import FactFinder
from detector.judgement import Assessment, Verdicts
from detector.looking import ended_ms, look, told_before, windows_of
from detector.meters import DetectorMeters
from detector.method import Method
from detector.month import Months
from detector.pasts import Pasts
from detector.regression import Regression
from detector.visits import PageViews, document
from storage.history import Floats, History
from storage.series import Labels

MOST_CANDIDATES = 200
"""So many are looked at in one tick: about 1.2 CPU-s, and 5 when none was read before. More at once
means that something common to all has changed, and the first 200 will say so."""

MINUTE_MS = 60_000
FOUND = (Finding.SUSPECTED, Finding.CHANGED)


class Outcome(StrEnum):
    """What became of a candidate: the findings of the method, or why it was not asked."""

    UNKNOWN = "unknown"  # too short a past
    STEADY = "steady"
    SMALL = "small"
    SUSPECTED = "suspected"
    CHANGED = "changed"
    NO_METHOD = "no_method"  # windows of a length that no method is for
    NEGATIVE = "negative"  # values below zero: there is no logarithm
    AWAITING = "awaiting"  # more candidates than one tick looks at


@dataclass(slots=True)
class Confirming:
    """Looks at the past of candidates, on a history. `most` is `MOST_CANDIDATES` but in tests.

    Whoever only asks what would be (a replay, an explanation) has no meters: nothing is counted.
    """

    history: History
    meters: DetectorMeters | None = None
    most: int = MOST_CANDIDATES
    months: Months = field(init=False)
    pasts: Pasts = field(init=False)
    facts: FactFinder = field(init=False)
    page_views: PageViews = field(init=False)

    def __post_init__(self) -> None:
        self.months, self.pasts = Months(self.history), Pasts(self.history)
        self.facts, self.page_views = FactFinder(self.history), PageViews(self.history)

    def forget(self) -> None:
        """Read everything anew: somebody has put a past into the history."""
        self.pasts.forget()
        self.months.forget()

    def confirm(
        self,
        drafts: Sequence[Draft],
        now_ms: int,
        open_: Sequence[Regression],
        spans: Spans,
    ) -> list[Verdicts]:
        """The verdicts of these rules, with the gates that ask the past."""
        wanted = {at: draft.candidates(open_) for at, draft in enumerate(drafts)}
        growing = {at: draft.growing(open_) for at, draft in enumerate(drafts)}
        all_ = [(at, row) for at, rows in wanted.items() for row in (*rows, *growing[at])]
        looked = set(self.chosen(drafts, all_, now_ms))
        result = []
        for at, draft in enumerate(drafts):
            rows = wanted[at]
            if not rows and not growing[at]:
                result.append(draft.verdicts)
                continue
            mine = on(spans, draft.signal.name)
            chosen = [row for row in rows if (at, row) in looked]
            left_out = apart(mine, now_ms)
            assessment = self.assess(draft, chosen, now_ms, left_out)
            assessment.looked[rows] = True
            self.weigh(draft, chosen, now_ms, left_out, assessment)
            later = [row for row in rows if (at, row) not in looked]
            assessment.awaiting[later] = True
            self.count(draft, Outcome.AWAITING, len(later))
            for row, one in growing[at].items():
                if (at, row) in looked:
                    outcome = self.grow(draft, row, one, now_ms, left_out, assessment)
                    self.count(draft, outcome, 1)
                else:
                    self.count(draft, Outcome.AWAITING, 1)
            result.append(concluded(draft, assessment))
        self.page_views.forget()
        return result

    def chosen(
        self, drafts: Sequence[Draft], all_: Sequence[tuple[int, int]], now_ms: int
    ) -> list[tuple[int, int]]:
        """Those whose turn it is. Changes have turns of their own: they never keep others waiting.

        Their turns are counted in windows, because they are looked for where one ends.
        """
        changes = [one for one in all_ if drafts[one[0]].rule.is_change]
        plain = [one for one in all_ if not drafts[one[0]].rule.is_change]
        each_ms = min((drafts[at].span.each_ms for at, _ in changes), default=MINUTE_MS)
        return [
            *turn(plain, now_ms // MINUTE_MS, self.most),
            *turn(changes, now_ms // each_ms, self.most),
        ]

    def weigh(
        self,
        draft: Draft,
        rows: Sequence[int],
        now_ms: int,
        left_out: Mapping[Labels, Apart],
        assessment: Assessment,
    ) -> None:
        """Put into these rows how sure their newest values are, and what page views say of them."""
        gates, signal = draft.rule.gates, draft.signal
        series = [draft.judged.series[row] for row in rows]
        if gates.band is not None and rows:
            edge, past = self.facts.edges(
                signal, gates.band, draft.rule.upwards, series, now_ms, left_out
            )
            assessment.edge[rows], assessment.same_hours[rows] = edge, past
        if signal.form.vital is None:
            return
        visits: dict[int, Mapping[str, Any]] = {}
        for row, labels in zip(rows, series, strict=True):
            difference = float(draft.judged.values[row, -1] - draft.background.mean[row])
            apart_ = left_out.get(labels, Apart())
            seen = self.page_views.look(signal, labels, now_ms, difference, apart_)
            if seen is None:
                continue
            if seen.composition is not None:
                assessment.left[row] = seen.composition.left
            visits[row] = document(seen)
        assessment.visits.update(visits)

    def assess(
        self, draft: Draft, rows: Sequence[int], now_ms: int, left_out: Mapping[Labels, Apart]
    ) -> Assessment:
        """What the past says of these rows; of the others nothing."""
        assessment = Assessment.nothing(len(draft.judged))
        form = draft.signal.form
        method = method_for(form.over)
        if method is None:
            self.count(draft, Outcome.NO_METHOD, len(rows))
            return assessment
        over_ms = round(form.over * 1000)
        end_ms = now_ms // over_ms * over_ms
        for row in rows:
            labels = draft.judged.series[row]
            past = self.pasts.of(draft.days, labels, end_ms, draft.version)
            values = windows_of(draft, row, past, over_ms)
            if (values < 0).any():
                self.count(draft, Outcome.NEGATIVE, 1)
                continue
            apart_ = left_out.get(labels, Apart())
            evidence = self.seen(draft, method, labels, values, now_ms, apart_)
            self.count(draft, Outcome(evidence.finding), 1)
            put(assessment, row, evidence, draft, now_ms)
        return assessment

    def grow(
        self,
        draft: Draft,
        row: int,
        open_: Regression,
        now_ms: int,
        left_out: Mapping[Labels, Apart],
        assessment: Assessment,
    ) -> Outcome:
        """Put into this row what the past says of a change that is open; what came of it.

        Whether it is critical is asked of the past before it; whether it has changed again of one
        that holds it, too, so that what it was told for is no news.
        """
        form, rule = draft.signal.form, draft.rule
        method = method_for(form.over)
        if method is None:
            return Outcome.NO_METHOD
        over_ms, mine = round(form.over * 1000), left_out.get(open_.labels, Apart())
        past = self.pasts.of(draft.days, open_.labels, now_ms // over_ms * over_ms, draft.version)
        values = windows_of(draft, row, past, over_ms)
        if (values < 0).any():
            return Outcome.NEGATIVE
        if rule.critical is not None and draft.verdicts.row(row).mostly_critical:
            before = look(draft, method, values, now_ms, mine)
            far = abs(np.log1p(before.effect)) >= abs(np.log(rule.critical))
            assessment.severe[row] = before.finding in FOUND and bool(far)
        # What another rule told of it since it began is part of it, and not to be cut out.
        before_it = tuple(one for one in mine.over if one[1] <= open_.began_lo_ms)
        back = told_before(draft, method, values, now_ms, replace(mine, over=before_it))
        if back is not None:
            assessment.anew[row] = ended_ms(draft, back, now_ms) > open_.recorded_ms
        news = assessment.anew[row] or assessment.severe[row]
        return Outcome.CHANGED if news else Outcome.STEADY

    def seen(
        self,
        draft: Draft,
        method: Method,
        labels: Labels,
        values: Floats,
        now_ms: int,
        left_out: Apart,
    ) -> Evidence:
        """What the past of one series says.

        Most of those that a change is looked for in have none: the hours of their last weeks, a
        read of the history each, are then not asked for, and nothing is said of this hour.
        """
        if draft.rule.is_change:
            alone = look(draft, method, values, now_ms, left_out)
            if alone.finding not in FOUND:
                return replace(alone, expected=np.nan, weeks=np.nan, scale=np.nan)
        month = self.months.of(draft.signal, labels, now_ms, draft.version, left_out)
        return look(draft, method, values, now_ms, left_out, month)

    def count(self, draft: Draft, outcome: Outcome, number: int) -> None:
        """Note what became of so many candidates."""
        if number and self.meters is not None:
            self.meters.candidates.labels(draft.signal.name, outcome).inc(number)


def turn(candidates: Sequence[tuple[int, int]], tick: int, most: int) -> Sequence[tuple[int, int]]:
    """Those whose turn it is: all, or `most` of them, the next ones at each tick.

    By the time alone, so that a tick that is repeated looks at the same ones.
    """
    count = len(candidates)
    if count <= most:
        return candidates
    first = tick * most % count
    return [candidates[(first + step) % count] for step in range(most)]


def put(assessment: Assessment, row: int, evidence: Evidence, draft: Draft, now_ms: int) -> None:
    """Write the evidence of one series into its row."""
    for name in (
        "expected",
        "weeks",
        "scale",
        "effect",
        "of_rest",
        "agreeing",
        "suspecting",
        "unusual",
        "kept",
    ):
        getattr(assessment, name)[row] = getattr(evidence, name)
    if evidence.began_lo < 0:
        return
    for name in ("before", "after", "error"):
        getattr(assessment, name)[row] = getattr(evidence, name)
    over_ms = round(draft.signal.form.over * 1000)
    assessment.span_seconds[row] = evidence.span_windows * over_ms / 1000
    # The new level may begin anywhere in its first window.
    assessment.began_lo_ms[row] = ended_ms(draft, evidence.began_lo, now_ms) - over_ms
    assessment.began_hi_ms[row] = ended_ms(draft, evidence.began_hi, now_ms)
