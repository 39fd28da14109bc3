"""Reading from a source: the past, then only what is new; resumed, repeated, refused, recovered."""

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from detector.coverage import Coverage
from detector.track import SourceState
from storage.config import Engine
from storage.matrix import Outcome
from tests.detector.engines import Program, exposition
from tests.detector.reading import (
    DAY_MS,
    DELAY_MS,
    HOUR_MS,
    LAG,
    LEVEL,
    MINUTE_MS,
    NOW_MS,
    Reader,
    level_everywhere,
    reader,
)
from tests.front import Answer, Asked, Front, Told, failed, front, passing_on, said
from tests.servers import import_prometheus, load_openmetrics, prometheus, victoriametrics

ASKED_MS = NOW_MS + DELAY_MS


@pytest.fixture
def engine() -> Iterator[Front]:
    """An engine in which a level is 7 at all times."""
    with front(level_everywhere) as made:
        yield made


def spans(front: Front, step: float) -> list[tuple[int, int]]:
    """What was asked for in windows of a length, once for each window query, as (start, end] ms."""
    return [
        (round(float(one.form["start"]) * 1000 - step * 1000), round(float(one.form["end"]) * 1000))
        for one in front.ranges()
        if float(one.form["step"]) == step and "count_over_time" not in one.form["query"]
    ]


# --- the past ----------------------------------------------------------------------------------


def test_the_past_is_read_once_newest_first_and_without_a_gap(
    engine: Front, tmp_path: Path
) -> None:
    with reader(tmp_path, engine.url, concurrency=1) as one:
        one.source.catch_up(ASKED_MS)
        assert one.source.share_read(ASKED_MS) == 0
        one.backfill(ASKED_MS)
        assert one.source.share_read(ASKED_MS) == 1
        long, short = one.windows("level", 300.0), one.windows("level")
        hours = one.windows("level", 3600.0)
    fine, coarse = spans(engine, 60.0), spans(engine, 300.0)
    assert fine[0] == (NOW_MS - 2 * HOUR_MS, NOW_MS)
    assert fine == sorted(fine, reverse=True)
    assert coarse == sorted(coarse, reverse=True)
    for later, earlier in pairwise([*fine, *coarse]):
        assert earlier[1] == later[0], "neither a gap nor anything twice"
    assert coarse[-1][0] <= NOW_MS - 7 * DAY_MS
    assert all(end - start <= DAY_MS for start, end in coarse)
    # In long windows everything is there, whichever way it came.
    assert [w.end_ms for w in long] == list(range(coarse[-1][0] + 300_000, NOW_MS + 1, 300_000))
    assert len(short) == (NOW_MS - fine[-1][0]) // MINUTE_MS
    assert {(w.value, w.n) for w in short} == {(7.0, 4.0)}
    assert {str(w.labels) for w in [*long, *short]} == {'{target="shop:8000"}'}
    assert [w.end_ms for w in hours][-1] == NOW_MS
    assert len(hours) >= 7 * 24


