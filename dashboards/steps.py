"""Colours by value: threshold steps, dashed limits, and words for states."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from dashboards.signals import Threshold
from detector.form import Direction
from detector.regression import Severity

COLOURS = {Severity.INFO: "blue", Severity.WARNING: "orange", Severity.CRITICAL: "red"}


def one_is_too_many(colour: str) -> list[dict[str, Any]]:
    """The steps of a count that should be nought."""
    return [{"color": "green", "value": None}, {"color": colour, "value": 1}]


def coloured_by(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Field defaults that colour a value by the step it is on."""
    return {
        "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
    }


def steps_of(thresholds: Sequence[Threshold]) -> list[dict[str, Any]]:
    """Threshold steps: each span between two levels has the colour of the worst one it breaks.

    Without levels there is nothing to praise or blame, so the one step has the text colour.
    """
    if not thresholds:
        return [{"color": "text", "value": None}]
    levels = sorted({threshold.level for threshold in thresholds})
    between = [low + (high - low) / 2 for low, high in pairwise(levels)]
    inside = [-math.inf, *between, math.inf]
    starts = [None, *levels]
    return [
        {"color": colour_at(value, thresholds), "value": start}
        for start, value in zip(starts, inside, strict=True)
    ]


def lines_of(thresholds: Sequence[Threshold]) -> list[dict[str, Any]]:
    """Threshold steps that are only drawn as lines, each in the colour of its severity.

    Grafana gives a line the colour of what is above it. With the steps of `steps_of`, the line that
    a value must not fall below would be green.
    """
    if not thresholds:
        return []
    lines = sorted(thresholds, key=lambda threshold: (threshold.level, threshold.severity.rank))
    colours = {threshold.level: COLOURS[threshold.severity] for threshold in lines}
    return [
        {"color": "text", "value": None},
        *({"color": colour, "value": level} for level, colour in colours.items()),
    ]


def colour_at(value: float, thresholds: Sequence[Threshold]) -> str:
    """The colour of the worst threshold that a value is beyond; green when it breaks none."""
    broken = [
        threshold.severity
        for threshold in thresholds
        if (value > threshold.level if threshold.worse is Direction.UP else value < threshold.level)
    ]
    return COLOURS[max(broken, key=lambda severity: severity.rank)] if broken else "green"


def worded(states: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Value mappings: a word and a colour for each value, as a colour alone tells too little."""
    options = {
        value: {"text": word, "color": colour, "index": index}
        for index, (value, (word, colour)) in enumerate(states.items())
    }
    return [{"type": "value", "options": options}]
