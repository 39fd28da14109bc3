"""Judgements beside the history: all of them, as they were said, once."""

import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detector.judgement import Judgement, Reason, Verdict, Verdicts
from detector.ledger import Ledger, Wanted
from storage.duckfile import DuckFile
from storage.series import Labels
from tests.detector.judging import END_MS, SERIES, judged

MINUTE_MS = 60_000
STEADY = {"trigger": {"absolute": {"above": "10"}}, "recent": "5"}
REJECTED = {**STEADY, "sustain": {"windows": "2", "of": "2"}, "recent": "5 11"}
REGRESSED = {"trigger": {"relative": {"above": "1.2"}}, "baseline": "10x70", "recent": "13"}
UNKNOWN = {**REGRESSED, "recent": "_"}


def said(
    case: dict[str, Any], at_ms: int = END_MS, rule: str = "rule", signal: str = "s", **labels: str
) -> Verdicts:
    """The verdict of a case, as if of this rule, signal, series and time."""
    one = judged(case)
    series = (Labels.of(labels) if labels else SERIES,)
    return replace(
        one, rule=rule, signal=signal, judged=replace(one.judged, series=series, end_ms=at_ms)
    )


IMPROVED = {"file": "stages", "recent": "83"}
SUSPECTED: dict[str, Any] = {
    "file": "stages",
    "gates": {"went_away": "0.5"},
    "stages": {"kept": "0.1"},
    "recent": "125",
}


def same(found: list[Judgement], expected: list[Judgement]) -> bool:
    """Equality, where NaN is itself; the parts of trees and stages are kept with regressions."""
    unkept: dict[str, Any] = {"typical": math.nan, "leaves": (), "stages": ()}
    unkept |= {"mostly_clear": False, "mostly_critical": False}
    kept = [replace(one, **unkept) for one in expected]
    return repr(found) == repr(kept)


@pytest.fixture
def ledger(duck_file: DuckFile) -> Ledger:
    return Ledger(duck_file)


def test_judgements_are_read_back_as_they_were_said(ledger: Ledger) -> None:
    all_ = [
        said(case, rule=f"rule_{i}")
        for i, case in enumerate((STEADY, REJECTED, REGRESSED, UNKNOWN, SUSPECTED, IMPROVED))
    ]
    ledger.write(END_MS, all_)
    found = ledger.read(Wanted())
    assert same(found, [row for one in all_ for row in one.rows()])
    assert {one.verdict for one in found} == set(Verdict)
    assert math.isnan(found[3].value)
    assert type(found[1].critical) is bool
    assert type(found[1].days) is int


def test_the_newest_come_first(ledger: Ledger) -> None:
    for at_ms in (END_MS, END_MS + MINUTE_MS):
        ledger.write(at_ms, [said(REJECTED, at_ms, "b"), said(REJECTED, at_ms, "a")])
    found = [(one.at_ms - END_MS, one.rule) for one in ledger.read(Wanted())]
    assert found == [(MINUTE_MS, "a"), (MINUTE_MS, "b"), (0, "a"), (0, "b")]
    assert [one.rule for one in ledger.read(Wanted(limit=1))] == ["a"]


def test_a_tick_that_is_repeated_replaces_what_it_wrote(ledger: Ledger) -> None:
    ledger.write(END_MS, [said(STEADY), said(STEADY, rule="gone")])
    ledger.write(END_MS + MINUTE_MS, [said(REGRESSED, END_MS + MINUTE_MS)])
    ledger.write(END_MS, [said(REJECTED)])
    found = ledger.read(Wanted())
    assert [(one.rule, one.verdict) for one in found] == [
        ("rule", Verdict.REGRESSED),
        ("rule", Verdict.REJECTED),
    ]


@pytest.mark.parametrize(
    ("wanted", "rules"),
    [
        (Wanted(), {"a", "b", "c"}),
        (Wanted(rule="a"), {"a"}),
        (Wanted(signal="t"), {"b"}),
        (Wanted(labels=Labels.of(route="/c")), {"c"}),
        (Wanted(labels=Labels.of(route="/absent")), set()),
        (Wanted(labels=Labels.of(route="/c"), rule="a"), set()),
        (Wanted(verdict=Verdict.REJECTED), {"b"}),
        (Wanted(reason=Reason.SUSTAIN), {"b"}),
        (Wanted(reason=Reason.NO_DATA), {"c"}),
        (Wanted(verdict=Verdict.REJECTED, rule="b", signal="t"), {"b"}),
        (Wanted(since_ms=END_MS + 1), {"c"}),
        (Wanted(since_ms=END_MS), {"a", "b", "c"}),
        (Wanted(until_ms=END_MS), {"a", "b"}),
        (Wanted(rule="'; DROP TABLE judgements;--"), set()),
    ],
)
def test_filters_narrow_the_answer(ledger: Ledger, wanted: Wanted, rules: set[str]) -> None:
    ledger.write(END_MS, [said(STEADY, rule="a"), said(REJECTED, rule="b", signal="t")])
    late_ms = END_MS + MINUTE_MS
    ledger.write(late_ms, [said(UNKNOWN, late_ms, "c", route="/c")])
    assert {one.rule for one in ledger.read(wanted)} == rules


def test_a_tick_without_judgements_is_no_trouble(ledger: Ledger) -> None:
    ledger.write(END_MS, [])
    empty = said(STEADY)
    nobody = replace(empty, judged=replace(empty.judged, series=()))
    ledger.write(END_MS, [nobody])
    assert ledger.read(Wanted()) == []
    assert ledger.read(Wanted(labels=SERIES)) == []


