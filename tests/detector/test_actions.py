"""Actions on a detector that runs: a new normal, a mute, what comes back within a week."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.actions import Action, Wish
from detector.exclusion import left_out, restarted
from detector.judgement import Background, Reason, Standing, Verdict
from detector.regression import Incident, Kind, Phase, Regression, Step
from storage.series import Labels
from tests.detector.regressions import regression, step
from tests.detector.watch import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    RISEN,
    SERIES,
    Watch,
    definitions,
)
from tests.notation import array

QUICK = {name: value for name, value in RISEN.items() if name != "critical"}


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = Watch(tmp_path, definitions({"risen": QUICK}))
    yield made
    made.close()


def at(minute: float) -> int:
    return NOON_MS + round(minute * MINUTE_MS)


def act(watch: Watch, action: Action, minute: float, **more: Any) -> Regression:
    one = watch.regressions()[-1]
    wish = Wish(action=action, actor="ada", at_ms=at(minute), reason="known", **more)
    with watch.state.unit() as session:
        found = watch.book.act(session, one.id, wish)
    assert found is not None
    return found


def steps(watch: Watch, one: Regression) -> list[Step]:
    with watch.state.reading() as session:
        return [step.step for step in watch.book.transitions(session, one.id)]


def incident(watch: Watch, one: Regression) -> Incident:
    with watch.state.reading() as session:
        found = watch.book.incident(session, one.incident_id)
    assert found is not None
    return found


def lived(watch: Watch, text: str, first: int = 1) -> None:
    """A window a minute with these values, and a tick every five minutes and at the end."""
    values = array(text)
    last = first + len(values) - 1
    there = [(at(first + i), value) for i, value in enumerate(values.tolist()) if value == value]
    watch.windows([end for end, _ in there], [value for _, value in there], seconds=60.0)
    for minute in range(first, last + 1):
        if minute % 5 == 0 or minute == last:
            watch.detector.tick(at(minute))


def risen(watch: Watch) -> Regression:
    """A level that has risen from 10 to 13 at noon and stays there, found within ten minutes."""
    watch.past("10")
    lived(watch, "13x10")
    (one,) = watch.regressions()
    assert one.phase is Phase.OPEN
    return one


def lasting(watch: Watch, days: int, value: float) -> None:
    """Windows of so many days after noon."""
    ends = range(NOON_MS + 5 * MINUTE_MS, NOON_MS + days * DAY_MS + 1, 5 * MINUTE_MS)
    watch.windows(list(ends), [value] * len(ends))


def test_an_accepted_level_is_the_normal_from_where_it_changed(watch: Watch) -> None:
    risen(watch)
    accepted = act(watch, Action.ACCEPT, 11)
    assert accepted.accepted_from_ms == accepted.began_hi_ms
    lasting(watch, 4, 13.0)
    # On the first day there is no normal yet, and nothing is opened.
    row = watch.judgement(12, "risen")
    assert (row.verdict, row.reason) == (Verdict.UNKNOWN, Reason.TOO_LITTLE_HISTORY)
    # Two days later the windows before the change are not in it, and those since are enough.
    minute = 2 * 24 * 60 + 120
    lived(watch, "13x9", minute - 9)
    row = watch.judgement(minute, "risen")
    assert (row.baseline, row.verdict) == (13.0, Verdict.STEADY)
    assert row.days < 5
    (one,) = watch.regressions()
    assert one.phase is Phase.ACCEPTED


def test_what_gets_worse_than_the_new_normal_is_a_new_regression(watch: Watch) -> None:
    first = risen(watch)
    act(watch, Action.ACCEPT, 11)
    lasting(watch, 4, 13.0)
    minute = 3 * 24 * 60 + 120
    lived(watch, "17x10", minute - 9)
    _, second = watch.regressions()
    assert second.id != first.id
    assert second.baseline == 13.0


def test_without_acceptance_the_old_normal_stays(watch: Watch) -> None:
    risen(watch)
    lasting(watch, 4, 13.0)
    minute = 3 * 24 * 60 + 120
    lived(watch, "13x9", minute - 9)
    assert watch.judgement(minute, "risen").baseline == 10.0
    (one,) = watch.regressions()
    assert one.phase is Phase.OPEN


def test_the_tick_after_an_acceptance_opens_nothing(watch: Watch) -> None:
    risen(watch)
    act(watch, Action.ACCEPT, 11)
    lived(watch, "13x20", 11)
    assert len(watch.regressions()) == 1


def test_a_false_positive_stays_quiet_while_it_lasts_and_counts_as_normal(watch: Watch) -> None:
    one = risen(watch)
    act(watch, Action.FALSE_POSITIVE, 11)
    lived(watch, "13x20", 11)
    (same,) = watch.regressions()
    assert (same.phase, steps(watch, one)) == (
        Phase.FALSE_POSITIVE,
        [Step.OPENED, Step.FALSE_POSITIVE],
    )
    assert left_out([same], at(30)) == {}
    # After it was clear once the same thing is told again.
    lived(watch, "10x20 14x20", 31)
    (again,) = watch.regressions()
    assert (again.id, again.phase, again.version) == (one.id, Phase.REOPENED, 2)


def test_what_is_resolved_by_hand_and_still_there_comes_back_after_half_an_hour(
    watch: Watch,
) -> None:
    one = risen(watch)
    act(watch, Action.RESOLVE, 11)
    lived(watch, "13x30", 11)
    assert watch.regressions()[0].phase is Phase.RESOLVED
    lived(watch, "13x5", 41)
    (again,) = watch.regressions()
    assert (again.id, again.phase, again.version) == (one.id, Phase.REOPENED, 2)
    assert again.earlier == ((one.began_lo_ms, at(11)),)
    assert again.incident_id == one.incident_id
    assert incident(watch, again).phase is Phase.OPEN


def test_what_comes_back_within_a_week_is_the_same_and_its_spans_stay_out_of_the_normal(
    watch: Watch,
) -> None:
    one = risen(watch)
    lived(watch, "13x20 10x20 14x30", 11)
    (again,) = watch.regressions()
    assert (again.id, again.version) == (one.id, 2)
    assert steps(watch, one)[:3] == [Step.OPENED, Step.RESOLVED, Step.REOPENED]
    spans = left_out([again], at(80))[SERIES]
    assert spans == [(one.began_lo_ms, again.earlier[0][1]), (again.began_lo_ms, at(80))]


def test_what_comes_back_after_more_than_a_week_is_another(watch: Watch) -> None:
    one = risen(watch)
    lived(watch, "13x20 10x25", 11)
    assert watch.regressions()[0].phase is Phase.RESOLVED
    lasting(watch, 9, 10.0)
    minute = 8 * 24 * 60 + 120
    lived(watch, "14x10", minute - 9)
    assert [each.version for each in watch.regressions()] == [1, 1]
    assert len({each.id for each in watch.regressions()}) == 2
    assert one.id == watch.regressions()[0].id


def test_a_mute_is_one_edit_and_nothing_after_it_until_it_ends(watch: Watch) -> None:
    one = risen(watch)
    before = incident(watch, one).version
    act(watch, Action.MUTE, 11, until_ms=at(75))
    assert incident(watch, one).version == before + 1
    assert incident(watch, one).is_muted
    lived(watch, "13x30 20x34", 11)
    assert incident(watch, one).version == before + 1
    watch.ticks(75, 75)
    assert not incident(watch, one).is_muted
    assert incident(watch, one).version > before + 1
    assert steps(watch, one) == [Step.OPENED, Step.MUTED, Step.ESCALATED, Step.UNMUTED]


def test_a_series_that_falls_silent_is_marked_and_can_be_resolved_by_hand(watch: Watch) -> None:
    one = risen(watch)
    for minute in (60, 65, 70, 75, 80):
        watch.detector.tick(at(minute))
    (silent,) = watch.regressions()
    assert silent.phase is Phase.OPEN
    assert steps(watch, one) == [Step.OPENED, Step.NO_DATA]
    assert act(watch, Action.RESOLVE, 81).phase is Phase.RESOLVED


def test_an_improvement_is_kept_and_told_to_nobody(watch: Watch) -> None:
    watch.past("10")
    lived(watch, "7x12")
    (one,) = watch.regressions()
    assert (one.kind, one.phase, one.incident_id) == (Kind.IMPROVEMENT, Phase.OPEN, "")
    with watch.state.reading() as session:
        assert watch.book.unannounced(session) == []
        assert watch.book.open_regressions(session) == []
        assert watch.book.count_open(session) == 0
    # Its windows are normal: nothing is frozen, and nothing left out.
    assert left_out([one], at(12)) == {}


def test_a_suspicion_has_no_incident_until_it_is_confirmed(watch: Watch) -> None:
    one = regression(phase=Phase.SUSPECTED, labels=SERIES, signal="level", rule="risen")
    with watch.state.unit() as session:
        stored = watch.book.open(session, one, step(one, Step.SUSPECTED))
        assert stored.incident_id == ""
        assert watch.book.unannounced(session) == []
        opened = replace(stored, phase=Phase.OPEN)
        watch.book.save(session, opened, [step(opened)])
        (told,) = watch.book.unannounced(session)
    assert [each.id for each in told.regressions] == [one.id]


def background(days: int) -> Background:
    return Background(np.ones(1), np.ones(1), np.ones(1), np.array([days]))


@pytest.mark.parametrize(
    ("age_days", "days", "standing"),
    [
        (0.5, 1, Standing.COLD),
        (0.9, 2, Standing.WARMING),
        (1.2, 2, Standing.READY),
        (4.2, 3, Standing.READY),
        (4.3, 3, Standing.WARMING),
        (9, 4, Standing.WARMING),
        (9, 5, Standing.READY),
    ],
)
def test_after_acceptance_fewer_days_are_asked_for(
    age_days: float, days: int, standing: Standing
) -> None:
    accepted = regression(
        phase=Phase.ACCEPTED,
        labels=SERIES,
        signal="level",
        accepted_from_ms=NOON_MS - HOUR_MS - round(age_days * DAY_MS),
    )
    found = restarted(background(days), [SERIES], "level", [accepted], NOON_MS)
    assert found.standing(0) is standing
    elsewhere = restarted(background(days), [SERIES], "another", [accepted], NOON_MS)
    assert elsewhere.needed is None


def test_what_was_there_when_it_was_accepted_is_part_of_the_new_normal() -> None:
    accepted = regression(
        phase=Phase.ACCEPTED, labels=SERIES, resolved_ms=at(60), accepted_from_ms=at(-15)
    )
    other = regression(rule="another", labels=SERIES)
    later = regression(100, rule="later", labels=SERIES)
    foreign = regression(labels=Labels.of(target="till"))
    found = left_out([accepted, other, later, foreign], at(200))
    assert found == {
        SERIES: [(0, at(-15)), (at(80), at(200))],
        Labels.of(target="till"): [(at(-20), at(200))],
    }
