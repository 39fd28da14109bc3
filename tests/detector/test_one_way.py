"""A tick, a replay and the adapter of the bench: one way, and the same times."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from benchmarks._product import SHIPPED, UNASKED, Given, episodes, notices, rules
from benchmarks.detection import detect_shipped
from detector.config import build_rules, build_signals, shipped
from detector.confirming import Confirming
from detector.paper import Episode
from detector.regression import Kind
from detector.replay import Replay
from detector.rule import Gates, Rule
from detector.run import Definitions
from storage.history import Floats
from tests.detector.shapes import autoregressive, daily
from tests.detector.watch import LEVEL, MINUTE_MS, NOON_MS, Watch

STEP_MS = 5 * MINUTE_MS
DAYS = 7
SILENT_MS = DAYS * 24 * 60 * MINUTE_MS - 6 * 60 * MINUTE_MS
TAIL = 48  # windows that are ticked, the last of the series
FIRST = NOON_MS // STEP_MS - DAYS * 288
SIGNAL = {"value": LEVEL | {"window": "5m", "over": "5m"}}


def series(factor: float, phi: float, seed: int) -> Floats:
    """Seven days and more, swinging by the day; the last three hours `factor` times as high."""
    count = DAYS * 288 + TAIL
    noise = autoregressive(np.random.default_rng(seed), 1, count, phi, 0.02)[0]
    values: Floats = 80 * np.exp(daily(count, 0.2) + noise)
    values[-36:] *= factor
    return values


def ticked(directory: Path, values: Floats, chosen: Mapping[str, Rule]) -> dict[str, list[int]]:
    """When each rule opens, by the detector of the product: the past stored, the rest collected."""
    watch = Watch(directory, Definitions(build_signals(SIGNAL), dict(chosen)))
    ends = ((FIRST + np.arange(len(values))) + 1) * STEP_MS
    past = len(values) - TAIL
    text = " ".join(f"{one!r}x5" for one in values[past:].tolist())
    watch.windows(ends[:past].tolist(), values[:past].tolist(), signal="value")
    watch.level(text, round((ends[past - 1] - NOON_MS) / MINUTE_MS) + 1)
    for end_ms in ends[past:].tolist():
        watch.detector.tick(end_ms)
    opened: dict[str, list[int]] = {}
    for one in watch.regressions():
        if one.kind is Kind.REGRESSION and one.incident_id:
            opened.setdefault(one.rule, []).append(one.held_since_ms)
    watch.close()
    return opened


def replayed(directory: Path, values: Floats, chosen: Mapping[str, Rule]) -> dict[str, list[int]]:
    """The same by a replay of the stored windows."""
    watch = Watch(directory, Definitions(build_signals(SIGNAL), dict(chosen)))
    ends = ((FIRST + np.arange(len(values))) + 1) * STEP_MS
    watch.windows(ends.tolist(), values.tolist(), signal="value")
    replay = Replay(
        watch.detector.definitions.signals,
        chosen,
        watch.history,
        int(ends[-TAIL - 1]),
        int(ends[-1]),
        assess=Confirming(watch.history).confirm,
    )
    for _ in replay.run():
        pass
    opened: dict[str, list[int]] = {}
    for one in sorted(replay.episodes, key=lambda each: each.opened_ms):
        opened.setdefault(one.rule, []).append(one.opened_ms)
    watch.close()
    return opened


@pytest.mark.parametrize(
    ("way", "factor", "phi", "opens"),
    [
        ("up", 1.12, 0.5, {"change"}),
        pytest.param("up", 1.5, 0.5, {"relative", "change"}, marks=pytest.mark.long),
        pytest.param("up", 1.0, 0.9, set(), marks=pytest.mark.long),
        ("down", 0.6, 0.5, {"relative", "change"}),
    ],
)
def test_tick_replay_and_bench_open_and_confirm_at_the_same_times(
    tmp_path: Path, way: str, factor: float, phi: float, opens: set[str]
) -> None:
    values, chosen = series(factor, phi, 3), rules(way)
    for name in ("ticked", "replayed"):
        (tmp_path / name).mkdir()
    by_tick = ticked(tmp_path / "ticked", values, chosen)
    by_replay = replayed(tmp_path / "replayed", values, chosen)
    (found,) = episodes([Given(values, FIRST, 300)], chosen, SILENT_MS)
    by_bench: dict[str, list[int]] = {}
    for one in found:
        if one.opened_ms > NOON_MS:
            by_bench.setdefault(one.rule, []).append(one.opened_ms)
    assert by_tick == by_replay == by_bench
    assert set(by_tick) == opens


@pytest.mark.long
def test_the_bench_is_told_of_openings_at_the_windows_in_which_they_are_known() -> None:
    values = series(1.5, 0.5, 3)
    at = (FIRST + np.arange(len(values))) * STEP_MS // 1000
    (found,) = episodes([Given(values, FIRST, 300)], rules("up"))
    told = [int(fired) // 300 - FIRST for fired, _ in detect_shipped(at, values, "up")]
    wanted = [one // STEP_MS - FIRST - 1 for one, _ in notices(found, ("relative", "change"))]
    assert told == wanted
    assert told


@pytest.mark.long
def test_series_that_are_replayed_together_know_nothing_of_each_other() -> None:
    chosen = rules("up")
    given = [Given(series(1.5, 0.5, 3), FIRST, 300), Given(series(1.2, 0.5, 4), FIRST - 5000, 300)]
    alone = [episodes([one], chosen, SILENT_MS)[0] for one in given]
    together = episodes(given, chosen, SILENT_MS)

    def times(found: list[list[Episode]]) -> list[list[tuple[str, int, int, int | None]]]:
        return [[(e.rule, e.opened_ms, e.began_ms, e.ended_ms) for e in each] for each in found]

    assert times(together) == times(alone)
    assert any(together)


def test_the_rules_of_the_bench_are_those_that_ship() -> None:
    built = build_rules(shipped()[1])
    for way, names in SHIPPED.items():
        for name, rule in rules(way).items():
            ships = built[names[name]]
            turned = rule.upwards != ships.upwards
            for field in ("sustain", "clear", *(() if turned else ("trigger", "critical"))):
                assert getattr(rule, field) == getattr(ships, field)
            assert not turned or rule.trigger.kind == ships.trigger.kind == "change"
            left_out = {one: getattr(Gates(), one) for one in UNASKED}
            assert rule.gates == ships.gates.model_copy(update=left_out)
