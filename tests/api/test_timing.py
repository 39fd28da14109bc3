"""`Server-Timing`: where the time of an answer went, and nothing else."""

import re

import pytest

from api.timing import told
from storage.cost import TALLY, Part, Tally, counted, spent
from tests.api.asking import Client

FORM = re.compile(
    r"state;dur=(\d+\.\d), history;dur=(\d+\.\d), render;dur=(\d+\.\d), app;dur=(\d+\.\d+)"
)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/api/v1/regressions", {"state"}),
        ("/api/v1/judgements", {"history"}),
        ("/api/v1/signals/api_p95/windows", {"state", "history"}),
        ("/deployments", {"state"}),
        ("/api/v1/nope", set()),
        ("/api/v1/regressions?limit=x", set()),
        ("/static/nope.css", set()),
    ],
)
def test_every_answer_says_where_its_time_went(asked: Client, path: str, parts: set[str]) -> None:
    found = FORM.fullmatch(asked.get(path).headers["server-timing"])
    assert found is not None
    state, history, render, whole = map(float, found.groups())
    assert state > 0 or "state" not in parts  # who asks is looked up there too
    assert (history > 0) == ("history" in parts)
    assert 0 < state + history + render < whole + 0.2


def test_what_is_refused_at_the_door_has_it_too(asked: Client) -> None:
    refused = asked.get("/api/v1/regressions", headers={"host": "elsewhere.example"})
    assert refused.status_code == 421
    assert FORM.fullmatch(refused.headers["server-timing"])


def test_it_tells_names_and_numbers_only() -> None:
    assert told(Tally(), 0.00125) == "state;dur=0.0, history;dur=0.0, render;dur=1.2"


def test_the_inner_part_alone_is_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 1.0, 3.0, 7.0])
    monkeypatch.setattr("storage.cost.perf_counter", lambda: next(ticks))
    tally = Tally()
    held = TALLY.set(tally)
    try:
        with spent(Part.STATE), spent(Part.HISTORY):
            pass
    finally:
        TALLY.reset(held)
    assert tally.seconds == {Part.STATE: 1.0 + 4.0, Part.HISTORY: 2.0}


def test_nothing_is_counted_where_nobody_asks() -> None:
    @counted(Part.HISTORY)
    def read(number: int) -> int:
        return number + 1

    assert TALLY.get() is None
    assert read(1) == 2


def test_what_fails_is_charged_all_the_same() -> None:
    tally = Tally()
    held = TALLY.set(tally)
    try:
        with pytest.raises(ValueError, match="no"), spent(Part.STATE):
            raise ValueError("no")
        with spent(Part.HISTORY):
            pass
    finally:
        TALLY.reset(held)
    assert all(seconds > 0 for seconds in tally.seconds.values())
