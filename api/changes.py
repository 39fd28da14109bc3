"""What every signal did around a deployment, read from the history and kept while it holds."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

import numpy as np

from api.house import House
from api.moments import milliseconds
from detector.around import on_grid, stacked
from detector.baseline import DAY_MS, DAYS
from detector.comparison import Beside, Comparison, Outcome, compare
from detector.dependencies import Dependencies, place_of
from detector.deployments import match_of
from detector.finding import Match
from detector.regression import Deployment
from detector.run import TICK
from detector.signal import Signal
from storage.history import Floats
from storage.series import Labels

MOST_KEPT = 32
MOST_FINE = 120
"""Windows on one side: of more, those that are judged are as good."""
Grid = dict[Labels, tuple[Floats, Floats]]


class Span(StrEnum):
    """How far before and after a deployment is looked."""

    HALF = "30m"
    HOUR = "1h"
    LONGER = "3h"
    DAY = "24h"

    @property
    def length_ms(self) -> int:
        """The same in milliseconds."""
        minutes = {Span.HALF: 30, Span.HOUR: 60, Span.LONGER: 180, Span.DAY: 1440}
        return timedelta(minutes=minutes[self]) // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Change:
    """One series of a signal around a deployment, and how close it stands to what was deployed."""

    signal: Signal
    labels: Labels
    match: Match
    found: Comparison

    @property
    def weight(self) -> tuple[int, int, float, str, tuple[tuple[str, str], ...]]:
        """For sorting: what moved first, what is closest before what moved most."""
        ratio = self.found.ratio
        size = abs(np.log(ratio)) if ratio is not None and ratio > 0 else 0.0
        order = list(Outcome).index(self.found.outcome)
        return order, -self.match.rank, -float(size), self.signal.name, self.labels.pairs


@dataclass(frozen=True, slots=True)
class Moment:
    """A deployment and the spans on both sides; `until_ms` is at most now."""

    at_ms: int
    since_ms: int
    until_ms: int

    @property
    def span_ms(self) -> int:
        """How far back it looks."""
        return self.at_ms - self.since_ms


class Changes:
    """Computes what changed around deployments; the newest answers are kept until the next tick."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], list[Change]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, house: House, deployment: Deployment, span: Span) -> list[Change]:
        """All series with windows on both sides or one, what moved first."""
        with house.state.reading() as session:
            tick_ms = house.book.progress_ms(session, TICK)
        moment = moment_of(house, deployment, span)
        # What is over does not change with the next tick, but for what comes late.
        newest = tick_ms if moment.until_ms < deployment.at_ms + span.length_ms else None
        key = (deployment.id, span, newest)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = around(house, deployment, moment)
        with self._lock:
            self._known[key] = found
            while len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
        return found


def moment_of(house: House, deployment: Deployment, span: Span) -> Moment:
    """What is looked at."""
    at_ms = deployment.at_ms
    until_ms = min(milliseconds(house.now()), at_ms + span.length_ms)
    return Moment(at_ms, at_ms - span.length_ms, max(until_ms, at_ms))


def around(house: House, deployment: Deployment, moment: Moment) -> list[Change]:
    """Every series of every signal around the moment."""
    definitions = house.detector.definitions
    judged = {rule.signal for rule in definitions.rules.values() if rule.enabled}
    known = Dependencies(house.settings.needs, house.settings.dependencies.guess)
    found = []
    for name, signal in definitions.signals.items():
        worse = signal.form.worse if name in judged else None
        rows = sides(house, signal, moment, fine_seconds(house, signal, moment))
        plain = {one: compare(Beside(*row), worse) for one, row in rows.items()}
        suspects = [
            one
            for one, each in plain.items()
            if each.outcome in (Outcome.WORSE, Outcome.BETTER, Outcome.MOVED)
        ]
        earlier = before_that(house, signal, moment, suspects)
        for labels, first in plain.items():
            place = place_of(labels, signal.form.kind)
            told = first
            if labels in earlier:
                before, after = rows[labels]
                told = compare(replace(earlier[labels], before=before, after=after), worse)
            match = match_of(deployment.service, place, known)
            found.append(Change(signal, labels, match, told))
    return sorted(found, key=lambda one: one.weight)


def fine_seconds(house: House, signal: Signal, moment: Moment) -> float:
    """The length of the windows whose medians are compared: short ones where they are kept."""
    form, age_ms = signal.form, milliseconds(house.now()) - moment.since_ms
    kept = age_ms <= house.settings.storage.keep_fine_windows * 1000
    few = moment.span_ms <= MOST_FINE * form.window_ms
    return form.window if kept and few else form.over


def sides(house: House, signal: Signal, moment: Moment, seconds: float, days: int = 0) -> Grid:
    """The windows of each series before and after, so many days earlier; gaps are NaN.

    A window in which the deployment lies belongs to neither side.
    """
    step_ms, back_ms = round(seconds * 1000), days * DAY_MS
    start_ms = (moment.since_ms - back_ms) // step_ms * step_ms
    last_ms = moment.until_ms - back_ms
    found = house.history.windows(signal.name, start_ms, last_ms, seconds=seconds, counts=False)
    if not len(found):
        return {}
    grid = on_grid(found, start_ms, last_ms, step_ms)
    ends = start_ms + step_ms * np.arange(1, grid.shape[1] + 1)
    before, after = ends <= moment.at_ms - back_ms, ends >= moment.at_ms - back_ms + step_ms
    return {one: (grid[i, before], grid[i, after]) for i, one in enumerate(found.series)}


def before_that(
    house: House, signal: Signal, moment: Moment, suspects: Iterable[Labels]
) -> dict[Labels, Beside]:
    """The same times of the seven days before, of the windows that are judged, for some series."""
    wanted = list(suspects)
    if not wanted:
        return {}
    seconds = signal.form.over
    now = sides(house, signal, moment, seconds)
    days = [sides(house, signal, moment, seconds, day) for day in range(1, DAYS + 1)]
    nothing = np.empty(0)
    found = {}
    for labels in wanted:
        before, after = now.get(labels, (nothing, nothing))
        rows = [day.get(labels, (nothing, nothing)) for day in days]
        found[labels] = Beside(
            nothing,
            nothing,
            before,
            after,
            stacked([row[0] for row in rows]),
            stacked([row[1] for row in rows]),
        )
    return found
