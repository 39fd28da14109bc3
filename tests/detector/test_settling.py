"""A cache that was emptied and a process that was started anew say nothing for a while."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.book import Book
from detector.config import build_rules, shipped
from detector.dependencies import Dependencies
from detector.facts import FactFinder
from detector.findings import Looking
from detector.incidents import Incidents
from detector.judgement import Reason, Verdict
from detector.regression import Deployment
from detector.replay import Replay
from detector.settling import begun
from detector.why import Result, explain
from storage.history import NO_LAYOUT, Windows
from storage.series import Labels
from tests.detector.watch import LEVEL, MINUTE_MS, NOON_MS, SERIES, Watch, definitions

FLUSHES = {"form": "rate", "metric": "flushes_total", "by": ["target"], "title": "Flushes"}
STARTED = LEVEL | {"metric": "started", "stat": "last", "title": "Started"}
MARKERS = [
    {"signal": "flushes", "when": "counts", "for": "10m"},
    {"signal": "started", "when": "rises", "for": "10m"},
]
LOW = {
    "signal": "level",
    "trigger": {"absolute": {"above": 20}},
    "sustain": {"windows": 1, "of": 1},
    "gates": {"settling": MARKERS},
    "clear": {"level": 15, "for": "3m"},
}
CACHE = Labels.of(target="sessions")
AT_MS = NOON_MS + 4 * MINUTE_MS


def chosen() -> Any:
    signals = {"level": LEVEL, "flushes": FLUSHES, "started": STARTED}
    return definitions({"low": LOW | {"sustain": {"for": "1m"}}}, signals)


def windows(watch: Watch, name: str, labels: Labels, text: dict[int, tuple[float, float]]) -> None:
    """Windows of a minute: value and observations by the minute after noon in which each ends."""
    count = len(text)
    watch.history.put_windows(
        Windows(
            name,
            (labels,),
            np.zeros(count, np.int64),
            NOON_MS + MINUTE_MS * np.array(list(text)),
            np.full(count, 60.0),
            np.array([value for value, _ in text.values()]),
            np.array([n for _, n in text.values()]),
            np.full(count, NO_LAYOUT, np.int64),
        )
    )


def needing(**needs: tuple[str, ...]) -> Book:
    return Book(Incidents(looking=Looking(dependencies=Dependencies(needs))))


@pytest.mark.parametrize(
    ("marker", "labels", "shown"),
    [
        ("flushes", SERIES, {5: (1 / 60, 1.0)}),
        ("flushes", CACHE, {5: (1 / 60, 1.0)}),
        ("started", CACHE, {1: (1000.0, 4.0), 5: (1900.0, 4.0)}),
        # Away for twenty minutes, and back in the sixth.
        ("started", CACHE, {-15: (1000.0, 4.0), 5: (1900.0, 4.0)}),
    ],
)
def test_ten_minutes_after_a_flush_or_a_start_nothing_is_concluded(
    tmp_path: Path, marker: str, labels: Labels, shown: dict[int, tuple[float, float]]
) -> None:
    watch = Watch(tmp_path, chosen(), needing(shop=("sessions",)))
    watch.level("10x4 30x20")
    windows(watch, marker, labels, shown)
    said = {minute: watch.judgement(minute, "low") for minute in range(4, 18)}
    assert said[4].verdict is Verdict.STEADY
    for minute in range(5, 16):
        one = said[minute]
        assert (one.verdict, one.reason) == (Verdict.UNKNOWN, Reason.SETTLING), minute
        assert dict(one.stages)["disturbed_ms"] == NOON_MS + 5 * MINUTE_MS
    assert said[16].verdict is Verdict.REGRESSED
    assert watch.regressions()[0].opened_ms == NOON_MS + 16 * MINUTE_MS
    watch.close()


@pytest.mark.parametrize(
    ("marker", "labels", "shown"),
    [
        ("flushes", Labels.of(target="other"), {5: (1 / 60, 1.0)}),
        ("flushes", CACHE, {5: (0.0, 0.0)}),
        ("started", CACHE, {1: (1000.0, 4.0), 5: (1001.0, 4.0)}),  # clocks move
        ("started", CACHE, {5: (1000.0, 4.0)}),  # nobody knows what it was before
    ],
)
def test_what_concerns_others_or_is_none_holds_nothing_back(
    tmp_path: Path, marker: str, labels: Labels, shown: dict[int, tuple[float, float]]
) -> None:
    watch = Watch(tmp_path, chosen(), needing(shop=("sessions",)))
    watch.level("10x4 30x20")
    windows(watch, marker, labels, shown)
    assert [watch.judgement(minute, "low").verdict for minute in (4, 5)] == [
        Verdict.STEADY,
        Verdict.REGRESSED,
    ]
    watch.close()


AFTER = LOW | {
    "sustain": {"for": "1m"},
    "gates": {"settling": [{"when": "deployed", "for": "5m"}]},
}


def deployed(watch: Watch, service: str, minute: int) -> None:
    at_ms = NOON_MS + minute * MINUTE_MS
    with watch.state.unit() as session:
        new = Deployment(id=f"dep_{service}", service=service, version="2", at_ms=at_ms)
        watch.book.add_deployment(session, new)


@pytest.mark.parametrize(
    ("service", "from_minute"), [("shop", 10), ("sessions", 10), ("other", 5), ("", 5)]
)
def test_five_minutes_after_a_deployment_nothing_is_concluded_though_no_counter_began_anew(
    tmp_path: Path, service: str, from_minute: int
) -> None:
    watch = Watch(tmp_path, definitions({"low": AFTER}), needing(shop=("sessions",)))
    watch.level("10x4 30x20")
    if service:
        deployed(watch, service, 4)
    said = {minute: watch.judgement(minute, "low") for minute in range(4, 14)}
    assert said[4].verdict is Verdict.STEADY
    for minute in range(5, from_minute):
        one = said[minute]
        assert (one.verdict, one.reason) == (Verdict.UNKNOWN, Reason.SETTLING), minute
        assert dict(one.stages)["disturbed_ms"] == NOON_MS + 4 * MINUTE_MS
    assert said[from_minute].verdict is Verdict.REGRESSED
    watch.close()


def test_a_replay_knows_deployments_too(tmp_path: Path) -> None:
    watch = Watch(tmp_path, definitions({"low": AFTER}))
    watch.level("10x4 30x20")
    watch.ticks(1, 20)
    opened = []
    for deployments in ((), (Deployment(id="d", service="shop", version="2", at_ms=AT_MS),)):
        chosen = watch.detector.definitions
        replay = Replay(
            chosen.signals,
            chosen.rules,
            watch.history,
            NOON_MS,
            NOON_MS + 20 * MINUTE_MS,
            deployments=deployments,
        )
        for _ in replay.run():
            pass
        opened += [one.opened_ms for one in replay.episodes]
    # Here it has windows of five minutes only: the second of them overlaps the time after it.
    assert opened == [NOON_MS + 10 * MINUTE_MS, NOON_MS + 15 * MINUTE_MS]
    watch.close()


def test_the_shipped_rules_on_response_times_wait_after_a_deployment_and_errors_do_not() -> None:
    rules = build_rules(shipped()[1])
    waiting = {
        name
        for name, rule in rules.items()
        if any((one.when, one.for_) == ("deployed", 300) for one in rule.gates.settling)
    }
    assert waiting == {
        "api_response_time_regression",
        "api_mean_time_regression",
        "api_response_time_change",
        "api_mean_time_change",
        "cache_hit_rate_drop",
    }


def test_an_explanation_says_how_long_ago_it_was(tmp_path: Path) -> None:
    watch = Watch(tmp_path, chosen())
    watch.level("10x4 30x20")
    windows(watch, "flushes", SERIES, {5: (1 / 60, 1.0)})
    for minute in range(1, 8):
        watch.judgement(minute, "low")
    signals = watch.detector.definitions.signals
    rules = watch.detector.definitions.rules_of("level")
    at_ms = NOON_MS + 7 * MINUTE_MS
    facts = FactFinder(watch.history, signals)
    (one,) = explain(watch.history, signals["level"], rules, SERIES, at_ms, facts=facts).rules
    (gate,) = [each for each in one.passages if each.gate == "settling"]
    assert gate.result is Result.REFUSED
    assert (gate.checks[0].saw, gate.checks[0].needed) == (2.0, 11.0)
    watch.close()


def test_an_uptime_that_falls_is_a_restart() -> None:
    found = Windows(
        "uptime",
        (CACHE,),
        np.zeros(4, np.int64),
        np.array([1, 2, 3, 4]) * MINUTE_MS,
        np.full(4, 60.0),
        np.array([900.0, 960.0, 20.0, 80.0]),
        np.full(4, 1.0),
        np.full(4, NO_LAYOUT, np.int64),
    )
    ((_, ends),) = begun("falls", found)
    assert ends.tolist() == [3 * MINUTE_MS]


def test_the_shipped_rule_on_the_hit_rate_waits_after_flushes_and_starts() -> None:
    signals, rules = shipped()
    markers = rules["cache_hit_rate_drop"]["gates"]["settling"]
    named = {one["signal"] for one in markers if "signal" in one}
    assert named == {"cache_flushes", "cache_started", "process_started"}
    assert named <= signals.keys()
