"""How every signal stands: its series, their newest readings, what is open on them."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.house import House
from detector.baseline import DAYS_NEEDED
from detector.readings import Reading
from detector.regression import Regression, Severity
from detector.rule import Rule
from detector.signal import Signal
from storage.series import Labels

DEVIATIONS = 2


def series_id(labels: Labels) -> str:
    """A stable name for a series inside its signal: the same labels give the same id."""
    text = json.dumps(labels.as_dict(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Band:
    """What is normal: the 7-day average, and two standard deviations to either side."""

    expected: float
    upper: float
    lower: float


def band(mean: float | None, deviation: float | None) -> Band | None:
    """The band around an average, never below zero; None where there is no average."""
    if mean is None or not math.isfinite(mean):
        return None
    half = DEVIATIONS * deviation if deviation is not None and math.isfinite(deviation) else 0.0
    return Band(mean, mean + half, max(0.0, mean - half))


def band_of(reading: Reading | None) -> Band | None:
    """The band of a reading, where enough of its seven days have data."""
    if reading is None or reading.days < DAYS_NEEDED:
        return None
    return band(reading.mean, reading.deviation)


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a signal: its newest reading (None when it is silent) and what is open."""

    labels: Labels
    reading: Reading | None
    open: tuple[Regression, ...]

    @property
    def id(self) -> str:
        """Its id inside the signal."""
        return series_id(self.labels)

    @property
    def band(self) -> Band | None:
        """What is normal for it."""
        return band_of(self.reading)

    @property
    def severity(self) -> Severity | None:
        """That of the worst open regression; None when none is open."""
        return max((one.severity for one in self.open), key=lambda s: s.rank, default=None)

    @property
    def weight(self) -> tuple[int, float, tuple[tuple[str, str], ...]]:
        """For sorting: what is open first, then what is observed most."""
        rank = -1 if self.severity is None else self.severity.rank
        return -rank, -(self.reading.n if self.reading else 0.0), self.labels.pairs


@dataclass(frozen=True, slots=True)
class Standing:
    """One signal with its rules and series, the weightiest first."""

    signal: Signal
    rules: Mapping[str, Rule]
    series: tuple[Series, ...]


def standing(house: House, signal: Signal, open_: Sequence[Regression]) -> Standing:
    """How one signal stands, given all that is open."""
    mine: dict[Labels, list[Regression]] = {}
    for one in open_:
        if one.signal == signal.name:
            mine.setdefault(one.labels, []).append(one)
    readings = {one.labels: one for one in house.detector.readings.get(signal.name, ())}
    every = dict.fromkeys([*readings, *mine])
    series = [Series(one, readings.get(one), tuple(mine.get(one, ()))) for one in every]
    definitions = house.detector.definitions
    return Standing(
        signal,
        {name: rule for name, rule in definitions.rules.items() if rule.signal == signal.name},
        tuple(sorted(series, key=lambda one: one.weight)),
    )


def all_standing(house: House, open_: Sequence[Regression]) -> list[Standing]:
    """How all signals stand, in the order of their definitions."""
    return [standing(house, one, open_) for one in house.detector.definitions.signals.values()]


def known_series(house: House, signal: str) -> dict[str, Labels]:
    """Every series of a signal that was ever seen, by id."""
    stored = house.history.window_series.find(signal, lambda _: True).values()
    live = [one.labels for one in house.detector.readings.get(signal, ())]
    return {series_id(labels): labels for labels in (*stored, *live)}
