"""Troubles of Plimsoll itself: opened beyond their limit, told like incidents, over when gone."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from alerts.alert import Outcome
from alerts.heartbeat import Beat, Heartbeats
from alerts.troubles import SILENT_MS, Symptom, TroubleKind, Troubles
from alerts.watch_config import HeartbeatConfig, OwnConfig
from storage.state import State
from tests.alerts.books import opened
from tests.alerts.desk import Desk
from tests.alerts.incidents import incident
from tests.slack_fake import Refused

DOWN, LATE = TroubleKind.COLLECTOR_DOWN, TroubleKind.DETECTOR_LATE
LIMITS = dict.fromkeys(TroubleKind, 60.0)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = opened(f"sqlite:///{tmp_path / 'state.sqlite3'}")
    yield made
    made.close()


def down(seconds: float, reporter: str = "") -> Symptom:
    return Symptom(kind=DOWN, subject="shop", seconds=seconds, reporter=reporter)


def noted(state: State, symptoms: list[Symptom], now_ms: int, reporter: str = "") -> list[str]:
    with state.unit() as session:
        return Troubles().note(session, symptoms, LIMITS, now_ms, reporter)


def test_a_trouble_is_opened_beyond_its_limit_and_over_when_it_is_gone(state: State) -> None:
    assert noted(state, [down(59)], 0) == []
    (id_,) = noted(state, [down(60)], 1000)
    assert noted(state, [down(70)], 11_000) == []
    assert noted(state, [], 21_000) == [id_]
    with state.reading() as session:
        over = Troubles().incident(session, id_)
    assert over is not None
    assert over.resolved_ms == 21_000
    (again,) = noted(state, [down(90)], 31_000)
    assert again != id_


def test_a_trouble_that_one_process_sees_is_over_when_it_says_so_or_falls_silent(
    state: State,
) -> None:
    (id_,) = noted(state, [down(60, "a")], 0, "a")
    assert noted(state, [], 10_000, "b") == []
    assert noted(state, [], SILENT_MS + 1, "b") == [id_]
    (second,) = noted(state, [down(60, "a")], SILENT_MS + 2, "a")
    assert noted(state, [], SILENT_MS + 3, "a") == [second]


def test_a_trouble_is_claimed_once(state: State) -> None:
    noted(state, [down(60)], 0)
    with state.unit() as session:
        (one,) = Troubles().unannounced(session)
        assert [Troubles().claim(session, one) for _ in range(2)] == [True, False]
        assert Troubles().unannounced(session) == []


def test_troubles_that_are_over_for_long_are_forgotten(state: State) -> None:
    noted(state, [down(60)], 0)
    noted(state, [], 1000)
    noted(state, [down(60)], 2000)
    with state.unit() as session:
        assert Troubles().retain(session, 1001) == 1
        assert len(Troubles().open(session)) == 1


def test_a_target_that_is_down_is_told_and_its_end_too(desk: Desk) -> None:
    limit = OwnConfig().collector_down
    assert desk.alerts.watch([down(limit - 1)], desk.now) == []
    assert desk.alerts.watch([down(limit)], desk.now)
    assert desk.metric("plimsoll_troubles_open", kind="plimsoll_collector_down") == 1
    assert [str(one.reason) for one in desk.announce()] == ["opened"]
    assert desk.deliver() == [Outcome.SENT]
    assert "Collector down" in desk.slack.messages()[0].text
    assert "plimsoll_collector_down" in str(desk.slack.messages()[0].attachments)
    desk.alerts.watch([], desk.now)
    desk.tell()
    assert desk.slack.messages()[0].text.startswith("Resolved")
    assert len(desk.slack.messages()) == 1


def test_a_message_that_waits_too_long_is_a_trouble_and_so_is_a_broken_receiver(
    desk: Desk,
) -> None:
    desk.slack.always("chat.postMessage", Refused("invalid_auth"))
    desk.tell(incident())
    desk.wait(59)
    assert desk.alerts.watch([], desk.now) == []
    desk.wait(1)
    (broken,) = desk.alerts.watch([], desk.now)
    desk.wait(540)
    (stuck,) = desk.alerts.watch([], desk.now)
    with desk.state.reading() as session:
        found = {one.id: one.regressions[0].rule for one in Troubles().open(session)}
    assert found == {
        broken: TroubleKind.RECEIVER_BROKEN.value,
        stuck: TroubleKind.OUTBOX_STUCK.value,
    }


def test_nothing_is_noted_where_it_is_switched_off(desk: Desk) -> None:
    desk.reconfigure(desk.config.model_copy(update={"own": OwnConfig(enabled=False)}))
    assert desk.alerts.watch([down(10_000)], desk.now) == []


@contextmanager
def listening(status: int) -> Iterator[tuple[str, list[str]]]:
    heard: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/ping/secret", heard
        server.shutdown()
        thread.join()


def heartbeat(url: str) -> HeartbeatConfig:
    return HeartbeatConfig(name="cron", url=SecretStr(url), url_file=None, interval=60)


def test_a_sign_of_life_is_sent_at_its_interval_and_withheld_while_plimsoll_is_ill() -> None:
    with listening(204) as (url, heard):
        beats = Heartbeats((heartbeat(url),))
        assert beats.beat(0, well=True) == [("cron", Beat.SENT)]
        assert beats.beat(59_999, well=True) == []
        assert beats.beat(60_000, well=False) == [("cron", Beat.WITHHELD)]
        assert beats.beat(120_000, well=True) == [("cron", Beat.SENT)]
    assert heard == ["/ping/secret"] * 2


def test_a_sign_of_life_that_does_not_arrive_is_counted_and_its_address_never_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with listening(500) as (url, _):
        assert Heartbeats((heartbeat(url),)).beat(0, well=True) == [("cron", Beat.REFUSED)]
    assert Heartbeats((heartbeat(url),)).beat(0, well=True) == [("cron", Beat.UNREACHABLE)]
    assert "secret" not in caplog.text + repr(heartbeat(url))


def test_no_sign_of_life_is_given_while_the_detector_is_late(desk: Desk) -> None:
    with listening(200) as (url, heard):
        desk.reconfigure(desk.config.model_copy(update={"heartbeats": (heartbeat(url),)}))
        late = Symptom(kind=LATE, subject="detector", seconds=OwnConfig().detector_late)
        desk.alerts.watch([late], desk.now)
        assert heard == []
        desk.wait(60)
        desk.alerts.watch([], desk.now)
        assert heard == ["/ping/secret"]
    assert desk.metric("plimsoll_heartbeats_total", heartbeat="cron", outcome="withheld") == 1
    assert desk.metric("plimsoll_heartbeats_total", heartbeat="cron", outcome="sent") == 1
