"""From the history to windows: what is read, whatever the order in which it was written."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector import evaluate
from detector.config import build_signals
from detector.increase import LOOKBACK_MS
from storage.duck import DuckHistory
from storage.history import Samples, Windows
from storage.series import Labels, Window
from tests.detector.scrapes import START_MS, Page, counters, samples_of, seen_of, ups_of
from tests.detector.test_window import RATE, SHARE, assert_same, evaluated

MINUTE_MS = 60_000
END_MS = START_MS + 30 * MINUTE_MS


def shuffled(samples: Samples, rng: np.random.Generator) -> Samples:
    """The same rows in another order."""
    order = rng.permutation(len(samples))
    return Samples(
        samples.series, samples.index[order], samples.at_ms[order], samples.values[order]
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pages=counters(), seed=st.integers(0, 1000))
def test_windows_do_not_depend_on_the_order_in_which_samples_were_written(
    history: DuckHistory, pages: list[Page], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    history.retain(2**60, 2**60)
    for part in (ups_of(pages), samples_of(pages)):
        history.append(shuffled(part, rng))
    seen = evaluate.seen(history, START_MS, END_MS)
    times = {name: found for name, found in seen_of(pages).items() if name in seen}
    assert {name: found.tolist() for name, found in seen.items()} == {
        name: found.tolist() for name, found in times.items()
    }
    for one in (RATE, SHARE):
        found = evaluate.evaluate(history, one, seen, START_MS, END_MS)
        assert_same(found, evaluated(one, pages))


def test_it_reads_as_far_back_as_the_first_window_needs(history: DuckHistory) -> None:
    pages = [
        Page("shop", START_MS - LOOKBACK_MS + MINUTE_MS, {}),
        Page("shop", START_MS + 1, {}),
    ]
    history.append(ups_of(pages))
    assert evaluate.seen(history, START_MS, END_MS)["shop"].tolist() == [p.at_ms for p in pages]


def test_judged_windows_are_merged_from_the_short_ones_alone(history: DuckHistory) -> None:
    form = {"form": "gauge", "metric": "level", "window": "1m", "over": "5m"}
    one = build_signals({"s": form})["s"]

    def window(minute: int, seconds: float, value: float) -> Window:
        return Window("s", Labels(), START_MS + minute * MINUTE_MS, seconds, value, 1.0)

    short = [window(minute, 60.0, float(minute)) for minute in range(1, 11)]
    history.put_windows(Windows.of("s", [*short, window(5, 300.0, 99.0)]))
    found = evaluate.coarse(history, one, START_MS, START_MS + 10 * MINUTE_MS).rows()
    assert [(row.value, row.n, row.seconds) for row in found] == [
        (3.0, 5.0, 300.0),
        (8.0, 5.0, 300.0),
    ]
    assert len(evaluate.coarse(history, one, END_MS, END_MS + 5 * MINUTE_MS)) == 0


def test_the_metrics_of_signals_are_those_that_they_read() -> None:
    signals = build_signals(
        {
            "p95": {"form": "quantile", "metric": "latency_seconds", "q": 0.95},
            "hits": {"form": "rate", "metric": 'hits_total{code="200"}'},
        }
    )
    assert evaluate.metrics(signals.values()) == {"latency_seconds_bucket", "hits_total"}