def test_a_backfill_that_was_cut_goes_on_where_it_was(engine: Front, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    signals = {"level": LEVEL, "lowest": {**LEVEL, "stat": "min"}}
    with reader(whole, engine.url, signals) as one:
        one.source.catch_up(ASKED_MS)
        one.backfill(ASKED_MS)
        expected = {name: one.windows(name, 300.0) for name in signals}
    at_once = sorted((spans(engine, 60.0), spans(engine, 300.0)))
    engine.requests.clear()
    shares = []
    for _ in range(30):
        with reader(parts, engine.url, signals) as one:
            one.source.catch_up(ASKED_MS)
            shares.append(one.source.share_read(ASKED_MS))
            if shares[-1] == 1:
                break
            one.backfill(ASKED_MS, rounds=1)
    with reader(parts, engine.url, signals) as one:
        found = {name: one.windows(name, 300.0) for name in signals}
    assert len(shares) > 4
    assert shares == sorted(shares)
    assert found == expected
    in_parts = sorted((spans(engine, 60.0), spans(engine, 300.0)))
    assert [sorted(one) for one in in_parts] == [sorted(one) for one in at_once]


def test_windows_that_were_stored_but_not_noted_are_read_again(
    engine: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise SystemExit

    with reader(tmp_path, engine.url) as one, monkeypatch.context() as patched:
        patched.setattr(Coverage, "add", killed)
        with pytest.raises(SystemExit):
            one.source.catch_up(ASKED_MS)
    with reader(tmp_path, engine.url) as one:
        before = one.windows("level")
        assert one.source.catch_up(ASKED_MS) == len(before) == 120
        assert one.windows("level") == before


def test_a_signal_that_is_defined_anew_is_read_anew(engine: Front, tmp_path: Path) -> None:
    with reader(tmp_path, engine.url) as one:
        one.source.catch_up(ASKED_MS)
        one.backfill(ASKED_MS)
    engine.requests.clear()
    with reader(tmp_path, engine.url, {"level": {**LEVEL, "title": "Level"}}) as one:
        assert one.source.share_read(ASKED_MS) == 1
    with reader(tmp_path, engine.url, {"level": {**LEVEL, "metric": 'level{a="b"}'}}) as one:
        assert one.source.share_read(ASKED_MS) == 0


def test_the_first_signals_are_whole_before_the_last_are_begun(
    engine: Front, tmp_path: Path
) -> None:
    signals = {"level": LEVEL, "lowest": {**LEVEL, "stat": "min"}}
    with reader(tmp_path, engine.url, signals, concurrency=1) as one:
        one.source.catch_up(ASKED_MS)
        while not one.source.past_changed.is_set():
            one.source.backfill(ASKED_MS)
        read = {s.signal: s.share_read for s in one.source.status(ASKED_MS).signals}
    assert read["level"] == 1
    assert read["lowest"] < 0.1


# --- what is new -------------------------------------------------------------------------------


def test_after_the_past_only_what_is_new_is_asked_for(engine: Front, tmp_path: Path) -> None:
    with reader(tmp_path, engine.url) as one:
        one.source.catch_up(ASKED_MS)
        one.backfill(ASKED_MS)
        asked = []
        for minute in range(1, 11):
            engine.requests.clear()
            for second in (0, 2, 4):  # three rounds of the loop
                now_ms = ASKED_MS + minute * MINUTE_MS + second * 1000
                one.source.catch_up(now_ms)
                assert one.source.backfill(now_ms) is False
            asked.append([request.points for request in engine.requests])
    # Value and count, a point each; every five minutes the last ten are read again.
    assert asked == [[1, 1]] * 4 + [[10, 10]] + [[1, 1]] * 4 + [[10, 10]]


def test_a_window_is_not_asked_for_before_its_samples_can_be_there(
    engine: Front, tmp_path: Path
) -> None:
    with reader(tmp_path, engine.url) as one:
        one.source.catch_up(ASKED_MS - 1)
        assert max(w.end_ms for w in one.windows("level")) == NOW_MS - MINUTE_MS


def test_the_gap_after_a_downtime_is_filled(engine: Front, tmp_path: Path) -> None:
    with reader(tmp_path, engine.url) as one:
        one.source.catch_up(ASKED_MS)
        one.backfill(ASKED_MS)
    engine.requests.clear()
    later_ms = ASKED_MS + 26 * HOUR_MS
    with reader(tmp_path, engine.url) as one:
        one.source.catch_up(later_ms)
        one.backfill(later_ms)
        ends = [w.end_ms for w in one.windows("level", 300.0)]
    assert ends[-1] == NOW_MS + 26 * HOUR_MS
    assert {later - earlier for earlier, later in pairwise(ends)} == {300_000}
    assert sum(request.points for request in engine.ranges()) < 2 * (26 * 12 + 8 * 60)


def test_an_outage_of_the_source_leaves_no_gap(engine: Front, tmp_path: Path) -> None:
    with reader(tmp_path, engine.url) as one:
        one.source.catch_up(ASKED_MS)
        one.backfill(ASKED_MS)
        engine.answer = lambda _: Told(503)
        for minute in range(1, 200):
            one.source.catch_up(ASKED_MS + minute * MINUTE_MS)
        assert one.windows("level")[-1].end_ms == NOW_MS, "nobody answered: no windows, no zeros"
        engine.answer = level_everywhere
        later_ms = ASKED_MS + 210 * MINUTE_MS
        one.source.catch_up(later_ms)
        one.backfill(later_ms)
        ends = [w.end_ms for w in one.windows("level")]
    assert ends == list(range(ends[0], NOW_MS + 210 * MINUTE_MS + 1, MINUTE_MS))


def test_samples_that_come_late_are_read_again(tmp_path: Path) -> None:
    program = Program("shop:8000").run(NOW_MS - HOUR_MS, NOW_MS + 11 * MINUTE_MS, seed=1)
    late_from_ms, late_to_ms = NOW_MS + 2 * MINUTE_MS, NOW_MS + 4 * MINUTE_MS
    late = [one for one in program.samples if late_from_ms < one.at_ms <= late_to_ms]
    in_time = [one for one in program.samples if one not in late]
    with victoriametrics(tmp_path) as url:
        import_prometheus(url, exposition(in_time, per_second=False))
        with reader(tmp_path / "a", url, {"lag": LAG, "level": LEVEL}) as one:
            for minute in range(10):
                one.source.catch_up(ASKED_MS + minute * MINUTE_MS)
                if minute == 7:
                    import_prometheus(url, exposition(late, per_second=False))
            before = {w.end_ms: (w.value, w.n) for w in one.windows("level")}
            counts = {w.end_ms: w.n for w in one.windows("lag")}
            one.source.catch_up(ASKED_MS + 10 * MINUTE_MS)
            after = {w.end_ms: (w.value, w.n) for w in one.windows("level")}
            counts_after = {w.end_ms: w.n for w in one.windows("lag")}
            long = {w.end_ms: w.n for w in one.windows("level", 300.0)}
    missing = {NOW_MS + 3 * MINUTE_MS, NOW_MS + 4 * MINUTE_MS}
    assert not missing & set(before)
    assert set(after) - set(before) == {*missing, NOW_MS + 10 * MINUTE_MS}
    assert {end: after[end] for end in before} == before
    assert counts_after[NOW_MS + 5 * MINUTE_MS] < counts[NOW_MS + 5 * MINUTE_MS] / 2
    assert long[NOW_MS + 5 * MINUTE_MS] == 20  # the long window is made anew as well


# --- against a real Prometheus -----------------------------------------------------------------


def test_a_real_prometheus_is_read_through_a_proxy_with_a_tenant(tmp_path: Path) -> None:
    program = Program("shop:8000").run(NOW_MS - 9 * HOUR_MS, NOW_MS, seed=2)
    load_openmetrics(exposition(program.samples, per_second=True), tmp_path)
    signals = {"lag": LAG, "level": LEVEL}
    with prometheus(tmp_path) as upstream, passing_on(upstream) as there, front(there) as proxy:
        more = {"tenant": "shop", "token": "abc"}
        with reader(tmp_path / "a", f"{proxy.url}/prometheus", signals, **more) as one:
            one.source.catch_up(ASKED_MS)
            one.backfill(ASKED_MS)
            assert one.source.engine is Engine.PROMETHEUS
            assert one.state("lag", ASKED_MS) == "read"
            status = one.source.status(ASKED_MS)
            windows = one.windows("lag", 300.0)
    assert {s.scrape_seconds for s in status.signals} == {15.0}
    assert len({w.end_ms for w in windows}) in (107, 108)  # nine hours, less the first sample
    assert all(len(w.bounds) == 4 for w in windows)
    for request in proxy.requests:
        assert request.path.startswith("/prometheus/api/v1/query")
        assert request.headers["x-scope-orgid"] == "shop"
        assert request.headers["authorization"] == "Bearer abc"


# --- failing -----------------------------------------------------------------------------------


def paused_seconds(one: Reader, now_ms: int) -> float:
    return (one.source.status(now_ms).next_attempt_ms - now_ms) / 1000


def test_a_source_that_fails_is_left_alone_for_longer_and_longer(
    engine: Front, tmp_path: Path
) -> None:
    engine.answer = lambda _: Told(503)
    with reader(tmp_path, engine.url) as one:
        now_ms, pauses = ASKED_MS, []
        for _ in range(9):
            one.source.catch_up(now_ms)
            assert one.source.backfill(now_ms) is False
            pauses.append(paused_seconds(one, now_ms))
            one.source.catch_up(now_ms + 1000)
            now_ms = one.source.status(now_ms).next_attempt_ms
        status = one.source.status(now_ms)
        assert (status.state, status.outcome) == (SourceState.DOWN, Outcome.UNAVAILABLE)
        assert one.counted("plimsoll_source_up") == 0
        assert one.counted("plimsoll_source_queries_total", outcome="unavailable") == 9
        assert len(engine.requests) == 9, "one query finds out"
        engine.answer = level_everywhere
        assert one.source.catch_up(now_ms) > 0
        assert one.source.status(now_ms).state is SourceState.UP
        assert one.counted("plimsoll_source_up") == 1
        engine.answer = lambda _: Told(503)
        later_ms = now_ms + MINUTE_MS
        one.source.catch_up(later_ms)
        assert paused_seconds(one, later_ms) == 5, "it begins anew"
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_source_that_asks_for_patience_gets_it(engine: Front, tmp_path: Path) -> None:
    engine.answer = lambda _: failed(429, "too_many", "later", **{"Retry-After": "75"})
    with reader(tmp_path, engine.url) as one:
        one.source.catch_up(ASKED_MS)
        assert paused_seconds(one, ASKED_MS) == 75
        one.source.catch_up(ASKED_MS + 74_000)
        assert len(engine.requests) == 1
        one.source.catch_up(ASKED_MS + 75_000)
        assert len(engine.requests) == 2


def always(told: Told) -> Answer:
    """The same answer to everything."""
    return lambda _: told


def ranges_only(spoilt: Answer) -> Answer:
    """An engine that answers all but range queries."""
    return lambda asked: spoilt(asked) if asked.path.endswith("_range") else level_everywhere(asked)


OF_THE_SOURCE: dict[Outcome, Answer] = {
    Outcome.AUTH: lambda _: Told(401),
    Outcome.PERMISSION: lambda _: Told(403),
    Outcome.NOT_FOUND: lambda _: Told(404),
    Outcome.REDIRECT: lambda _: Told(302),
    Outcome.HTML: lambda _: Told(200, b"<html>"),
    Outcome.INVALID_JSON: lambda _: Told(200, b"{"),
    Outcome.UNEXPECTED: lambda _: said({}),
    Outcome.TRUNCATED: lambda _: Told(200, b"x" * 9, cut=4),
    Outcome.HTTP_STATUS: lambda _: Told(418),
}


@pytest.mark.parametrize("outcome", OF_THE_SOURCE)
def test_what_befalls_every_query_pauses_the_source(
    engine: Front, tmp_path: Path, outcome: Outcome
) -> None:
    engine.answer = ranges_only(OF_THE_SOURCE[outcome])
    signals = {f"level_{i}": LEVEL for i in range(10)}
    with reader(tmp_path, engine.url, signals, concurrency=2) as one:
        one.source.catch_up(ASKED_MS)
        status = one.source.status(ASKED_MS)
        assert (status.state, status.outcome) == (SourceState.DOWN, outcome)
        assert paused_seconds(one, ASKED_MS) == 5
        assert len(engine.ranges()) <= 4, "the others are not tried"
        assert one.counted("plimsoll_source_postponed_total") >= 6
        assert one.counted("plimsoll_source_queries_total", outcome=outcome) >= 1
        assert one.windows("level_0") == []
        assert one.source.share_read(ASKED_MS) == 0


def test_a_query_that_is_not_understood_stops_only_its_signal(
    engine: Front, tmp_path: Path
) -> None:
    def answer(asked: Asked) -> Told:
        if "min_over_time" in asked.form["query"]:
            return failed(422, "execution", "no such function")
        return level_everywhere(asked)

    engine.answer = answer
    signals = {"level": LEVEL, "lowest": {**LEVEL, "stat": "min"}}
    with reader(tmp_path, engine.url, signals) as one:
        one.source.catch_up(ASKED_MS)
        one.backfill(ASKED_MS)
        (fine, bad) = one.source.status(ASKED_MS).signals
        assert (fine.state.value, fine.share_read) == ("read", 1)
        assert (bad.state.value, bad.outcome) == ("failing", Outcome.BAD_QUERY)
        assert "no such function" in bad.detail
        assert one.source.share_read(ASKED_MS) == 1, "what cannot be read is not waited for"
        assert one.source.status(ASKED_MS).state is SourceState.UP
        tried = len(engine.requests)
        one.source.backfill(ASKED_MS + 299_000)
        assert len(engine.requests) == tried
        engine.answer = level_everywhere
        one.source.catch_up(ASKED_MS + 300_000)
        assert one.state("lowest", ASKED_MS + 300_000) == "read"


@pytest.mark.parametrize("kind", ["too_much", "too_large", "timeout"])
def test_what_is_too_much_is_asked_for_in_halves(engine: Front, tmp_path: Path, kind: str) -> None:
    def answer(asked: Asked) -> Told:
        if asked.path.endswith("_range") and asked.points > 150:
            return {
                "too_much": failed(422, "execution", "would load too many samples into memory"),
                "too_large": Told(200, b" " * 100_000),
                "timeout": failed(503, "timeout", "query timed out in expression evaluation"),
            }[kind]
        return level_everywhere(asked)

    engine.answer = answer
    with reader(tmp_path, engine.url, max_bytes=65_536) as one:
        one.source.catch_up(ASKED_MS)
        one.backfill(ASKED_MS)
        assert one.source.share_read(ASKED_MS) == 1
        assert one.counted("plimsoll_source_halved_total") >= 1
        assert one.counted("plimsoll_source_queries_total", outcome=kind) >= 1
        assert len(one.windows("level", 300.0)) > 7 * 288
    assert max(request.points for request in engine.ranges()[-20:]) > 75, "no smaller than needed"


def test_a_partial_answer_is_refused_and_asked_for_again(engine: Front, tmp_path: Path) -> None:
    def half(asked: Asked) -> Told:
        whole = level_everywhere(asked)
        return Told(200, whole.body.replace(b'"success"', b'"success","isPartial":true', 1))

    engine.answer = ranges_only(half)
    with reader(tmp_path, engine.url) as one:
        one.source.catch_up(ASKED_MS)
        assert one.windows("level") == []
        (status,) = one.source.status(ASKED_MS).signals
        assert (status.state.value, status.outcome) == ("failing", Outcome.PARTIAL)
        engine.answer = level_everywhere
        one.source.catch_up(ASKED_MS + 59_000)
        assert one.windows("level") == []
        one.source.catch_up(ASKED_MS + 60_000)
        assert len(one.windows("level")) == 120
    engine.answer = ranges_only(half)
    with reader(tmp_path / "b", engine.url, partial_responses="accept") as one:
        one.source.catch_up(ASKED_MS)
        assert len(one.windows("level")) == 120


def test_nothing_there_is_no_data_and_not_zero(engine: Front, tmp_path: Path) -> None:
    def nothing(asked: Asked) -> Told:
        kind = "matrix" if asked.path.endswith("_range") else "vector"
        if "label_set" in asked.form["query"]:
            return level_everywhere(asked)
        return said({"status": "success", "data": {"resultType": kind, "result": []}})

    engine.answer = nothing
    signals = {
        "level": LEVEL,
        "errors": {"form": "ratio", "numerator": "a_total", "denominator": "b_total"},
        "requests": {"form": "rate", "metric": "b_total"},
    }
    with reader(tmp_path, engine.url, signals) as one:
        one.source.catch_up(ASKED_MS)
        one.backfill(ASKED_MS)
        assert {one.state(name, ASKED_MS) for name in signals} == {"no_data"}
        assert [one.windows(name) for name in signals] == [[], [], []]
        assert one.source.share_read(ASKED_MS) == 1
        assert one.counted("plimsoll_source_queries_total", outcome="no_data") > 0
        assert one.source.status(ASKED_MS).state is SourceState.UP


def scraped_every(seconds: int) -> Answer:
    def answer(asked: Asked) -> Told:
        if asked.path.endswith("/query") and "label_set" not in asked.form["query"]:
            result = [{"metric": {}, "value": [1, str(1200 / seconds)]}]
            return said({"status": "success", "data": {"resultType": "vector", "result": result}})
        return level_everywhere(asked)

    return answer


def test_a_signal_that_is_scraped_too_rarely_is_refused_with_the_way_out(
    engine: Front, tmp_path: Path
) -> None:
    engine.answer = scraped_every(120)
    signals = {"level": LEVEL, "slow": {**LEVEL, "window": "2m", "over": "10m"}}
    with reader(tmp_path, engine.url, signals) as one:
        one.source.catch_up(ASKED_MS)
        assert one.state("level", ASKED_MS) == "scraped_too_rarely"
        assert one.state("slow", ASKED_MS) == "read"
        detail = one.source.status(ASKED_MS).signals[0].detail
        engine.answer = level_everywhere  # somebody scrapes more often now
        one.source.catch_up(ASKED_MS + 9 * MINUTE_MS)
        assert one.state("level", ASKED_MS) == "scraped_too_rarely"
        one.source.catch_up(ASKED_MS + 15 * MINUTE_MS)
        assert one.state("level", ASKED_MS) == "read"
    assert detail == (
        "its samples come every 2m, so windows of 1m would be empty: set signals.level.window to "
        "at least 2m"
    )


def test_the_pace_of_a_signal_is_measured_again_each_hour_unless_it_is_told(
    engine: Front, tmp_path: Path
) -> None:
    with reader(tmp_path, engine.url) as one:
        for minute in range(0, 65, 5):
            one.source.catch_up(ASKED_MS + minute * MINUTE_MS)
    asked = [r for r in engine.requests if r.form["query"].startswith("quantile(0.5")]
    assert len(asked) == 2
    engine.requests.clear()
    with reader(tmp_path / "b", engine.url, scrape_interval="15s") as one:
        one.source.catch_up(ASKED_MS)
    assert [r for r in engine.requests if r.form["query"].startswith("quantile(0.5")] == []


def test_the_engine_that_is_configured_is_not_asked_for(engine: Front, tmp_path: Path) -> None:
    with reader(tmp_path, engine.url, engine="victoriametrics") as one:
        one.source.catch_up(ASKED_MS)
        assert one.source.engine is Engine.VICTORIAMETRICS
    assert [r for r in engine.requests if "label_set" in r.form["query"]] == []


def test_one_signal_that_fails_does_not_stop_the_others(engine: Front, tmp_path: Path) -> None:
    def answer(asked: Asked) -> Told:
        heavy = asked.path.endswith("_range") and "min_over_time" in asked.form["query"]
        return failed(500, "internal", "out of memory") if heavy else level_everywhere(asked)

    engine.answer = answer
    signals = {"lowest": {**LEVEL, "stat": "min"}, "level": LEVEL, "newest": LEVEL}
    with reader(tmp_path, engine.url, signals, concurrency=1) as one:
        now_ms = ASKED_MS
        for minute in range(8):
            for pulse in range(3):
                one.source.catch_up(now_ms + pulse * 2000)
            assert one.source.status(now_ms).state is not SourceState.DOWN or minute == 0
            now_ms += MINUTE_MS
        ends = [w.end_ms for w in one.windows("level")]
        assert one.state("lowest", now_ms) == "failing"
    assert ends[-1] >= NOW_MS + 6 * MINUTE_MS
    assert {later - earlier for earlier, later in pairwise(ends)} == {MINUTE_MS}


def test_after_a_time_out_the_old_width_comes_back_and_after_a_limit_it_does_not(
    engine: Front, tmp_path: Path
) -> None:
    def widest() -> int:
        return max(request.points for request in engine.ranges())

    limit = failed(422, "execution", "would load too many samples into memory")
    slow = failed(503, "timeout", "query timed out in expression evaluation")
    for told, grows in ((slow, True), (limit, False)):
        engine.answer = ranges_only(always(told))
        with reader(tmp_path / told.body.hex()[-8:], engine.url) as one:
            one.source.catch_up(ASKED_MS)  # 120 windows
            engine.answer = level_everywhere
            engine.requests.clear()
            one.source.catch_up(ASKED_MS)
            assert widest() == 60
            one.backfill(ASKED_MS, rounds=5)
        assert (widest() > 120) is grows


def test_a_signal_with_more_series_than_allowed_is_not_read_in_part(
    engine: Front, tmp_path: Path
) -> None:
    def many(asked: Asked) -> Told:
        at = float(asked.form["end"])
        result = [{"metric": {"instance": f"i{n}"}, "values": [[at, "1"]]} for n in range(11)]
        return said({"status": "success", "data": {"resultType": "matrix", "result": result}})

    engine.answer = ranges_only(many)
    with reader(tmp_path, engine.url, max_series=10) as one:
        one.source.catch_up(ASKED_MS)
        (status,) = one.source.status(ASKED_MS).signals
        assert status.outcome is Outcome.TOO_MANY_SERIES
        assert "11 series" in status.detail
        assert one.windows("level") == []
    with reader(tmp_path / "b", engine.url, max_series=11) as one:
        one.source.catch_up(ASKED_MS)
        assert len(one.windows("level")) == 11


def test_a_name_server_that_hangs_holds_up_no_tick(engine: Front, tmp_path: Path) -> None:
    freed, calls = threading.Event(), []

    def resolve(*_: object) -> list[str]:
        calls.append(1)
        if len(calls) > 2:  # the engine and the pace were asked
            freed.wait(60)
        return ["127.0.0.1"]

    url = engine.url.replace("127.0.0.1", "prometheus.test")
    with reader(tmp_path, url, timeout="200ms", resolve=resolve) as one:
        assert one.source.catch_up(ASKED_MS) == 0
        assert one.counted("plimsoll_source_queries_total", outcome="timeout") == 1
        status = one.source.status(ASKED_MS)
        assert status.outcome is not Outcome.TIMEOUT  # 120 windows at once: less is tried first
        assert one.counted("plimsoll_source_halved_total") == 1
        freed.set()
