"""The source as REST, pages, metrics, health and the terminal tell of it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from api import main
from api.app import create_app
from api.document import Document
from api.house import House
from api.kept import LATE_MS
from api.loops import LoopMeters, Loops
from api.serve import build
from api.settings import build as settings_of
from detector.judgement import Reason
from detector.ledger import Wanted
from detector.run import TICK, milliseconds
from storage.duration import written
from tests.api.asking import Client
from tests.detector.reading import LEVEL, NOW_MS, level_everywhere
from tests.front import Front, Told, front

NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
DELAY = timedelta(seconds=40)
RULE = {
    "signal": "level",
    "trigger": {"absolute": {"above": 5}},
    "sustain": {"for": "5m"},
    "clear": {"level": 4, "for": "5m"},
}


@pytest.fixture
def engine() -> Iterator[Front]:
    with front(level_everywhere) as made:
        yield made


class Clock:
    at = NOW + DELAY

    def __call__(self) -> datetime:
        return self.at


def house_for(directory: Path, url: str, **more: Any) -> House:
    data = {
        "storage": {"directory": str(directory), "prometheus": {"url": url, **more}},
        "collector": {"host": False},
        "detector": {"shipped": False},
        "signals": {"level": LEVEL, "lowest": {**LEVEL, "stat": "min"}},
        "rules": {"level_high": RULE},
    }
    return build(settings_of(Document(data=data)), now=Clock())


def test_ticks_judge_what_the_source_brought_and_wait_for_it(engine: Front, tmp_path: Path) -> None:
    house = house_for(tmp_path, engine.url)
    assert house.source is not None
    with closing(house.file), closing(house.state), closing(house.source.client):
        loops = Loops(house, LoopMeters(CollectorRegistry()))
        assert house.settings.delay == 40
        loops.judge_due(NOW + DELAY - timedelta(seconds=1))
        with house.state.reading() as session:
            assert house.book.progress_ms(session, TICK) == NOW_MS - 60_000
        loops.judge_due(NOW + DELAY)
        with house.state.reading() as session:
            assert house.book.progress_ms(session, TICK) == NOW_MS
            (found,) = house.book.open_regressions(session)
        assert found.labels.get("target") == "shop:8000"
        assert found.value == 7.0


def test_ticks_go_on_while_the_source_is_down_and_say_no_data(
    engine: Front, tmp_path: Path
) -> None:
    house = house_for(tmp_path, engine.url)
    assert house.source is not None
    with closing(house.file), closing(house.state), closing(house.source.client):
        loops = Loops(house, LoopMeters(CollectorRegistry()))
        loops.judge_due(NOW + DELAY)
        engine.answer = lambda _: Told(503)
        for minute in range(1, 7):
            loops.judge_due(NOW + DELAY + timedelta(minutes=minute))
        with house.state.reading() as session:
            assert house.book.progress_ms(session, TICK) == NOW_MS + 6 * 60_000
            assert len(house.book.open_regressions(session)) == 1, "nothing resolves by silence"
        newest = house.ledger.read(Wanted(since_ms=NOW_MS + 60_000))
        assert {one.reason for one in newest} == {Reason.NO_DATA}


def test_baselines_are_made_anew_when_a_past_is_there(engine: Front, tmp_path: Path) -> None:
    house = house_for(tmp_path, engine.url)
    assert house.source is not None
    with closing(house.file), closing(house.state), closing(house.source.client):
        loops = Loops(house, LoopMeters(CollectorRegistry()))
        loops.judge_due(NOW + DELAY)
        assert {one.days for one in house.detector.readings["level"]} == {1}
        while house.source.backfill(milliseconds(NOW + DELAY)):
            pass
        loops.judge_due(NOW + DELAY + timedelta(minutes=1))
        assert {one.days for one in house.detector.readings["level"]} == {7}


def test_rest_page_and_metrics_tell_how_it_goes(
    engine: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = house_for(tmp_path, engine.url, insecure_skip_verify=True)
    assert house.source is not None
    with closing(house.file), closing(house.state), closing(house.source.client):
        Loops(house, LoopMeters(CollectorRegistry())).judge_due(NOW + DELAY)
        house.source.backfill(milliseconds(NOW + DELAY))
        client = Client(create_app(house))
        source = client.get("/api/v1/source").json()["source"]
        page = client.get("/").text
        metrics = client.get("/metrics").text
        engine.answer = lambda _: Told(200, b"<html>Sign in</html>")
        house.source.catch_up(milliseconds(NOW + DELAY + timedelta(minutes=1)))
        # For so long the overview may tell what was.
        monkeypatch.setattr(Clock, "at", NOW + DELAY + timedelta(milliseconds=LATE_MS))
        down = client.get("/api/v1/source").json()["source"]
        down_page = client.get("/").text
        ready = client.get("/readyz").status_code
    assert (source["state"], source["engine"], source["url"]) == ("up", "prometheus", engine.url)
    assert 0 < source["read_ratio"] < 1
    assert source["insecure"] is True
    assert [(one["signal"], one["state"]) for one in source["signals"]] == [
        ("level", "read"), ("lowest", "read"),
    ]  # fmt: skip
    assert source["signals"][0]["scrape_interval_seconds"] == 15
    assert source["signals"][0]["newest_data"] == "2026-03-03T00:00:00Z"
    assert "Reading the past:" in page
    assert "insecure_skip_verify" in page
    assert "has data" in page
    assert "plimsoll_source_up 1.0" in metrics
    assert 'plimsoll_source_queries_total{outcome="answered"}' in metrics
    assert (down["state"], down["outcome"]) == ("down", "html")
    assert down["text"].startswith("down: a web page came instead of an answer")
    assert down["next_attempt"] is not None
    assert "a web page came instead" in down_page
    assert ready == 200, "restarting cures no source"


def test_without_a_source_there_is_none(tmp_path: Path) -> None:
    data = {"storage": {"directory": str(tmp_path)}, "collector": {"host": False}}
    house = build(settings_of(Document(data=data)), now=Clock())
    with closing(house.file), closing(house.state):
        assert Client(create_app(house)).get("/api/v1/source").json() == {"source": None}
        assert house.settings.delay == 10


def test_what_is_said_at_the_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"storage": {"prometheus": {"url": "https://mimir/prometheus"}}}
    settings = settings_of(Document(data=data))
    main.greet(settings)
    said = capsys.readouterr()
    count = len(settings.definitions.signals)
    assert f"Reading {count} signals from https://mimir/prometheus: first the last" in said.out
    assert written(7 * 86_400) in said.out
    assert "warning" not in said.err
    data["storage"]["prometheus"]["insecure_skip_verify"] = True  # type: ignore[assignment]
    main.greet(settings_of(Document(data=data)))
    assert "insecure_skip_verify" in capsys.readouterr().err
