"""Of how many series one is made that holds others together.

A group that is one route alone has the same numbers as that route: judged twice, one cause would be
told twice. The windows of the members are read only when a series breaches; a quiet tick costs
nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from detector.judgement import Judged
from detector.pooling import Pools
from detector.rule import Span
from detector.signal import Signal
from storage.history import History, Windows
from storage.series import Labels


@dataclass(frozen=True, slots=True)
class Parts:
    """Counts in a history which members of a pool were observed in the newest window."""

    history: History
    signals: Mapping[str, Signal] = field(default_factory=dict)

    def counted(self, signal: Signal, span: Span, judged: Judged) -> Judged:
        """The same windows, with the number of members of each series.

        NaN where no member is known: its windows may be younger than this, or thinned out.
        """
        found: dict[Labels, set[Labels]] = {}
        for one in Pools(self.signals).members(signal.name):
            windows = self.windows(one, judged.end_ms - span.each_ms, judged.end_ms)
            for member in windows.series:
                found.setdefault(signal.form.series_of(member), set()).add(member)
        counts = [float(len(found[one])) if one in found else np.nan for one in judged.series]
        return replace(judged, parts=np.array(counts, np.float64))

    def windows(self, member: Signal, start_ms: int, end_ms: int) -> Windows:
        """The shortest windows that are stored of that time; none is without an observation."""
        form = member.form
        found = self.history.windows(
            member.name, start_ms, end_ms, seconds=form.window, counts=False
        )
        if len(found) or form.window == form.over:
            return found
        return self.history.windows(member.name, start_ms, end_ms, seconds=form.over, counts=False)