def test_what_is_old_is_dropped_and_counted(ledger: Ledger) -> None:
    for at_ms in (END_MS, END_MS + 1, END_MS + 2):
        ledger.write(at_ms, [said(REJECTED, at_ms)])
    assert ledger.retain(END_MS + 1) == 2
    assert [one.at_ms for one in ledger.read(Wanted())] == [END_MS + 2]
    assert ledger.retain(END_MS + 1) == 0


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "history.duckdb"
    for i in range(3):
        file = DuckFile(path)
        case = REJECTED if i else STEADY
        Ledger(file).write(END_MS + i, [said(case, END_MS + i), said(STEADY, rule=f"rule_{i}")])
        file.close()
    file = DuckFile(path)
    assert len(Ledger(file).read(Wanted())) == 6
    assert len(Ledger(file).read(Wanted(rule="rule"))) == 3
    file.close()


HOUR_MS = 60 * MINUTE_MS


def stored(ledger: Ledger) -> list[tuple[int, str]]:
    """The minute and the verdict of what stands in the ledger, oldest first."""
    rows = reversed(ledger.read(Wanted(limit=1000)))
    return [((one.at_ms - END_MS) // MINUTE_MS, str(one.verdict)) for one in rows]


def test_a_refusal_is_kept_each_time(ledger: Ledger) -> None:
    for minute in range(3):
        at_ms = END_MS + minute * MINUTE_MS
        ledger.write(at_ms, [said(REJECTED, at_ms), said(REGRESSED, at_ms, "b")])
    assert len(ledger.read(Wanted(verdict=Verdict.REJECTED))) == 3
    assert len(ledger.read(Wanted(verdict=Verdict.REGRESSED))) == 3


@pytest.mark.parametrize("restarted", [False, True], ids=["going on", "restarted at each tick"])
def test_what_does_not_change_is_kept_once_an_hour(tmp_path: Path, restarted: bool) -> None:
    file = DuckFile(tmp_path / "history.duckdb")
    ledger = Ledger(file)
    cases = [STEADY] * 70 + [UNKNOWN] * 5 + [STEADY] * 5 + [REJECTED, STEADY]
    for minute, case in enumerate(cases):
        at_ms = END_MS + minute * MINUTE_MS
        ledger = Ledger(file) if restarted else ledger
        ledger.write(at_ms, [said(case, at_ms)])
        if minute % 7 == 0:
            ledger.write(at_ms, [said(case, at_ms)])  # after a crash
    assert stored(ledger) == [
        (0, "steady"),
        (60, "steady"),
        (70, "unknown"),
        (75, "steady"),
        (80, "rejected"),
        (81, "steady"),
    ]
    file.close()


def test_a_tick_that_failed_is_written_whole_when_it_is_repeated(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.write(END_MS, [said(STEADY)])
    later_ms = END_MS + MINUTE_MS
    new = said(UNKNOWN, later_ms, route="/new")

    def fails(*_: Any) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(ledger.series, "store_new", fails)
        with pytest.raises(RuntimeError):
            ledger.write(later_ms, [said(UNKNOWN, later_ms), new])
    ledger.write(later_ms, [said(UNKNOWN, later_ms), new])
    assert stored(ledger) == [(0, "steady"), (1, "unknown"), (1, "unknown")]


def test_what_was_in_force_at_a_time_can_be_told(ledger: Ledger) -> None:
    for minute in range(70):
        at_ms = END_MS + minute * MINUTE_MS
        case = REJECTED if minute == 5 else STEADY
        other = [said(UNKNOWN, at_ms, "b")] if minute < 3 else []
        ledger.write(at_ms, [said(case, at_ms, "a"), *other])

    def told(minute: int) -> list[tuple[str, str, int]]:
        rows = ledger.in_force("s", SERIES, END_MS + minute * MINUTE_MS)
        return [(r.rule, str(r.verdict), (r.at_ms - END_MS) // MINUTE_MS) for r in rows]

    assert told(-1) == []
    assert told(2) == [("a", "steady", 0), ("b", "unknown", 0)]
    assert told(5) == [("a", "rejected", 5), ("b", "unknown", 0)]
    assert told(64) == [("a", "steady", 6)]
    assert told(69) == [("a", "steady", 66)]
    assert ledger.in_force("t", SERIES, END_MS) == []


def test_dropping_what_is_old_loses_no_series_of_a_tick_that_is_written(ledger: Ledger) -> None:
    # The two run in threads of their own; both end a transaction on one list of new series.
    ticks = 40
    done = threading.Event()
    errors: list[BaseException] = []

    def forget() -> None:
        try:
            while not done.is_set():
                ledger.retain(0)
        except BaseException as error:
            errors.append(error)

    forgetting = threading.Thread(target=forget)
    forgetting.start()
    try:
        for i in range(ticks):
            ledger.write(END_MS + i, [said(STEADY, END_MS + i, f"rule_{i}")])
    finally:
        done.set()
        forgetting.join()
    assert errors == []
    assert len(ledger.read(Wanted(limit=1000))) == ticks


def test_the_last_of_each_rule_and_series_can_be_asked_for(ledger: Ledger) -> None:
    for minute in range(3):
        at_ms = END_MS + minute * MINUTE_MS
        ledger.write(at_ms, [said(STEADY, at_ms, "a"), said(REJECTED, at_ms, "b")])
    found = ledger.read(Wanted(signal="s", last=True))
    assert [(one.rule, (one.at_ms - END_MS) // MINUTE_MS) for one in found] == [("b", 2), ("a", 0)]
    assert ledger.read(Wanted(last=True, since_ms=END_MS + 1, rule="a")) == []
