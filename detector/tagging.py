"""Which tags a judgement has that opens, confirms or reopens a regression: asked only there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from detector.judgement import Judgement, Verdicts
from detector.load import LoadFinder
from detector.regression import Tag
from detector.rule import Rule
from detector.signal import Signal
from detector.tags import Tagged, by_load, shifted


@dataclass(slots=True)
class Tagging:
    """Finds tags under the signals in force. Without `loads` nothing is known of any load."""

    signals: Mapping[str, Signal]
    loads: LoadFinder | None = None
    _moved: tuple[Verdicts, frozenset[int]] | None = field(default=None, init=False)

    def of(self, rule: Rule, verdicts: Verdicts, i: int, judgement: Judgement) -> list[Tagged]:
        """The tags of one row of these verdicts."""
        found = []
        if i in self.moved(verdicts):
            found.append(Tagged(Tag.COST_SHIFT, True, {}))
        load = self.signals.get(rule.load.signal) if rule.load is not None else None
        if load is not None and self.loads is not None:
            signal = self.signals[rule.signal]
            span = rule.span(signal.form.window, signal.form.over)
            work = self.loads.work(load, judgement.labels, judgement.at_ms, span.total_ms)
            driven = by_load(rule, judgement, load, work)
            found += [driven] if driven is not None else []
        return found

    def moved(self, verdicts: Verdicts) -> frozenset[int]:
        """The rows whose work has moved to siblings, found once for all rows."""
        if self._moved is None or self._moved[0] is not verdicts:
            rows = np.flatnonzero(shifted(self.signals[verdicts.signal], verdicts)).tolist()
            self._moved = verdicts, frozenset(rows)
        return self._moved[1]
