"""Silences of an Alertmanager: what they mute, and what holds while it cannot be asked."""

from dataclasses import replace

import pytest

from alerts.alert import Receiver
from alerts.foreign import ASK_EVERY_MS, HOLDS_MS, ForeignSilence, ForeignSilences
from detector.regression import Phase
from storage.series import Match, Matcher
from tests.alerts.incidents import incident, minutes, worse

NOW_MS = minutes(30)
SHOP = Matcher("service", Match.EQUAL, "shop")


def silence(*matchers: Matcher, ends: float = 60) -> ForeignSilence:
    return ForeignSilence(
        id="s-1",
        matchers=matchers,
        starts_ms=minutes(0),
        ends_ms=minutes(ends),
        created_by="ada",
        comment="load test",
    )


class Source:
    """An Alertmanager that says what it is told to."""

    receiver = Receiver("am", edits=True)

    def __init__(self, *silences: ForeignSilence) -> None:
        self.found: list[ForeignSilence] | Exception = list(silences)
        self.asked = 0

    def silences(self) -> list[ForeignSilence]:
        self.asked += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def known(*silences: ForeignSilence) -> ForeignSilences:
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
        (Matcher("alertname", Match.EQUAL, "api_p95_relative"), True),
        (Matcher("severity", Match.EQUAL, "warning"), True),
        (Matcher("team", Match.EQUAL, ""), True),
        (Matcher("route", Match.REGEX, r"\pL+("), False),
    ],
)
def test_a_silence_mutes_what_all_its_matchers_meet(matcher: Matcher, mutes: bool) -> None:
    assert (known(silence(SHOP, matcher)).muting(incident(), NOW_MS) is not None) == mutes


def test_a_silence_without_matchers_mutes_nothing() -> None:
    assert known(silence()).muting(incident(), NOW_MS) is None


def test_an_incident_is_muted_when_all_of_it_is() -> None:
    both = worse(incident())
    api = silence(SHOP, Matcher("signal", Match.EQUAL, "api_p95"))
    db = replace(api, id="s-2", matchers=(Matcher("signal", Match.EQUAL, "db_p95"),))
    assert known(api).muting(both, NOW_MS) is None
    found = known(api, replace(db, ends_ms=minutes(45))).muting(both, NOW_MS)
    assert found is not None
    assert found.id == "s-2", "the first to end says until when"
    # What is over does not have to be silenced.
    over = tuple(
        replace(one, phase=Phase.RESOLVED) if one.signal == "db_p95" else one
        for one in both.regressions
    )
    assert known(api).muting(replace(both, regressions=over), NOW_MS) is not None


def test_a_silence_holds_from_its_start_to_its_end() -> None:
    made = known(silence(SHOP, ends=31))
    assert made.muting(incident(), NOW_MS) is not None
    assert made.muting(incident(), minutes(31)) is None
    assert known(replace(silence(SHOP), starts_ms=minutes(31))).active(NOW_MS) == []


def test_what_was_read_holds_for_a_while_and_is_forgotten_then() -> None:
    source = Source(silence(SHOP))
    made = ForeignSilences([source])
    made.refresh(NOW_MS)
    source.found = OSError("HTTP 502 for https://user:secret@am.example")
    (trouble,) = made.refresh(NOW_MS + ASK_EVERY_MS).values()
    assert "502" in trouble
    assert "secret" not in trouble
    assert made.muting(incident(), NOW_MS + HOLDS_MS) is not None
    assert made.muting(incident(), NOW_MS + HOLDS_MS + 1) is None


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
    assert made.muting(incident(), NOW_MS) is not None
