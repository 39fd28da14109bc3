"""Who has series of its own, and for how long."""

from collector.postgres.ranking import CROWD, HOUR_MS, STAY_MS, Ranking, Statement

MINUTE_MS = 60_000


def name(number: int) -> Statement:
    return "shop", f"{number:016d}"


def test_those_that_take_most_time_are_shown() -> None:
    ranking = Ranking(2)
    assert set(ranking.note({name(1): 1.0, name(2): 3.0, name(3): 2.0}, 0)) == {name(2), name(3)}
    assert set(ranking.shown) == {name(2), name(3)}


def test_whoever_is_shown_stays_for_a_day() -> None:
    ranking = Ranking(1)
    ranking.note({name(1): 5.0}, 0)
    ranking.note({name(2): 1.0}, HOUR_MS)
    assert set(ranking.shown) == {name(1), name(2)}
    ranking.note({name(2): 1.0}, STAY_MS)
    assert set(ranking.shown) == {name(2)}


def test_what_is_an_hour_ago_does_not_count() -> None:
    ranking = Ranking(1)
    ranking.note({name(1): 100.0}, 0)
    assert ranking.note({name(2): 1.0}, HOUR_MS - 1) == []
    assert ranking.note({name(2): 1.0}, HOUR_MS) == [name(2)]
    assert ranking.active() == [name(2)]


def test_a_crowd_never_grows_beyond_three_times_the_number() -> None:
    ranking = Ranking(2)
    for minute in range(40):
        ranking.note({name(minute): 1000.0 + minute}, minute * MINUTE_MS)
        assert len(ranking.shown) <= CROWD * 2
    assert name(39) in ranking.shown
    assert name(0) not in ranking.shown


def test_the_same_notes_give_the_same_order() -> None:
    ties = {name(number): 1.0 for number in range(9)}
    assert Ranking(3).note(ties, 0) == Ranking(3).note(dict(reversed(ties.items())), 0)
