"""Annotations of a running Plimsoll: what Grafana has after rounds, failures and kill -9."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from api.annotating import AnnotationMeters, Annotator
from api.house import House
from api.loops import LoopMeters, Loops
from dashboards.config import GrafanaConfig
from dashboards.grafana import Refusal
from dashboards.marks import BY_ID, MOST
from detector.regression import Phase, Regression
from detector.tables import RegressionRow
from tests.alerts.incidents import CART
from tests.api.shop import NOW, deployment
from tests.grafana_fake import EDITOR, VIEWER, Answer, FakeGrafana

SAVE, LOOK = "POST /annotations", "GET /annotations"
MINUTE = timedelta(minutes=1)
NOW_MS = round(NOW.timestamp() * 1000)
OPEN = replace(
    CART, incident_id="", opened_ms=NOW_MS - 600_000, began_lo_ms=NOW_MS - 900_000,
    began_hi_ms=NOW_MS - 840_000, updated_ms=NOW_MS, resolved_ms=None, phase=Phase.OPEN,
)  # fmt: skip


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    with FakeGrafana() as made:
        yield made


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def annotator(house: House, grafana: FakeGrafana, registry: CollectorRegistry) -> Annotator:
    """A fresh one on a house with a deployment and an open regression."""
    put(house, OPEN)
    with house.state.unit() as session:
        house.book.add_deployment(session, deployment("shop", "2.7.1", NOW_MS - 900_000))
    return Annotator(house, config_of(grafana), AnnotationMeters(registry))


def config_of(grafana: FakeGrafana, token: str = EDITOR) -> GrafanaConfig:
    return GrafanaConfig.model_validate({"url": grafana.url, "token": token, "timeout": "2s"})


def put(house: House, *regressions: Regression) -> None:
    with house.state.unit() as session:
        for one in regressions:
            session.merge(RegressionRow.of(one))


def ids(grafana: FakeGrafana) -> list[str]:
    """The ids that the annotations carry."""
    return sorted(
        tag.removeprefix(BY_ID)
        for one in grafana.annotations.values()
        for tag in one["tags"]
        if tag.startswith(BY_ID)
    )


def test_a_round_writes_each_once_and_the_next_one_asks_nothing(
    annotator: Annotator, grafana: FakeGrafana, registry: CollectorRegistry
) -> None:
    assert annotator.round(NOW) == 30.0
    assert len(ids(grafana)) == 2
    span = next(one for one in grafana.annotations.values() if "regression" in one["tags"])
    assert span["time"] == OPEN.began_lo_ms
    assert span["timeEnd"] == NOW_MS // 300_000 * 300_000
    before = list(grafana.calls)
    assert annotator.round(NOW + timedelta(seconds=30)) == 30.0
    assert grafana.calls == before
    told = {"fate": "created"}
    assert registry.get_sample_value("plimsoll_grafana_annotations_total", told) == 2
    done = registry.get_sample_value("plimsoll_grafana_done_timestamp_seconds")
    assert done == NOW.timestamp()


def test_an_open_span_grows_every_five_minutes_and_ends_with_the_regression(
    annotator: Annotator, grafana: FakeGrafana, house: House
) -> None:
    annotator.round(NOW)
    annotator.round(NOW + 5 * MINUTE)
    assert grafana.writes().count(SAVE) == 2
    assert [one for one in grafana.writes() if one.startswith("PATCH")] == ["PATCH /annotations/2"]
    over_ms = NOW_MS + 400_000
    put(house, replace(OPEN, phase=Phase.RESOLVED, resolved_ms=over_ms))
    annotator.round(NOW + 10 * MINUTE)
    assert grafana.annotations[2]["timeEnd"] == over_ms
    writes = len(grafana.writes())
    annotator.round(NOW + 20 * MINUTE)
    assert len(grafana.writes()) == writes


def test_a_suspicion_is_not_told_and_what_is_open_is_told_however_old(
    annotator: Annotator, grafana: FakeGrafana, house: House
) -> None:
    old = replace(OPEN, id="reg_old", fingerprint="old", opened_ms=NOW_MS - 30 * 86_400_000)
    put(
        house,
        old,
        replace(OPEN, id="reg_maybe", fingerprint="maybe", phase=Phase.SUSPECTED),
        replace(old, id="reg_gone", fingerprint="gone", phase=Phase.RESOLVED, resolved_ms=NOW_MS),
    )
    annotator.round(NOW)
    assert {one for one in ids(grafana) if one.startswith("reg")} == {OPEN.id, "reg_old"}


@pytest.mark.parametrize(
    "lost", [Answer(502, "", done=True), Answer(200, done=True, drop=True)], ids=["502", "dropped"]
)
def test_a_write_whose_answer_was_lost_is_not_done_twice(
    annotator: Annotator, grafana: FakeGrafana, lost: Answer
) -> None:
    grafana.misbehave(SAVE, lost)
    assert annotator.round(NOW) == 30.0
    annotator.round(NOW + MINUTE)
    assert len(ids(grafana)) == len(set(ids(grafana))) == 2


def test_of_two_with_one_id_the_older_one_stays(
    annotator: Annotator, grafana: FakeGrafana, registry: CollectorRegistry
) -> None:
    annotator.round(NOW)
    grafana.annotations[77] = dict(grafana.annotations[2])
    annotator.round(NOW + 2 * timedelta(hours=1))
    assert sorted(grafana.annotations) == [1, 2]
    told = {"fate": "removed"}
    assert registry.get_sample_value("plimsoll_grafana_annotations_total", told) == 1


def test_what_somebody_deleted_in_grafana_is_back_within_an_hour(
    annotator: Annotator, grafana: FakeGrafana, house: House
) -> None:
    put(house, replace(OPEN, phase=Phase.RESOLVED, resolved_ms=NOW_MS))
    annotator.round(NOW)
    grafana.annotations.clear()
    annotator.round(NOW + 59 * MINUTE)
    assert ids(grafana) == []
    annotator.round(NOW + 61 * MINUTE)
    assert len(ids(grafana)) == 2


@pytest.mark.parametrize(
    ("answers", "token", "reason"),
    [
        ([Answer(503, "")] * 3, EDITOR, Refusal.SERVER),
        ([Answer(429, {"message": "slow"})] * 3, EDITOR, Refusal.BUSY),
        ([Answer(200, "<html>")], EDITOR, Refusal.NOT_GRAFANA),
        ([Answer(200, [{"id": 1, "tags": []}] * MOST)], EDITOR, Refusal.TOO_MANY),
        ([], "glsa_unknown", Refusal.UNAUTHORIZED),
        ([], VIEWER, Refusal.FORBIDDEN),
    ],
)
def test_a_failure_is_counted_by_its_reason_told_once_and_tried_again_later_and_later(
    annotator: Annotator,
    grafana: FakeGrafana,
    registry: CollectorRegistry,
    caplog: pytest.LogCaptureFixture,
    answers: list[Answer],
    token: str,
    reason: Refusal,
) -> None:
    annotator.config = config_of(grafana, token)
    annotator.wait = lambda seconds: None  # type: ignore[method-assign]
    pauses = []
    with caplog.at_level(logging.WARNING, logger="api.annotating"):
        for number in range(7):
            grafana.misbehave(LOOK, *answers)
            pauses.append(annotator.round(NOW + number * MINUTE))
    assert pauses == [30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0]
    assert len(caplog.records) == 1
    assert token not in caplog.text
    told = {"reason": str(reason)}
    assert registry.get_sample_value("plimsoll_grafana_failures_total", told) == 7
    assert registry.get_sample_value("plimsoll_grafana_done_timestamp_seconds") == 0
    annotator.config = config_of(grafana)
    assert annotator.round(NOW + 8 * MINUTE) == 30.0
    assert len(ids(grafana)) == 2


def test_an_annotation_that_is_refused_does_not_stop_the_others_and_is_written_later(
    annotator: Annotator, grafana: FakeGrafana, registry: CollectorRegistry
) -> None:
    grafana.misbehave(SAVE, Answer(400, {"message": "no"}))
    annotator.round(NOW)
    assert len(ids(grafana)) == 1
    told = {"reason": "invalid"}
    assert registry.get_sample_value("plimsoll_grafana_failures_total", told) == 1
    annotator.round(NOW + MINUTE)
    assert len(ids(grafana)) == 2


def test_nothing_is_written_any_more_after_stop(annotator: Annotator, grafana: FakeGrafana) -> None:
    def stop(call: str) -> None:
        if call == SAVE:
            annotator.stop()

    grafana.done = stop
    annotator.round(NOW)
    assert len(grafana.annotations) == 1


def test_the_loop_runs_only_where_a_grafana_is_configured_and_wants_them(
    house: House, grafana: FakeGrafana
) -> None:
    def loops(**keys: Any) -> Loops:
        given = config_of(grafana).model_copy(update=keys)
        dashboards = house.settings.dashboards.model_copy(update={"grafana": given})
        settings = replace(house.settings, dashboards=dashboards)
        return Loops(replace(house, settings=settings), LoopMeters(CollectorRegistry()))

    put(house, OPEN)
    assert Loops(house, LoopMeters(CollectorRegistry())).annotator is None
    assert loops(annotations=False).annotator is None
    wanted = loops()
    assert asyncio.run(wanted.annotate()) == 30.0
    assert ids(grafana) == [OPEN.id]
    wanted.stop()
    assert wanted.annotator is not None
    assert wanted.annotator._stopping.is_set()


ROUND = """
import sys
from pathlib import Path
from datetime import datetime
from prometheus_client import CollectorRegistry
from api.annotating import AnnotationMeters, Annotator
from dashboards.config import GrafanaConfig
from tests.api.shop import empty_house
house = empty_house(Path(sys.argv[1]))
config = GrafanaConfig.model_validate({"url": sys.argv[2], "token": sys.argv[3]})
Annotator(house, config, AnnotationMeters(CollectorRegistry())).round(house.now())
"""


def test_a_process_that_is_killed_between_a_write_and_its_answer_writes_nothing_twice(
    house: House, grafana: FakeGrafana, tmp_path: Path
) -> None:
    """Kill -9 after the last write; the process after it finds both, and writes nothing."""
    with house.state.unit() as session:
        house.book.add_deployment(session, deployment("shop", "2.7.1", NOW_MS - 900_000))
    put(house, OPEN)
    house.file.close()
    children: list[subprocess.Popen[bytes]] = []

    def kill(call: str) -> None:
        if grafana.calls.count(SAVE) == 2 and call == SAVE:
            os.kill(children[-1].pid, signal.SIGKILL)

    grafana.done = kill
    command = [sys.executable, "-c", ROUND, str(tmp_path), grafana.url, EDITOR]
    ends: list[int] = []
    for _ in range(2):
        children.append(subprocess.Popen(command))
        ends.append(children[-1].wait(60))
    assert ends == [-signal.SIGKILL, 0]
    assert grafana.calls.count(SAVE) == 2
    assert len(ids(grafana)) == len(set(ids(grafana))) == 2
