"""Signals as PromQL: golden expressions, and that Prometheus reads every one of them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from detector.config import SIGNAL, build_signals, shipped
from detector.promql import compile, counted, edge_matcher, spellings
from detector.signal import Signal
from storage.series import Labels
from tests.servers import promtool

GOLDEN_FILE = Path(__file__).parents[1] / "golden" / "promql.json"
GOLDEN = json.loads(GOLDEN_FILE.read_text("utf-8"))
SHIPPED = build_signals(shipped()[0])


def made(form: dict[str, Any]) -> Signal:
    return Signal(name="mine", form=SIGNAL.validate_python(form))


def test_each_signal_is_compiled_as_the_golden_file_says() -> None:
    forms = [{**case, "promql": compile(made(case["signal"]))} for case in GOLDEN["forms"]]
    written = {"forms": forms, "shipped": {name: compile(one) for name, one in SHIPPED.items()}}
    if os.environ.get("PLIMSOLL_REWRITE_GOLDEN") == "1":
        text = json.dumps(written, indent=2, ensure_ascii=False)
        GOLDEN_FILE.write_text(f"{text}\n", "utf-8")
    assert written == GOLDEN, "look at the change, then PLIMSOLL_REWRITE_GOLDEN=1"


def test_prometheus_accepts_every_expression(tmp_path: Path) -> None:
    forms = {f"golden_{i}": made(case["signal"]) for i, case in enumerate(GOLDEN["forms"])}
    rules = [
        {"record": f"plimsoll:{name}", "expr": compile(one, seconds)}
        for name, one in {**SHIPPED, **forms}.items()
        for seconds in (None, one.form.over)
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "plimsoll", "rules": rules}]}))
    said = promtool("check", "rules", "--lint=none", str(file))
    assert f"{len(rules)} rules found" in said
    assert len(rules) >= 2 * (len(SHIPPED) + 10)


def test_an_expression_stands_over_the_span_that_is_asked_for() -> None:
    rate = made({"form": "rate", "metric": "hits_total"})
    assert compile(rate) == "sum(rate(hits_total[1m]))"
    assert compile(rate, rate.form.over) == "sum(rate(hits_total[5m]))"


def test_where_target_is_called_otherwise_groups_and_matchers_are_too() -> None:
    rate = made({"form": "rate", "metric": 'hits_total{target="shop"}', "by": ["target", "x"]})
    inner = 'sum by (instance, x) (rate(hits_total{instance="shop"}[1m]))'
    renamed = f'label_replace({inner}, "target", "$1", "instance", "(.*)")'
    assert compile(rate, target="instance") == f"max by (target, x) ({renamed})"


def test_n_is_what_the_value_was_made_of() -> None:
    assert counted(made({"form": "mean", "metric": "lag"})) == "sum(increase(lag_count[1m]))"
    rate = made({"form": "rate", "metric": "kilobytes", "scale": 1024})
    assert counted(rate, 300) == "(sum(increase(kilobytes[5m]))) * 1024.0"
    assert counted(made({"form": "promql", "expr": "up", "count": "a[$window]"})) == "a[1m]"
    assert counted(made({"form": "promql", "expr": "up"})) == ""


@pytest.mark.parametrize(
    ("bound", "spelled"),
    [
        (0.5, ("0.5",)),
        (1, ("1", "1.0")),
        (0, ("0", "0.0")),
        (-0.0, ("0", "0.0")),
        (100_000, ("100000", "100000.0")),
        (1_000_000, ("1000000", "1000000.0", "1e+06")),
        (2_500_000, ("2500000", "2500000.0", "2.5e+06")),
        (0.0001, ("0.0001",)),
        (0.00001, ("1e-05",)),
        (-2, ("-2", "-2.0")),
        (0.1 + 0.2, ("0.30000000000000004",)),
    ],
)
def test_an_edge_is_found_in_every_spelling(bound: float, spelled: tuple[str, ...]) -> None:
    assert spellings(bound) == spelled
    matcher = edge_matcher(bound)
    for one in spelled:
        assert float(one) == bound
        assert matcher.matches(Labels.of(le=one))
    assert not matcher.matches(Labels.of(le="+Inf"))
    assert not matcher.matches(Labels.of(le="1x0"))
