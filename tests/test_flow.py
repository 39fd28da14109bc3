"""The whole way on a simulated clock: from a page that is scraped to what Slack shows."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from api.document import Document
from api.house import House
from api.loops import LoopMeters, Loops
from api.serve import build
from api.settings import build as settings_of
from detector.regression import Deployment, Phase
from detector.run import milliseconds
from storage.history import Samples
from tests.slack_fake import CHANNEL, TOKEN, FakeSlack
from tests.traffic import DAY_MS, MINUTE_MS, requests

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
STEP = timedelta(minutes=1)
BEFORE, AFTER = timedelta(hours=1), timedelta(minutes=75)
SLOW = timedelta(minutes=70)  # what is over within an hour went away by itself


class Shop:
    """A shop whose counters are known for all times, as a page for one time."""

    def __init__(self, start_ms: int, end_ms: int, slow_ms: range) -> None:
        def checkout(times: np.ndarray) -> np.ndarray:
            slow = (times >= slow_ms.start) & (times < slow_ms.stop)
            return np.where(slow, 0.13, 0.10)

        def steady(times: np.ndarray) -> np.ndarray:
            return np.full(len(times), 0.10)

        self.routes = [
            requests("shop", "/checkout", start_ms, end_ms, median_seconds=checkout, seed=1),
            requests("shop", "/cart", start_ms, end_ms, median_seconds=steady, seed=2),
        ]
        self.page = b""

    def until(self, at_ms: int) -> list[Samples]:
        """The samples up to a time."""
        parts = []
        for one in self.routes:
            kept = one.at_ms <= at_ms
            parts.append(Samples(one.series, one.index[kept], one.at_ms[kept], one.values[kept]))
        return parts

    def show(self, at_ms: int) -> None:
        """Put the counters of that minute on the page."""
        minute_ms = at_ms // MINUTE_MS * MINUTE_MS
        lines = []
        for one in self.routes:
            for row in np.flatnonzero(one.at_ms == minute_ms):
                labels = one.series[int(one.index[row])]
                if labels.metric.startswith("http_"):
                    lines.append(f"{labels.without('target')} {float(one.values[row])!r}")
        self.page = ("\n".join(lines) + "\n").encode()


@pytest.fixture
def shop() -> Iterator[tuple[Shop, str]]:
    start_ms, noon_ms = milliseconds(NOON) - 8 * DAY_MS, milliseconds(NOON)
    slow = range(noon_ms, noon_ms + round(SLOW.total_seconds() * 1000))
    made = Shop(start_ms, slow.stop + round(AFTER.total_seconds() * 1000) + MINUTE_MS, slow)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(made.page)))
            self.end_headers()
            self.wfile.write(made.page)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield made, f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()


def house_for(directory: Path, page_url: str, slack: FakeSlack) -> House:
    data = {
        "storage": {"directory": str(directory)},
        "collector": {
            "host": False,  # the machine that runs the tests has loads of its own
            "interval": "60s",
            "targets": [{"name": "shop", "url": page_url}],
        },
        "alerts": {
            "slack": {"bot_token": TOKEN, "channel": CHANNEL, "api_url": slack.api_url},
        },
    }
    return build(settings_of(Document(data=data)), now=lambda: NOON)


async def live(house: House, loops: Loops, shop: Shop, now: datetime) -> None:
    """One step of everything that `api.loops` does, at `now`."""
    shop.show(milliseconds(now))
    await asyncio.gather(*house.collector.start_due(now))
    loops.judge_due(now)
    house.alerts.deliver(now)


async def tell(house: House, shop: Shop, slack: FakeSlack) -> dict[str, datetime]:
    """Live through the story; when the first message came, and when it was edited."""
    loops = Loops(house, LoopMeters(CollectorRegistry()))
    seen: dict[str, datetime] = {}
    now = NOON - BEFORE
    while now <= NOON + SLOW + AFTER:
        if now == NOON:
            with house.state.unit() as session:
                house.book.add_deployment(
                    session,
                    Deployment(id="d1", service="shop", version="1.5.0", at_ms=milliseconds(now)),
                )
        await live(house, loops, shop, now)
        if slack.messages():
            seen.setdefault("posted", now)
        if any(message.edited for message in slack.messages()):
            seen.setdefault("edited", now)
        now += STEP
    await house.collector.stop()
    return seen


@pytest.mark.timeout(240)
def test_a_step_of_30_percent_is_one_message_and_its_end_is_an_edit(
    tmp_path: Path, shop: tuple[Shop, str]
) -> None:
    page, url = shop
    with FakeSlack() as slack:
        house = house_for(tmp_path, url, slack)
        with closing(house.file), closing(house.state):
            start_ms = milliseconds(NOON - BEFORE)
            for samples in page.until(start_ms):
                house.history.append(samples)
            house.refill.begin(start_ms)
            while house.refill.step():
                pass
            seen = asyncio.run(tell(house, page, slack))
            with house.state.reading() as session:
                (incident,) = house.book.incidents(session, True)

        (message,) = slack.messages()
        # After 45 minutes at the soonest; the window is read some seconds after its end.
        assert timedelta(minutes=45) <= seen["posted"] - NOON <= timedelta(minutes=50)
        (reply,) = slack.thread(message)
        assert reply.text.startswith("*Resolved*: ")
        assert slack.counted("chat.postMessage") == 2  # the message, and the reply in its thread
        assert slack.counted("chat.update") == 1
        assert seen["edited"] > NOON + SLOW
        assert "/checkout" in message.text
        assert "shop 1.5.0" in message.shown
        assert "esolved" in message.text

        assert incident.phase is Phase.RESOLVED
        assert incident.deployment is not None
        by_rule = {one.rule: one for one in incident.regressions}
        # All judge the requests of the one route that got slower, and it is told once.
        assert set(by_rule) == {
            "api_response_time_regression",
            "api_response_time_change",
            "api_mean_time_regression",
            "api_mean_time_change",
        }
        assert {one.labels.get("route") for one in incident.regressions} == {"/checkout"}
        slowed = by_rule["api_response_time_regression"]
        assert slowed.began_lo_ms <= milliseconds(NOON) <= slowed.began_hi_ms
        assert slowed.baseline == pytest.approx(0.196, rel=0.02)
