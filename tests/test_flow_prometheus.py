"""The whole way with a Prometheus alone: eight days in it, and a regression at the end."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from api.document import Document
from api.house import House
from api.loops import LoopMeters, Loops
from api.serve import build
from api.settings import build as settings_of
from detector.regression import Phase
from detector.run import milliseconds
from storage.history import Samples
from storage.series import Labels
from tests.servers import load_openmetrics, prometheus
from tests.traffic import DAY_MS, MINUTE_MS, requests

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
NOON_MS = milliseconds(NOON)
START_MS, END_MS = NOON_MS - 8 * DAY_MS, NOON_MS + 60 * MINUTE_MS
DELAY = timedelta(seconds=40)


def checkout() -> Samples:
    """A route that is a third slower from noon on."""

    def median_seconds(times: np.ndarray) -> np.ndarray:
        return np.where(times > NOON_MS, 0.13, 0.10)

    return requests("shop:8000", "/checkout", START_MS, END_MS, median_seconds=median_seconds)


def openmetrics(samples: Samples) -> str:
    """As an exporter's series stand in a Prometheus: `instance`, not `target`."""
    lines = []
    for number, labels in enumerate(samples.series):
        named = {("instance" if n == "target" else n): v for n, v in labels}
        mine = samples.index == number
        shown = str(Labels.of(named))
        times, values = samples.at_ms[mine].tolist(), samples.values[mine].tolist()
        lines += [f"{shown} {v!r} {at // 1000}" for at, v in zip(times, values, strict=True)]
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("prometheus")
    load_openmetrics(openmetrics(checkout()), directory)
    with prometheus(directory) as url:
        yield url


def house_for(directory: Path, url: str) -> House:
    data = {
        "storage": {"directory": str(directory), "prometheus": {"url": url}},
        "collector": {"host": False},
    }
    return build(settings_of(Document(data=data)), now=lambda: NOON)


@pytest.mark.timeout(240)
def test_a_regression_in_a_prometheus_is_opened_with_the_time_it_began(
    tmp_path: Path, source: str
) -> None:
    house = house_for(tmp_path, source)
    assert house.source is not None
    with closing(house.file), closing(house.state):
        loops, now = Loops(house, LoopMeters(CollectorRegistry())), NOON - timedelta(minutes=2)
        loops.judge_due(now + DELAY)
        while house.source.backfill(milliseconds(now + DELAY)):
            pass
        assert house.source.share_read(milliseconds(now + DELAY)) == 1
        while now < NOON + timedelta(minutes=55):
            now += timedelta(minutes=1)
            loops.judge_due(now + DELAY)
        with house.state.reading() as session:
            found = {one.rule: one for one in house.book.open_regressions(session)}

    assert set(found) == {
        "api_response_time_regression",
        "api_response_time_change",
        "api_mean_time_regression",
        "api_mean_time_change",
    }
    slowed = found["api_response_time_regression"]
    assert slowed.phase is Phase.OPEN
    assert slowed.labels.get("target") == "shop:8000"
    assert slowed.began_lo_ms <= NOON_MS <= slowed.began_hi_ms
    assert slowed.began_hi_ms - slowed.began_lo_ms <= 10 * MINUTE_MS
    assert slowed.baseline == pytest.approx(0.196, rel=0.02)
    assert slowed.evidence["days"] == 7
    house.source.client.close()
