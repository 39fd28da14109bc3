"""What keeps a signal unknown: on its page, in REST, by `explain`, in `/metrics`."""

import pytest

from api.explain import defined, formula, windows
from api.fitness import Fitness
from api.house import House
from detector.config import build_signals
from detector.signal import Signal
from detector.unfit import Finding, Known
from storage.history import Samples
from storage.series import NAME, Labels
from tests.api.asking import Client
from tests.api.test_explain import Through, asking


def test_a_finding_stands_on_the_page_in_rest_and_in_metrics(client: Client, house: House) -> None:
    series = [Labels.of({NAME: "http_server_requests_totl"}, target="shop")]
    house.history.append(Samples.at(series, 1_000, [1.0]))
    (told,) = client.get("/api/v1/signals/api_requests").json()["unknown"]
    assert told == {
        "reason": "metric_not_seen",
        "source": "",
        "text": "no target shows `http_server_requests_total`, nor what 5 other sources call it",
        "hint": "Did you mean http_server_requests_totl?",
    }
    page = client.get("/signals/api_requests").text
    assert "metric_not_seen" in page
    assert "Did you mean http_server_requests_totl?" in page
    assert "prometheus_<wbr>fastapi_<wbr>instrumentator" in page
    metrics = client.get("/metrics").text
    line = 'plimsoll_signal_unknown{reason="metric_not_seen",signal="api_requests"} 1.0'
    assert line in metrics
    shown = list(windows(asking(Through(client)), SIGNALS["api_requests"]))
    assert shown[:2] == [
        "unknown, metric_not_seen: no target shows `http_server_requests_total`, "
        "nor what 5 other sources call it",
        "  Did you mean http_server_requests_totl?",
    ]


SIGNALS = build_signals(
    {
        "api_requests": {"form": "rate", "metric": "http_server_requests_total"},
        "checkout": {
            "form": "mean",
            "metric": "checkout_seconds",
            "by": ["target", "route"],
            "variants": [
                {
                    "source": "legacy",
                    "metric": 'legacy_ms{phase="total"}',
                    "labels": {"route": "handler"},
                    "scale": 0.001,
                },
                {"metric": "basket_seconds", "constants": {"route": "/basket"}},
            ],
        },
        "saturation": {"form": "promql", "expr": "sum(rate(x[$window]))"},
    }
)


def test_every_variant_is_explained() -> None:
    told = list(defined(SIGNALS["checkout"]))
    start = told.index("read as, of each target the first that it shows:")
    assert told[start + 1 : start + 12] == [
        "  its own series",
        "    checkout_seconds_sum",
        "    / checkout_seconds_count",
        "  legacy",
        '    legacy_ms_sum{phase="total"}',
        '    / legacy_ms_count{phase="total"}',
        "    route is their handler, times 0.001",
        "  another of its own",
        "    basket_seconds_sum",
        "    / basket_seconds_count",
        "    route is always /basket",
    ]
    promql = told[told.index("PromQL:") + 1 :]
    assert len(promql) == 3
    assert all(line.startswith("  or (") for line in promql[1:])


def test_what_is_divided_by_what_is_explained() -> None:
    forms = {
        "hits": {"form": "ratio", "numerator": ["a", "b"], "denominator": ["a", "b", "c"]},
        "used": {"form": "gauge", "metric": "free", "of": "all", "complement": True},
        "level": {"form": "gauge", "metric": "level"},
    }
    told = {name: list(formula(one.form)) for name, one in build_signals(forms).items()}
    assert told == {
        "hits": ["a + b", "/ a + b + c"],
        "used": ["1 - free", "/ all"],
        "level": ["level"],
    }
    assert "  complement: True" in list(defined(build_signals(forms)["used"]))
    assert not [line for line in defined(build_signals(forms)["level"]) if "complement" in line]


def test_an_expression_is_explained_with_the_length_of_its_window() -> None:
    assert list(defined(SIGNALS["saturation"]))[-1] == "  sum(rate(x[1m]))"


def test_findings_are_made_anew_only_when_series_come_or_go(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Signal] = []

    def counting(signal: Signal, known: Known) -> list[Finding]:
        asked.append(signal)
        return []

    monkeypatch.setattr("api.fitness.findings", counting)
    fitness, signal = Fitness(), SIGNALS["api_requests"]
    for _ in range(3):
        fitness.of(signal, house.history.series)
    assert len(asked) == 1
    for route in ("/a", "/b"):
        labels = Labels.of({NAME: "http_server_requests_total"}, target="shop", route=route)
        house.history.append(Samples.at([labels], 1_000, [1.0]))
        fitness.of(signal, house.history.series)
    assert len(asked) == 3
