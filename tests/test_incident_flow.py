"""The whole way of an incident: one cause, several regressions, one message that is edited."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.house import House
from detector.finding import Check, Match, OriginReason, OriginVerdict
from detector.incident_tables import Step
from detector.regression import Incident
from tests.api.chain import (
    BILLING,
    CHECKOUT,
    DEPLOYED_MS,
    ORDERS,
    ROWS,
    SEARCH,
    SESSIONS,
    chain_house,
    deploy,
)
from tests.api.shop import MINUTE_MS
from tests.slack_fake import CHANNEL, TOKEN, FakeSlack


class Told:
    """What came of the story: the incidents, and the channel after each minute."""

    def __init__(self, house: House, slack: FakeSlack) -> None:
        self.house, self.slack = house, slack
        self.posts: list[tuple[int, int]] = []
        # Every minute while something happens, every fifth while nothing does.
        for minute in (*range(55), *range(55, 100, 5), *range(100, 118)):
            tick_ms = DEPLOYED_MS + minute * MINUTE_MS
            if tick_ms == DEPLOYED_MS:
                deploy(house)
            now = datetime.fromtimestamp(tick_ms / 1000, UTC)
            house.detector.tick(tick_ms)
            house.alerts.announce(now)
            house.alerts.deliver(now)
            counts = len(slack.messages()), slack.counted("chat.update")
            self.posts.append(counts)
        with house.state.reading() as session:
            self.incidents = house.book.incidents(session, True)

    def of(self, labels: object) -> Incident:
        (one,) = [i for i in self.incidents if any(r.labels == labels for r in i.regressions)]
        return one


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with FakeSlack() as slack:
        alerts = {"slack": {"bot_token": TOKEN, "channel": CHANNEL, "api_url": slack.api_url}}
        house = chain_house(tmp_path_factory.mktemp("chain"), alerts=alerts)
        with closing(house.file), closing(house.state):
            yield Told(house, slack)


def test_what_rests_on_each_other_is_one_incident_and_strangers_stay_apart(told: Told) -> None:
    chain, billing, search = told.of(SESSIONS), told.of(BILLING), told.of(SEARCH)
    assert {r.labels for r in chain.regressions} == {SESSIONS, ORDERS, CHECKOUT}
    assert {r.labels for r in billing.regressions} == {BILLING}
    assert {r.labels for r in search.regressions} == {SEARCH}
    assert len(told.incidents) == 3


def test_the_cache_is_the_origin_with_its_reasons(told: Told) -> None:
    origin = told.of(SESSIONS).finding.origin
    (first,) = [r for r in told.of(SESSIONS).regressions if r.id == origin.regression_id]
    assert first.labels == SESSIONS
    assert origin.verdict is OriginVerdict.PROBABLE
    # With 35 minutes behind each, the times at which they set in are told apart, too.
    assert origin.reasons == (
        OriginReason.EARLIEST,
        OriginReason.DEEPEST,
        OriginReason.DEPLOYMENT_FITS,
    )


def test_the_deployment_is_correlated_and_probable_after_both_comparisons(told: Told) -> None:
    (one,) = told.of(SESSIONS).finding.correlations
    assert (one.service, one.version, one.match) == ("sessions", "7.2.0", Match.SAME_SERVICE)
    assert (one.slots.check, one.slots.days) == (Check.PASSED, 7)
    assert (one.peers.check, one.peers.count, one.peers.moved) == (Check.PASSED, 1, 0)
    assert one.slots.change == pytest.approx(0.82, abs=0.02)
    assert one.probable


def test_a_stranger_of_the_same_minutes_is_correlated_with_less(told: Told) -> None:
    (one,) = told.of(BILLING).finding.correlations
    assert one.match is Match.OTHER_SERVICE
    assert one.score < 0.26
    assert told.of(SEARCH).finding.correlations == ()


def test_each_incident_is_one_post_and_what_joins_is_an_edit(told: Told) -> None:
    posts, edits = told.posts[-1]
    assert posts == 3
    assert edits >= 2
    (message,) = [one for one in told.slack.messages() if "hit rate" in one.text]
    assert message.edited
    assert "with 4 more regressions after it" in message.text
    assert "correlated with sessions 7.2.0, deployed 12:00 UTC (probable: unlike" in message.text
    assert "*Probable origin*\nCache hit rate on sessions:" in message.shown
    for title in ("Database p95", "API p95"):
        assert title in message.shown
    assert "caused" not in message.shown


def test_every_step_is_kept_in_its_order(told: Told) -> None:
    with told.house.state.reading() as session:
        steps = told.house.book.grouping.steps(session, told.of(SESSIONS).id)
    words = [one.step for one in steps]
    assert words[0] is Step.OPENED
    assert words.count(Step.JOINED) == 4
    assert {Step.ORIGIN, Step.CORRELATED, Step.TESTED} <= set(words)
    assert [one.at_ms for one in steps] == sorted(one.at_ms for one in steps)
    ties = {one.evidence["bond"] for one in steps if one.step is Step.JOINED}
    assert ties == {"declared_dependency", "same_service"}


def test_nothing_is_new_when_a_tick_is_repeated(told: Told) -> None:
    told.house.detector.tick(DEPLOYED_MS + 117 * MINUTE_MS)
    told.house.detector.tick(DEPLOYED_MS + 40 * MINUTE_MS)
    with told.house.state.reading() as session:
        assert told.house.book.incidents(session, True) == told.incidents


def test_without_declarations_the_chain_is_found_by_kinds(tmp_path: Path) -> None:
    chain_only = [one for one in ROWS if one[1] in (SESSIONS, ORDERS, CHECKOUT)]
    house = chain_house(tmp_path, needs=None, rows=chain_only)
    with closing(house.file), closing(house.state):
        for tick_ms in range(DEPLOYED_MS, DEPLOYED_MS + 51 * MINUTE_MS, MINUTE_MS):
            house.detector.tick(tick_ms)
        with house.state.reading() as session:
            found = house.book.incidents(session, True)
    (chain,) = found
    assert {r.labels for r in chain.regressions} == {SESSIONS, ORDERS, CHECKOUT}
    assert chain.finding.origin.verdict is OriginVerdict.PROBABLE
