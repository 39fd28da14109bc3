"""Signals that are new or changed have a past at once: what ticks would have stored."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.backfill import Backfill, BackfillSource
from detector.definition import fingerprint
from detector.judgement import Verdict
from detector.refill import Change
from detector.regression import Phase
from storage.history import Samples
from storage.series import NAME, Labels, Selector
from storage.state import State
from tests.detector.refills import KEPT, LAG, SIGNALS, Place, chosen, samples
from tests.detector.watch import DAY_MS, HOUR_MS, LEVEL, MINUTE_MS, NOON_MS

ROOT = Path(__file__).parents[2]
RAISED = {  # never clear, so that it stays as it opened
    "signal": "level",
    "trigger": {"absolute": {"above": 1}},
    "sustain": {"for": "1m"},
    "clear": {"level": 0.5, "for": "10m"},
}


def signal(**form: Any) -> Any:
    return chosen({"level": {**LEVEL, **form}}).signals["level"]


# --- what a definition is ---


@pytest.mark.parametrize(
    "form",
    [
        {"by": ["target", "name"]},
        {"by": []},
        {"metric": 'level{name="p"}'},
        {"stat": "max"},
        {"window": "30s"},
        {"over": "10m"},
    ],
    ids=repr,
)
def test_what_makes_other_windows_is_another_definition(form: dict[str, Any]) -> None:
    assert fingerprint(signal(**form)) != fingerprint(signal())


@pytest.mark.parametrize(
    "form",
    [
        {"title": "Other"},
        {"description": "other"},
        {"unit": "bytes"},
        {"worse": "down"},
        {"kind": "cache"},
        {"stat": "avg"},  # the default, written out
    ],
    ids=repr,
)
def test_what_is_only_shown_is_the_same_definition(form: dict[str, Any]) -> None:
    assert fingerprint(signal(**form)) == fingerprint(signal())


def test_the_order_of_labels_is_the_same_definition() -> None:
    assert fingerprint(signal(by=["a", "b"])) == fingerprint(signal(by=["b", "a"]))


def test_a_fingerprint_is_the_same_in_every_version() -> None:
    # If this fails, every installed Plimsoll evaluates all of its signals again at its next start.
    assert fingerprint(signal()) == "3063c0e6db93a1cc"


# --- what is evaluated ---


def test_what_is_stored_is_what_ticks_would_have_stored(tmp_path: Path) -> None:
    days, stored = 42 / 1440, []
    given = samples(days, 15_000)
    for name in ("ticks", "refill"):
        (tmp_path / name).mkdir()
        place = Place(tmp_path / name, chosen(SIGNALS))
        place.history.append(given)
        if name == "refill":
            changes = place.refill.begin(NOON_MS)
            assert set(changes.values()) == {Change.ADDED}
            assert place.refilled() > len(SIGNALS)
            ends: Any = [NOON_MS]
        else:
            ends = np.arange(NOON_MS - round(days * DAY_MS), NOON_MS + 1, MINUTE_MS)
        for at_ms in ends:
            place.detector.windowing.step(place.detector.definitions.due(int(at_ms)), int(at_ms))
        stored.append(place.windows())
        place.close()
    ticks, refill = stored
    assert set(refill) ^ set(ticks) == set()
    assert len(ticks) > 250


def test_a_new_rule_judges_at_the_first_tick_after_the_refill(tmp_path: Path, state: State) -> None:
    place = Place(tmp_path, chosen(SIGNALS), state, most_samples=200_000)
    given = samples(8)
    higher = np.where((given.index == 1) & (given.at_ms > NOON_MS - 12 * MINUTE_MS), 1.5, 1.0)
    place.history.append(Samples(given.series, given.index, given.at_ms, given.values * higher))
    place.refill.begin(NOON_MS)
    place.refilled()
    verdicts = {one.rule: one for one in place.detector.tick(NOON_MS)}
    shop = verdicts["risen"].row(verdicts["risen"].judged.series.index(Labels.of(target="shop")))
    assert (shop.verdict, shop.days) == (Verdict.REGRESSED, 7)
    assert shop.baseline == pytest.approx(10, rel=0.01)
    with state.reading() as session:
        (opened,) = place.book.open_regressions(session)
    assert (opened.rule, opened.labels) == ("risen", Labels.of(target="shop"))
    place.close()


def test_without_the_refill_there_is_too_little_history(tmp_path: Path) -> None:
    place = Place(tmp_path, chosen(SIGNALS))
    place.history.append(samples(8))
    (risen,) = [one for one in place.detector.tick(NOON_MS) if one.rule == "risen"]
    assert {one.reason for one in risen.rows()} == {"too_little_history"}
    place.close()


def test_the_newest_day_comes_first_and_baselines_follow(tmp_path: Path) -> None:
    place = Place(tmp_path, chosen({"level": LEVEL}), most_samples=2_000)
    place.history.append(samples(8))
    place.refill.begin(NOON_MS)
    reached, days = [], []
    while place.refill.waiting:
        reached.append(place.refill.waiting["level"].reached_ms)
        place.refill.step()
        place.detector.tick(NOON_MS)
        days.append(place.detector.readings["level"][0].days)
    assert reached == sorted(reached, reverse=True)
    assert days == sorted(days)
    assert {1, 2, 3, 4, 5, 6, 7} <= set(days)  # each day is of use as soon as it is there
    place.close()


def test_no_piece_reads_much_more_than_it_may(tmp_path: Path, monkeypatch: Any) -> None:
    place = Place(tmp_path, chosen({"lag": LAG}), most_samples=3_000)
    place.history.append(samples(2))
    read, before = [], place.history.samples

    def counted(selectors: Any, start_ms: int, end_ms: int) -> Samples:
        found = before(selectors, start_ms, end_ms)
        if any(one.metric.startswith("lag") for one in selectors):
            read.append(len(found))
        return found

    monkeypatch.setattr(place.history, "samples", counted)
    place.refill.begin(NOON_MS)
    place.refilled()
    assert max(read) <= 1.2 * 3_000
    assert sum(read) > 6 * 3_000
    place.close()


def test_the_shortest_windows_are_made_only_where_they_are_kept(tmp_path: Path) -> None:
    place = Place(tmp_path, chosen({"level": LEVEL, "slow": SIGNALS["slow"]}))
    place.history.append(samples(4))
    place.refill.begin(NOON_MS)
    place.refilled()
    fine = place.history.windows("level", 0, NOON_MS, seconds=60.0)
    judged = place.history.windows("level", 0, NOON_MS, seconds=300.0)
    assert NOON_MS - 3 * DAY_MS < fine.end_ms.min() <= NOON_MS - 2 * DAY_MS + HOUR_MS
    assert judged.end_ms.min() <= NOON_MS - 4 * DAY_MS + HOUR_MS
    both = place.history.windows("slow", 0, NOON_MS, seconds=1200.0)  # judged as they are
    assert both.end_ms.min() <= NOON_MS - 4 * DAY_MS + HOUR_MS
    place.close()


def test_windows_that_ticks_merged_without_their_beginning_are_merged_again(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path, chosen({"level": LEVEL}))
    given, begin_ms = samples(0.1, 15_000), NOON_MS - 8 * MINUTE_MS
    before = given.at_ms <= begin_ms
    place.history.append(part(given, before))
    place.refill.begin(begin_ms)
    place.history.append(part(given, ~before))
    for at_ms in range(begin_ms, NOON_MS + 1, MINUTE_MS):
        place.detector.tick(at_ms)  # the refill has not done a thing yet
    place.refilled()
    level = place.history.windows("level", 0, NOON_MS, Labels.of(target="shop"))
    for seconds, n in ((300.0, 20.0), (3600.0, 240.0)):
        ends = level.end_ms[level.seconds == seconds]
        assert ends.max() == NOON_MS
        assert set(level.n[(level.seconds == seconds) & (level.end_ms > ends.min())]) == {n}
    place.close()


def part(given: Samples, rows: Any) -> Samples:
    return Samples(given.series, given.index[rows], given.at_ms[rows], given.values[rows])


# --- what a start finds ---


def test_nothing_is_touched_where_nothing_has_changed(tmp_path: Path) -> None:
    place = Place(tmp_path, chosen(SIGNALS))
    place.history.append(samples(1))
    place.refill.begin(NOON_MS)
    place.refilled()
    before = place.windows()
    place.close()
    titled = {name: {**one, "title": f"The {name}"} for name, one in SIGNALS.items()}
    again = Place(tmp_path, chosen(titled))
    again.history.thin("level", 3600.0, NOON_MS)  # what is missing stays missing
    assert set(again.refill.begin(NOON_MS + 1).values()) == {Change.SAME}
    assert not again.refill.waiting
    assert again.backfills == {}
    hourly = ("'level'", "3600.0")
    assert again.windows() == [one for one in before if not all(part in one for part in hourly)]
    again.close()


def test_a_changed_signal_drops_its_old_windows_and_no_others(tmp_path: Path) -> None:
    place = Place(tmp_path, chosen(SIGNALS))
    place.history.append(samples(1))
    place.refill.begin(NOON_MS)
    place.refilled()
    before = {name: place.windows(name) for name in SIGNALS}
    place.close()
    changed = {**SIGNALS, "hits": {**SIGNALS["hits"], "by": ["target"]}}
    again = Place(tmp_path, chosen(changed))
    changes = again.refill.begin(NOON_MS)
    assert changes.pop("hits") is Change.CHANGED  # type: ignore[attr-defined]
    assert set(changes.values()) == {Change.SAME}
    assert again.windows("hits") == []  # not for a moment are two definitions in one baseline
    again.refilled()
    for name in set(SIGNALS) - {"hits"}:
        assert again.windows(name) == before[name]
    found = again.history.windows("hits", 0, NOON_MS, seconds=300.0)
    assert set(found.series) == {Labels.of(target="shop"), Labels.of(target="till")}
    assert len(found) > 2 * 280
    again.close()


def test_an_open_regression_of_a_changed_signal_is_over(tmp_path: Path, state: State) -> None:
    place = Place(tmp_path, chosen(SIGNALS, {"raised": RAISED}), state)
    place.history.append(samples(0.1))
    place.refill.begin(NOON_MS - MINUTE_MS)
    place.detector.tick(NOON_MS)
    with state.reading() as session:
        assert len(place.book.open_regressions(session)) == 2
    place.close()
    changed = {**SIGNALS, "level": {**LEVEL, "by": []}}
    again = Place(tmp_path, chosen(changed, {"raised": RAISED}), state)
    again.refill.begin(NOON_MS + MINUTE_MS)
    with state.reading() as session:
        assert again.book.open_regressions(session) == []
        over = again.book.spans(session, 0)
        assert {one.phase for one in over} == {Phase.RESOLVED}
        last = again.book.transitions(session, over[0].id)[-1]
    assert last.reason == "the definition of level has changed"
    again.close()


def test_a_signal_that_is_gone_keeps_its_windows_and_misses_only_the_time_between(
    tmp_path: Path,
) -> None:
    given, gone_ms = samples(1), NOON_MS - 6 * HOUR_MS
    place = Place(tmp_path, chosen(SIGNALS))
    place.history.append(part(given, given.at_ms <= gone_ms))
    place.refill.begin(gone_ms)
    place.refilled()
    kept = place.windows("level")
    place.close()
    without = {name: one for name, one in SIGNALS.items() if name != "level"}
    for _ in range(2):  # a second start without it does not make the time shorter
        place = Place(tmp_path, chosen(without))
        place.refill.begin(gone_ms)
        assert place.windows("level") == kept
        place.history.append(part(given, given.at_ms > gone_ms))
        place.close()
    again = Place(tmp_path, chosen(SIGNALS))
    assert again.refill.begin(NOON_MS)["level"] is Change.RETURNED
    assert again.refill.waiting["level"].since_ms == gone_ms - 5 * MINUTE_MS
    again.refilled()
    ends = again.history.windows("level", 0, NOON_MS, Labels.of(target="shop"), seconds=300.0)
    assert set(np.diff(ends.end_ms)) == {5 * MINUTE_MS}
    assert ends.end_ms.max() >= NOON_MS - 5 * MINUTE_MS
    again.close()
    once_more = Place(tmp_path, chosen(SIGNALS))
    assert once_more.refill.begin(NOON_MS)["level"] is Change.SAME
    once_more.close()


def test_begin_is_done_once(tmp_path: Path) -> None:
    place = Place(tmp_path, chosen(SIGNALS))
    assert len(place.refill.begin(NOON_MS)) == len(SIGNALS)
    assert place.refill.begin(NOON_MS + DAY_MS) == {}
    place.close()


def test_of_an_empty_history_there_is_nothing_to_do(tmp_path: Path) -> None:
    place = Place(tmp_path, chosen(SIGNALS))
    place.refill.begin(NOON_MS)
    assert not place.refill.waiting
    assert not place.refill.step()
    assert place.backfills["level"] == Backfill(BackfillSource.SAMPLES, 1.0)
    place.close()


def test_nothing_is_looked_for_before_the_oldest_sample(tmp_path: Path) -> None:
    place = Place(tmp_path, chosen({"level": LEVEL}))
    series = [Labels.of({NAME: "level", "target": "shop"})]
    place.history.append(Samples.at(series, NOON_MS - 7 * MINUTE_MS, [4.0]))
    place.refill.begin(NOON_MS)
    (fill,) = place.refill.waiting.values()
    assert NOON_MS - 12 * MINUTE_MS <= fill.since_ms < NOON_MS - 7 * MINUTE_MS
    assert place.refilled() == 1
    (only,) = place.history.windows("level", 0, NOON_MS, seconds=300.0).rows()
    assert (only.value, only.n) == (4.0, 1.0)
    place.close()


# --- stopped in the middle ---


def test_after_kill_9_it_goes_on_where_it_was(tmp_path: Path) -> None:
    given, rng = samples(0.5), random.Random(3)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for directory in (whole, killed):
        directory.mkdir()
        place = Place(directory, chosen(SIGNALS))
        place.history.append(given)
        if directory == whole:
            place.refill.begin(NOON_MS)
            place.refilled()
            expected = place.windows()
        place.close()
    for _ in range(3):
        assert pieces_until_killed(killed, rng.randrange(4, 9)) > 0
    place = Place(killed, chosen(SIGNALS))
    changes = place.refill.begin(NOON_MS)
    assert Change.UNFINISHED in changes.values()
    assert 0 < place.backfills["level"].done < 1  # what was done is not done again
    place.refilled()
    assert place.windows() == expected
    assert set(place.definitions.read()) == set(SIGNALS)
    assert all(one.is_done for one in place.definitions.read().values())
    place.close()


def pieces_until_killed(directory: Path, pieces: int) -> int:
    """Start a process that refills, kill it somewhere after so many pieces."""
    command = [sys.executable, "-m", "tests.detector.refills", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(pieces)]
        process.kill()
        told += process.stdout.readlines()
    return len([line for line in told if line.endswith("\n")])


def test_a_piece_whose_end_was_not_written_down_is_done_again(tmp_path: Path) -> None:
    place = Place(tmp_path, chosen({"lag": LAG}))
    place.history.append(samples(1))
    place.refill.begin(NOON_MS)
    place.refilled()
    done = place.windows()
    fill = place.definitions.read()["lag"]
    place.refill.waiting["lag"] = type(fill)(
        fill.signal, fill.fingerprint, fill.since_ms, fill.until_ms, fill.until_ms
    )
    place.refilled()
    assert place.windows() == done
    place.close()


def test_samples_are_not_needed_to_be_there(tmp_path: Path) -> None:
    place = Place(tmp_path, chosen({"level": LEVEL}))
    place.history.append(
        Samples.at([Labels.of({NAME: "level", "target": "shop"})], NOON_MS - 7 * DAY_MS, [4.0])
    )
    place.refill.begin(NOON_MS)
    place.refilled()
    assert len(place.history.samples([Selector("level")], 0, NOON_MS)) == 1
    (only,) = place.history.windows("level", 0, NOON_MS, seconds=300.0).rows()
    assert (only.value, only.n) == (4.0, 1.0)
    assert KEPT.samples_ms >= 7 * DAY_MS
    place.close()
