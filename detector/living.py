"""What the verdicts of one tick mean for the book: what opens, goes on, comes back or is over.

Rows are made only of series that say something: of those that hold, and of those that are watched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from detector.identity import fingerprint
from detector.judgement import VERDICTS, Judgement, Verdict, Verdicts
from detector.lifecycle import (
    Taken,
    continued,
    is_hands_off,
    opened,
    reopened,
    reopens,
    suspected_again,
    withdrawn,
    woken,
)
from detector.regression import Kind, Phase, Regression, Transition
from detector.rule import Rule
from detector.signal import Signal
from detector.tagging import Tagging
from detector.tags import Tagged
from storage.series import Labels

OPENING = (Verdict.REGRESSED, Verdict.SUSPECTED, Verdict.IMPROVED)
OPENS = np.array([one in OPENING for one in VERDICTS])
Session = TypeVar("Session")
Asking = TypeVar("Asking", contravariant=True)


class Shelf(Protocol[Asking]):
    """Where regressions are kept: the book on disk, or a replay's own in memory."""

    def watched(self, session: Asking, *, lock: bool = False) -> list[Regression]:
        """All that ticks go on with."""
        ...

    def latest(self, session: Asking, fingerprint: str) -> Regression | None:
        """The newest of a fingerprint that is over."""
        ...

    def regression(self, session: Asking, regression_id: str) -> Regression | None:
        """One of them."""
        ...

    def is_placed(self, session: Asking, regression: Regression) -> bool:
        """Whether it is in the incident that tells of it, or needs none."""
        ...

    def settle(self, session: Asking, found: Sequence[Taken], now_ms: int) -> None:
        """Keep what a tick opened, at its end."""
        ...

    def save(self, session: Asking, regression: Regression, steps: Sequence[Transition]) -> None:
        """Keep what became of one."""
        ...


@dataclass(frozen=True, slots=True)
class Lives(Generic[Session]):
    """The regressions of a book, under the signals and rules in force."""

    book: Shelf[Session]
    signals: Mapping[str, Signal]
    rules: Mapping[str, Rule]
    tagging: Tagging

    def live(self, session: Session, all_verdicts: Sequence[Verdicts], now_ms: int) -> None:
        """Open, continue and resolve regressions according to the verdicts of one tick."""
        known = self.begun(session, now_ms)
        fresh: list[Taken] = []
        for verdicts in all_verdicts:
            rule, signal = self.rules[verdicts.rule], self.signals[verdicts.signal]
            mine = [one for one in known.values() if one.rule == verdicts.rule]
            told = {
                one.labels
                for one in mine
                if one.kind is Kind.REGRESSION and one.phase is not Phase.SUSPECTED
            }
            for i in rows(verdicts, {one.labels for one in mine}):
                judgement = verdicts.row(i)
                tags: Sequence[Tagged] = ()
                if judgement.verdict is Verdict.REGRESSED and judgement.labels not in told:
                    tags = self.tagging.of(rule, verdicts, i, judgement)
                fresh += self.apply(session, signal, rule, judgement, known, tags)
        self.book.settle(session, fresh, now_ms)

    def begun(self, session: Session, now_ms: int) -> dict[str, Regression]:
        """What is watched, by its fingerprint, after what the time alone has done to it."""
        known = {one.fingerprint: one for one in self.book.watched(session, lock=True)}
        for print_, one in list(known.items()):
            if not self.is_judged(one) and not one.phase.is_over:
                self.book.save(session, *withdrawn(one, now_ms))
                continue
            awake, steps = woken(one, now_ms)
            if steps:
                self.book.save(session, awake, steps)
                # With the incident that the book has for it.
                known[print_] = self.book.regression(session, awake.id) or awake
        return known

    def is_judged(self, regression: Regression) -> bool:
        """Whether its rule is in force on its signal."""
        rule = self.rules.get(regression.rule)
        return rule is not None and rule.enabled and rule.signal == regression.signal

    def apply(
        self,
        session: Session,
        signal: Signal,
        rule: Rule,
        judgement: Judgement,
        known: Mapping[str, Regression],
        tags: Sequence[Tagged] = (),
    ) -> list[Taken]:
        """What one judgement means for the book: what goes on is stored, what is to open is given.

        What opens in one tick is put into incidents together, so that its order says nothing.
        """
        fresh: list[Taken] = []
        for kind in Kind:
            print_ = fingerprint(judgement.rule, judgement.signal, judgement.labels, kind)
            if print_ in known:
                fresh += self.kept(session, continued(known[print_], rule, judgement, tags))
            elif judgement.verdict in OPENING and kind_of(judgement) is kind:
                over = self.book.latest(session, print_)
                if over is not None and (
                    judgement.at_ms <= over.updated_ms  # what it says has been counted
                    or is_hands_off(over, judgement.at_ms)
                ):
                    continue
                if over is None or not reopens(over, judgement.at_ms):
                    regression, step = opened(signal, rule, judgement, tags)
                    fresh.append((regression, (step,)))
                elif judgement.verdict is Verdict.SUSPECTED:
                    self.book.save(session, *suspected_again(over, judgement))
                else:
                    fresh += self.kept(session, reopened(over, rule, judgement, tags))
        return fresh

    def kept(self, session: Session, taken: Taken) -> list[Taken]:
        """Store what goes on; what comes into an incident only now is given back."""
        if not self.book.is_placed(session, taken[0]):
            return [taken]
        self.book.save(session, *taken)
        return []


def rows(verdicts: Verdicts, watched: set[Labels]) -> list[int]:
    """Which series say something to the book: what may open, and what is watched, in order."""
    held = np.flatnonzero(OPENS[verdicts.verdict])
    series = verdicts.judged.series
    lived = [i for i, labels in enumerate(series) if labels in watched] if watched else []
    return sorted({*held.tolist(), *lived})


def kind_of(judgement: Judgement) -> Kind:
    """Which way a judgement goes."""
    better = judgement.verdict is Verdict.IMPROVED
    return Kind.IMPROVEMENT if better else Kind.REGRESSION
