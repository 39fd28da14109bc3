"""The shop with people who are told of it: receivers, a tree, silences, and a trouble of our own.

What is posted to the receivers is refused, as nothing listens at their addresses: so one of them
waits, which a page has to show.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alerts.config import AlertsConfig
from alerts.silence import Silence, SilenceKind
from alerts.troubles import Symptom, TroubleKind
from api.house import House
from api.moments import milliseconds
from collector.config import CollectorConfig
from collector.rum.beacon import decode
from collector.rum.views import Sender
from storage.series import Match, Matcher
from tests.api.shop import DAY_MS, NOW, shop_house
from tests.api.test_queries import SLOW, TEXT, labels, put
from tests.collector.rum.sending import ORIGIN, whole

ALERTS: dict[str, Any] = {
    "receivers": [
        {"name": "team", "webhook": {"url": "http://127.0.0.1:9/team?key=hidden"}},
        {"name": "pager", "webhook": {"url": "http://127.0.0.1:9/pager"}},
    ],
    "routing": {
        "route": {
            "receiver": "team",
            "group_by": ["service"],
            "group_wait": "0s",
            "routes": [
                {
                    "matchers": ['severity="critical"'],
                    "receiver": "pager",
                    "continue": True,
                    "escalate": {"after": "30m", "to": "team"},
                },
                {
                    "matchers": ['service=~"shop|stock"'],
                    "routes": [{"matchers": ['alertname="cpu_high"'], "repeat_interval": "1d"}],
                },
            ],
        }
    },
}

COLLECTOR: dict[str, Any] = {
    "rum": {
        "apps": [{"name": "shop", "key": "k1", "origins": [ORIGIN], "routes": ["/", "/cart/:id"]}]
    }
}
VIEWS, HALF_HOUR_MS = 60, 1_800_000


def desk_house(directory: Path, now: Callable[[], datetime] | None = None) -> House:
    """The shop after a round of deciding and delivering."""
    house = shop_house(
        directory,
        now,
        alerts=AlertsConfig.model_validate(ALERTS),
        collector=CollectorConfig.model_validate(COLLECTOR),
    )
    for seconds, days in ((60, 0.1), (300, 2), (3600, 8)):
        put(house, "db_statement_time", labels(SLOW), 0.2, 10, seconds, days)
    house.statements.note("main", {("shop", SLOW): TEXT}, milliseconds(house.now()) - DAY_MS)
    moment = house.now()
    view(house, milliseconds(moment))
    for silence in silences(moment):
        with house.state.unit() as session:
            house.alerts.silences.create(session, silence)
    trouble = Symptom(
        kind=TroubleKind.COLLECTOR_DOWN, subject="stock", seconds=900.0, detail="refused"
    )
    house.alerts.watch([trouble], moment)
    house.alerts.recover(moment)
    house.alerts.announce(moment)
    house.alerts.announce(moment + timedelta(seconds=60))
    house.alerts.deliver(moment + timedelta(seconds=61))
    return house


def view(house: House, now_ms: int) -> None:
    """Some people have looked at the shop half an hour ago, and gone again."""
    for number in range(VIEWS):
        seen = whole(f"view-{number:06}", lcp_ms=1500.0 + 40 * number, rel="web@1")
        sent, sender = decode(json.dumps(seen).encode()), Sender(number, "chrome", "ZZ")
        house.rum.take(sent, ORIGIN.encode(), sender, now_ms - HALF_HOUR_MS, robot=False)
    house.rum.settle(now_ms, VIEWS)


def silences(moment: datetime) -> list[Silence]:
    """One in force, one to come, one that is over."""
    shop = Matcher("service", Match.EQUAL, "billing")
    return [
        made("load test, ticket 4711", SilenceKind.SILENCE, (shop,), moment, 4),
        made("deploy 2.8.0", SilenceKind.MAINTENANCE, (shop,), moment + timedelta(hours=20), 1),
        made("", SilenceKind.MAINTENANCE, (shop,), moment - timedelta(hours=9), 1),
    ]


def made(
    comment: str, kind: SilenceKind, matchers: tuple[Matcher, ...], starts: datetime, hours: int
) -> Silence:
    """A silence from a time on."""
    now_ms = milliseconds(min(starts, NOW.astimezone(UTC)))
    return Silence(
        id="",
        kind=kind,
        matchers=matchers,
        starts_ms=milliseconds(starts),
        ends_ms=milliseconds(starts + timedelta(hours=hours)),
        created_by="ada",
        comment=comment,
        created_ms=now_ms,
        updated_ms=now_ms,
    )
