"""The rules that ship, run over one series as the product runs them: replayed tick by tick.

A replay goes through the stages of the tick: baselines, trigger, sustain, gates, the past of
candidates, lifecycle (`detector.hearing`, `detector.confirming`, `detector.living`). Nothing of
them is repeated here; the series is only put into a history as the windows that are judged.
"""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detector.change import method_for
from detector.config import build_rules, build_signals, shipped
from detector.confirming import Confirming
from detector.paper import Episode
from detector.replay import Replay
from detector.rule import Gates, Rule
from detector.signal import Signal
from detector.trigger import Trigger
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import NO_LAYOUT, Floats, Windows
from storage.series import Labels

SIGNAL = "value"
DAY_MS, WEEK_MS = 86_400_000, 7 * 86_400_000
SILENT_MS = 4 * DAY_MS
RELATIVE, CHANGE = "relative", "change"
SHIPPED = {
    "up": {RELATIVE: "api_mean_time_regression", CHANGE: "api_mean_time_change"},
    "down": {RELATIVE: "cache_hit_rate_drop", CHANGE: "api_mean_time_change"},
}
# What a series of bare numbers cannot have: observations, a unit, flushes.
UNASKED = ("min_count", "min_events", "min_baseline_count", "min_delta", "min_ratio", "settling")


def rules(direction: str) -> dict[str, Rule]:
    """The shipped rules for this direction, without the gates that ask for a unit or a count.

    No change of something that falls ships, so the one that rises is turned: 0.93 for 1.08.
    """
    built = build_rules(shipped()[1])
    fields = Gates.model_fields
    unasked = {name: fields[name].get_default() for name in UNASKED}
    made = {}
    for name, ships in SHIPPED[direction].items():
        rule = built[ships]
        part = rule.trigger.part
        update = {
            "signal": SIGNAL,
            "enabled": True,
            "load": None,
            "gates": rule.gates.model_copy(update=unasked),
        }
        if part.upwards and direction == "down":
            below = round(1 / part.level, 2)
            update |= {"trigger": Trigger.model_validate({"change": {"below": below}})}
            update |= {"critical": None}
        made[name] = rule.model_copy(update=update)
    return made


@dataclass(frozen=True, slots=True)
class Given:
    """A series of judged windows: the first is the `first` of them since 1970, counted from 0."""

    values: Floats
    first: int
    seconds: int


def windows_of(given: Sequence[Given], weeks: Sequence[int]) -> Windows:
    """Several series as judged windows, each so many weeks later, NaN left out."""
    there = [np.flatnonzero(np.isfinite(one.values)) for one in given]
    counts = [len(one) for one in there]
    total, seconds = sum(counts), given[0].seconds
    ends = [
        (one.first + at + 1) * seconds * 1000 + shift * WEEK_MS
        for one, at, shift in zip(given, there, weeks, strict=True)
    ]
    return Windows(
        SIGNAL,
        tuple(labels(number) for number in range(len(given))),
        np.repeat(np.arange(len(given)), counts),
        np.concatenate(ends),
        np.full(total, float(seconds)),
        np.concatenate([one.values[at] for one, at in zip(given, there, strict=True)]),
        np.ones(total),
        np.full(total, NO_LAYOUT, np.int64),
    )


def labels(number: int) -> Labels:
    """The series of one of them; each of a target of its own, so that they are nothing alike."""
    return Labels.of(target=f"bench-{number:05}")


def signals(seconds: int) -> Mapping[str, Signal]:
    """A gauge of windows of this length."""
    length = f"{seconds}s"
    form = {"form": "gauge", "metric": "value", "by": ["target"], "title": "Value"}
    return build_signals({SIGNAL: {**form, "window": length, "over": length}})


def episodes(
    given: Sequence[Given], chosen: Mapping[str, Rule], silent_ms: int = SILENT_MS
) -> list[list[Episode]]:
    """What these rules would have opened on each series; windows of one length.

    Nothing is judged until a day before the earliest series is `silent_ms` old: for want of a
    baseline nothing could be told.

    Series of different years are moved by whole weeks to lie over each other, and replayed in one
    go: what is usual at an hour of the week stays where it is. None knows of another.
    """
    seconds = given[0].seconds
    if method_for(seconds) is None:
        return [[] for _ in given]
    last = max(one.first + len(one.values) for one in given) * seconds * 1000
    weeks = [(last - (one.first + len(one.values)) * seconds * 1000) // WEEK_MS for one in given]
    begins = [
        one.first * seconds * 1000 + shift * WEEK_MS
        for one, shift in zip(given, weeks, strict=True)
    ]
    found: list[list[Episode]] = [[] for _ in given]
    with tempfile.TemporaryDirectory() as directory:
        file = DuckFile(Path(directory) / "history.duckdb", memory="256MB", threads=1)
        with closing(file):
            history = DuckHistory(file)
            history.put_windows(windows_of(given, weeks))
            replay = Replay(
                signals(seconds),
                dict(chosen),
                history,
                min(begins) + silent_ms,
                last,
                assess=Confirming(history).confirm,
            )
            for _ in replay.run():
                pass
            for one in sorted(replay.episodes, key=lambda each: each.opened_ms):
                number = int(one.labels.get("target").removeprefix("bench-"))
                back = weeks[number] * WEEK_MS
                found[number].append(earlier(one, back))
    return found


def earlier(one: Episode, by_ms: int) -> Episode:
    """The same, moved back in time."""
    return replace(
        one,
        began_ms=one.began_ms - by_ms,
        began_hi_ms=one.began_hi_ms - by_ms,
        opened_ms=one.opened_ms - by_ms,
        ended_ms=None if one.ended_ms is None else one.ended_ms - by_ms,
        escalated_ms=tuple(at_ms - by_ms for at_ms in one.escalated_ms),
    )


def notices(found: Sequence[Episode], names: Sequence[str]) -> list[tuple[int, int]]:
    """(told, began) in milliseconds of the notices of these rules: openings and escalations.

    What opens on the series while another one is open is in the same incident: nothing is told.
    """
    told: list[tuple[int, int]] = []
    mine = [one for one in found if one.rule in names]
    for one in mine:
        inside = any(
            other is not one
            and (other.opened_ms, other.rule) < (one.opened_ms, one.rule)
            and (other.ended_ms is None or other.ended_ms > one.opened_ms)
            for other in mine
        )
        if not inside:
            told.append((one.opened_ms, one.began_hi_ms))
        told += [(at_ms, one.began_hi_ms) for at_ms in one.escalated_ms]
    return sorted(told)
