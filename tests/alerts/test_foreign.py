"""Silences of an Alertmanager: what they mute, and what holds while it cannot be asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from alerts.alert import Receiver
from alerts.foreign import ASK_EVERY_MS, HOLDS_MS, ForeignSilences
from alerts.silence import Silence, SilenceKind, silenced
from alerts.subject import labels_of
from storage.series import Match, Matcher
from tests.alerts.books import opened
from tests.alerts.house import CHAT, Deciding
from tests.alerts.incidents import NOON, incident, minutes, ms

NOW_MS = minutes(30)
SHOP = Matcher("service", Match.EQUAL, "shop")


def silence(*matchers: Matcher, ends: float = 60) -> Silence:
    return Silence(
        id="s-1",
        kind=SilenceKind.SILENCE,
        matchers=matchers,
        starts_ms=minutes(0),
        ends_ms=minutes(ends),
        created_by="ada",
        comment="load test",
        created_ms=minutes(0),
        updated_ms=minutes(0),
    )


class Source:
    """An Alertmanager that says what it is told to."""

    receiver = Receiver("am", edits=True)

    def __init__(self, *silences: Silence) -> None:
        self.found: list[Silence] | Exception = list(silences)
        self.asked = 0

    def silences(self) -> list[Silence]:
        self.asked += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def known(*silences: Silence) -> ForeignSilences:
    made = ForeignSilences([Source(*silences)])
    assert made.refresh(NOW_MS) == {}
    return made


@pytest.mark.parametrize(
    ("matcher", "mutes"),
    [
        (SHOP, True),
        (Matcher("service", Match.NOT_EQUAL, "shop"), False),
        (Matcher("route", Match.REGEX, "/c.*"), True),
        (Matcher("route", Match.REGEX, "cart"), False),
        (Matcher("route", Match.NOT_REGEX, "/x.*"), True),
        (Matcher("severity", Match.EQUAL, "warning"), True),
        (Matcher("team", Match.EQUAL, ""), True),
    ],
)
def test_a_silence_mutes_what_all_its_matchers_meet(matcher: Matcher, mutes: bool) -> None:
    (one,) = known(silence(SHOP, matcher)).active(NOW_MS)
    (regression,) = incident().regressions
    found = silenced([one], labels_of(regression, "inc"), NOW_MS)
    assert (found is not None) == mutes


def test_a_silence_without_matchers_mutes_nothing() -> None:
    assert known(silence()).active(NOW_MS) == []


def test_a_silence_holds_from_its_start_to_its_end() -> None:
    made = known(silence(SHOP, ends=31))
    assert [one.id for one in made.active(NOW_MS)] == ["am:s-1"]
    assert made.active(minutes(31)) == []
    assert known(replace(silence(SHOP), starts_ms=minutes(31))).active(NOW_MS) == []


def test_none_is_said_to_end_later_than_the_next_ten_minutes() -> None:
    """Somebody may end it earlier there, and what it kept quiet is looked at again at its end."""
    (one,) = known(silence(SHOP, ends=600)).active(NOW_MS)
    assert 0 < one.ends_ms - NOW_MS <= HOLDS_MS
    assert one.ends_ms % HOLDS_MS == 0


def test_what_was_read_holds_for_a_while_and_is_forgotten_then() -> None:
    source = Source(silence(SHOP))
    made = ForeignSilences([source])
    made.refresh(NOW_MS)
    source.found = OSError("HTTP 502 for https://user:secret@am.example")
    (trouble,) = made.refresh(NOW_MS + ASK_EVERY_MS).values()
    assert "502" in trouble
    assert "secret" not in trouble
    assert made.active(NOW_MS + HOLDS_MS)
    assert not made.active(NOW_MS + HOLDS_MS + 1)


def test_it_is_asked_at_most_every_half_minute() -> None:
    source = Source(silence(SHOP))
    made = ForeignSilences([source])
    for at_ms in (0, 1, ASK_EVERY_MS - 1, ASK_EVERY_MS):
        made.refresh(NOW_MS + at_ms)
    assert source.asked == 2


def test_one_that_cannot_be_asked_keeps_no_other_from_being_asked() -> None:
    broken, good = Source(), Source(silence(SHOP))
    broken.found = ValueError("silences without 'id'")
    broken.receiver, good.receiver = Receiver("a", edits=True), Receiver("b", edits=True)
    made = ForeignSilences([broken, good])
    assert list(made.refresh(NOW_MS)) == ["a"]
    assert [one.id for one in made.active(NOW_MS)] == ["b:s-1"]


@pytest.mark.parametrize(
    "routing",
    [None, {"route": {"receiver": "chat", "group_wait": "1s", "group_interval": "1s"}}],
    ids=["everybody", "by routes"],
)
def test_what_somebody_silenced_there_is_told_here_once_it_has_ended_there(
    tmp_path: Path, routing: dict[str, object] | None
) -> None:
    state = opened(f"sqlite:///{tmp_path / 'state.sqlite3'}")
    at_ms = ms(NOON)
    forever = replace(silence(SHOP), starts_ms=at_ms - 1, ends_ms=at_ms + 10**9)
    source = Source(forever)
    foreign = ForeignSilences([source])
    foreign.refresh(at_ms)
    deciding = Deciding(state, routing, (CHAT,), foreign)
    deciding.decide(incident())
    deciding.wait(5)
    told = deciding.told()
    source.found = []
    deciding.wait(30)
    foreign.refresh(ms(deciding.now))
    assert told == []
    deciding.wait(HOLDS_MS / 1000)
    assert ("chat", "post", "opened") in deciding.told()
    state.close()
