"""Exported rules: promtool reads them, they fire, stay quiet, and say what they leave out."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from api.document import Document
from api.grafana import sentences
from api.settings import build
from dashboards.promrules import WHY, WHY_NOT, LeftOut, Unsaid, breach_of, left_out, unsaid
from dashboards.rule_export import contents, export
from dashboards.rule_tests import baseline_of, levels_of
from dashboards.rules import AROUND, Told, rule_file
from dashboards.writing import Outcome
from detector.baseline import flat
from detector.config import SIGNAL
from detector.recent import Part
from detector.rule import Gates, Marker, Rule
from detector.signal import Signal
from storage.duration import written
from storage.series import Labels
from tests.servers import promtool

SETTINGS = build(Document())
DEFINITIONS = SETTINGS.definitions
TOLD = Told(
    sentences=sentences(SETTINGS),
    plimsoll_url="https://plimsoll.example.org",
    grafana_url="https://grafana.example.org",
)
LATENCY: dict[str, Any] = {
    "form": "mean",
    "metric": 'request_seconds{env="live"}',
    "by": ["target", "path"],
    "unit": "seconds",
}
SUSTAIN = {"windows": 2, "of": 3}
CLEAR = {"for": "10m"}

Files = Mapping[str, str]


def signal_of(form: Mapping[str, Any]) -> Signal:
    return Signal(name="mine", form=SIGNAL.validate_python(dict(form)))


def rule_of(trigger: Mapping[str, Any], **more: Any) -> Rule:
    parts = {"sustain": SUSTAIN, "clear": CLEAR, "gates": "off", **more}
    return Rule.model_validate({"signal": "mine", "trigger": trigger, **parts})


def made(form: Mapping[str, Any], **rules: Rule) -> Files:
    told = Told(sentences=dict.fromkeys(rules, "in words"), plimsoll_url="http://p")
    return contents({"mine": signal_of(form)}, rules, told)


def put(directory: Path, files: Files) -> list[str]:
    """Write the files; the paths of the tests among them."""
    (directory / "tests").mkdir(exist_ok=True)
    for name, content in files.items():
        (directory / name).write_text(content)
    return [str(directory / name) for name in files if name.startswith("tests/")]


def run(directory: Path, files: Files) -> None:
    """promtool takes the rules and their tests; an AssertionError says what failed."""
    tests = put(directory, files)
    rules = [str(directory / name) for name in files if not name.startswith("tests/")]
    promtool("check", "rules", *rules)
    assert tests
    promtool("test", "rules", *tests)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped signals and rules, exported."""
    directory = tmp_path_factory.mktemp("rules")
    export(directory, DEFINITIONS.signals, DEFINITIONS.rules, TOLD)
    return directory


def test_promtool_takes_every_shipped_rule(shipped: Path) -> None:
    promtool("check", "rules", *map(str, sorted(shipped.glob("*.yaml"))))


def test_every_shipped_signal_is_recorded(shipped: Path) -> None:
    for name, signal in DEFINITIONS.signals.items():
        content = yaml.safe_load((shipped / f"plimsoll-{name}.rules.yaml").read_text())
        recorded = [rule.get("record") for group in content["groups"] for rule in group["rules"]]
        assert f"plimsoll:{name}:value_{written(signal.form.over)}" in recorded


def exported(signal: str) -> list[str]:
    """The shipped rules on a signal that are exported."""
    rules = DEFINITIONS.rules.items()
    found = {name: rule for name, rule in rules if rule.signal == signal}
    return [n for n, rule in found.items() if unsaid(rule, DEFINITIONS.signals[signal]) is None]


@pytest.mark.parametrize("signal", [one for one in DEFINITIONS.signals if exported(one)])
def test_every_shipped_alert_fires_on_one_series_and_stays_quiet_on_another(
    shipped: Path, signal: str
) -> None:
    files = sorted((shipped / "tests").glob(f"plimsoll-{signal}.*"))
    promtool("test", "rules", *map(str, files))
    named = [one["name"] for file in files for one in yaml.safe_load(file.read_text())["tests"]]
    assert sorted(named) == sorted(
        f"{name} {ends}" for name in exported(signal) for ends in ("fires", "stays quiet")
    )


def test_most_of_the_shipped_rules_are_exported() -> None:
    assert sum(len(exported(one)) for one in DEFINITIONS.signals) >= 12


def test_what_cannot_be_said_is_named_with_its_reason(shipped: Path) -> None:
    text = (shipped / "plimsoll-host_memory_usage.rules.yaml").read_text()
    assert f"# memory_leak is not here: {WHY_NOT[Unsaid.SLOPE]}" in text
    assert "alert: memory_leak" not in text
    assert f"#   significance: {WHY[LeftOut.SIGNIFICANCE]}" in text
    p95 = yaml.safe_load((shipped / "plimsoll-api_p95.rules.yaml").read_text())
    alerts = {
        rule["alert"]: rule for one in p95["groups"] for rule in one["rules"] if "alert" in rule
    }
    missing = alerts["api_response_time_regression"]["annotations"]["left_out"]
    assert missing == "expected, significance, settling, clear_level, frozen_baseline"
    assert alerts["api_p95_high"]["annotations"]["left_out"] == "clear_level"


def test_every_gate_is_either_in_the_expression_or_named_as_left_out() -> None:
    """A gate that is added to the detector must be looked at here, or this fails."""
    said = {"min_count", "min_events", "min_baseline_count", "min_delta", "min_ratio"}
    said |= {"sampling", "warming"}
    assert said | {one.value for one in LeftOut} >= set(Gates.model_fields)
    everything = Gates(
        expected=True,
        band=0.99,
        effect=1.1,
        significance=0.9,
        mix=0.5,
        went_away=0.5,
        settling=(Marker(signal="cache_flushes", when="counts"),),
        min_count=1,
        min_parts=2,
    )
    rule = rule_of({"relative": {"above": 1.2}}, gates=everything)
    assert set(left_out(rule)) == set(LeftOut)
    assert set(WHY) == set(LeftOut)
    assert set(WHY_NOT) == set(Unsaid)


FORMS: dict[str, dict[str, Any]] = {
    "mean": LATENCY,
    "quantile": {**LATENCY, "form": "quantile", "q": 0.9},
    "share": {
        **LATENCY,
        "form": "share",
        "bound": 0.1,
        "unit": "ratio",
        "worse": "down",
    },
    "rate": {"form": "rate", "metric": "jobs_total", "by": ["queue"], "unit": "per_second"},
    "gauge": {"form": "gauge", "metric": "free_bytes", "of": "all_bytes", "complement": True,
              "by": ["target"], "unit": "ratio"},
    "ratio of two": {"form": "ratio", "numerator": "busy_seconds_total",
                     "denominator": "calls_total", "by": ["target"], "unit": "seconds"},
    "ratio of a part": {"form": "ratio", "numerator": 'looked_total{what!~"hit|stale"}',
                        "denominator": 'looked_total{what!="none"}', "by": ["cache"],
                        "unit": "ratio"},
    "renamed": {**LATENCY, "labels": {"path": "url"}, "constants": {"env": "live"}, "scale": 0.001,
                "by": ["target", "path", "env"]},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_rules_on_signals_of_every_form_fire_and_stay_quiet(
    form: dict[str, Any], tmp_path: Path
) -> None:
    side = "below" if form.get("worse") == "down" else "above"
    usual = {"seconds": 0.1, "ratio": 0.2}.get(form["unit"], 100.0)
    level, clear = (0.9, 0.95) if side == "below" else (usual * 1.5, usual * 1.2)
    multiple = 0.8 if side == "below" else 1.3
    absolute = rule_of({"absolute": {side: level}}, clear={"level": clear, "for": "5m"})
    relative = rule_of({"relative": {side: multiple}}, gates={"min_delta": 0.001})
    run(tmp_path, made(form, fixed=absolute, multiple=relative))


TREE = {
    "all": [
        {"relative": {"above": 1.3, "clear": 1.1}},
        {"any": [{"absolute": {"above": 0.3, "clear": 0.2}}, {"sigma": {"above": 3}}]},
    ]
}
BURN = {"objective": 0.99, "long": "1h", "short": "5m"}
BURNS = {
    "errors": rule_of({"any": [{"burn": {"above": 14.4, **BURN}}, {"burn": {"above": 6, **BURN}}]}),
    "one": rule_of({"burn": {"above": 14.4, **BURN}}, clear={"for": "5m"}),
    "critical": rule_of(
        {"burn": {"above": 6, "objective": 0.95, "long": "6h"}},
        critical_when={"burn": {"above": 14.4, "objective": 0.95}},
    ),
}


def test_burn_rates_fire_and_stay_quiet(tmp_path: Path) -> None:
    form = FORMS["ratio of a part"]
    run(tmp_path, made(form, **{f"r_{name}": rule for name, rule in BURNS.items()}))
    good = rule_of({"burn": {"below": 14.4, **BURN}}, clear={"for": "5m"})
    files = made({**form, "worse": "down"}, r=good)
    run(tmp_path, files)
    assert "sum_over_time(plimsoll:mine:weight_5m[57m30s])" in files["plimsoll-mine.rules.yaml"]


def test_what_is_over_within_the_short_span_does_not_fire_any_more(tmp_path: Path) -> None:
    """An hour's budget is gone, but nothing failed in the last five minutes."""
    rule = rule_of({"burn": {"above": 14.4, **BURN}}, clear={"for": "5m"})
    put(tmp_path, made(FORMS["ratio of a part"], r=rule))
    alert = 'count(ALERTS{alertname="r",alertstate="firing"})'
    test = {
        "rule_files": ["plimsoll-mine.rules.yaml"],
        "evaluation_interval": "5m",
        "tests": [
            {
                "interval": "30s",
                "input_series": [
                    {"series": 'looked_total{what="miss"}', "values": "0+40x60 2400+0x60"},
                    {"series": 'looked_total{what="hit"}', "values": "0+60x60 3600+100x60"},
                ],
                "promql_expr_test": [
                    {"expr": alert, "eval_time": "30m", "exp_samples": [{"value": 1}]},
                    # The hour still holds 25 %, and 14.4 % would be too much.
                    {"expr": alert, "eval_time": "50m", "exp_samples": []},
                ],
            }
        ],
    }  # fmt: skip
    file = tmp_path / "over.test.yaml"
    file.write_text(yaml.safe_dump(test))
    promtool("test", "rules", str(file))


TRIGGERS: dict[str, Rule] = {
    "points": rule_of({"relative": {"above": 1.05, "mode": "points"}}),
    "sigma": rule_of({"sigma": {"above": 3}}, critical=5),
    "sigma below": rule_of({"sigma": {"below": 3}}),
    "tree": rule_of(TREE, clear={"for": "5m"}),
    "critical level": rule_of({"relative": {"above": 1.2}}, critical=1.5),
    "critical when": rule_of(
        {"relative": {"above": 1.2}},
        critical_when={"all": [{"sigma": {"above": 4}}, {"absolute": {"above": 0.15}}]},
    ),
    "every window": rule_of({"relative": {"above": 1.2}}, sustain={"for": "5m"}),
    "one window": rule_of({"relative": {"above": 1.2}}, sustain={"windows": 1, "of": 1}),
}


def test_every_kind_of_trigger_fires_and_stays_quiet(tmp_path: Path) -> None:
    run(tmp_path, made(LATENCY, **{f"r_{at}": rule for at, rule in enumerate(TRIGGERS.values())}))


BARRED: dict[str, Gates] = {
    "min_count": Gates(min_count=1e9),
    "min_events": Gates(min_events=1e9),
    "min_baseline_count": Gates(min_baseline_count=1e12),
    "min_delta": Gates(min_delta=0.2),
    "min_delta and min_ratio": Gates(min_delta=0.2, min_ratio=3),
}


@pytest.mark.parametrize("gates", BARRED.values(), ids=BARRED)
def test_a_gate_that_does_not_hold_keeps_an_alert_back(gates: Gates, tmp_path: Path) -> None:
    """The series of the firing test, made for a rule without gates, and a rule that has them."""
    free = rule_of({"relative": {"above": 1.2}}, gates=Gates())
    barred = rule_of({"relative": {"above": 1.2}}, gates=gates)
    files = {**made(LATENCY, r=barred), **only_tests(made(LATENCY, r=free))}
    with pytest.raises(AssertionError, match="got: nil"):
        run(tmp_path, files)


def only_tests(files: Files) -> dict[str, str]:
    return {name: text for name, text in files.items() if name.startswith("tests/")}


def changed(files: Files, change: Callable[[str], str]) -> dict[str, str]:
    """The files with their tests changed."""
    return {**files, **{name: change(text) for name, text in only_tests(files).items()}}


def test_while_fewer_days_have_data_than_are_needed_nothing_fires(tmp_path: Path) -> None:
    rule = rule_of({"relative": {"above": 1.2}}, gates=Gates())
    few = changed(made(LATENCY, r=rule), lambda text: text.replace("7.0+0x", "4.0+0x"))
    with pytest.raises(AssertionError, match="got: nil"):
        run(tmp_path, few)
    literal = rule_of({"relative": {"above": 1.2}}, gates="off")
    run(tmp_path, changed(made(LATENCY, r=literal), lambda text: text.replace("7.0+0", "4.0+0")))


def test_the_chance_of_few_observations_is_part_of_the_deviation_where_it_is_asked_for(
    tmp_path: Path,
) -> None:
    """Of a fifth of 100 observations chance alone is 4 points; the firing series is 6 beyond."""
    form = FORMS["ratio of a part"]
    plain = rule_of({"sigma": {"above": 3}}, gates=Gates())
    counted = rule_of({"sigma": {"above": 3}}, gates=Gates(sampling=True))
    run(tmp_path, made(form, r=counted))
    rarely = {**made(form, r=counted), **only_tests(made(form, r=plain))}
    few = changed(rarely, lambda text: re.sub(r"\d+\.\d+", thousandth, text))
    with pytest.raises(AssertionError, match="got: nil"):
        run(tmp_path, few)
    run(tmp_path, {**few, **{k: v for k, v in made(form, r=plain).items() if "tests" not in k}})


def thousandth(number: re.Match[str]) -> str:
    """A counter's growth, a thousandth of it; the small numbers of the baseline stay."""
    value = float(number[0])
    return number[0] if value < 100 or value >= 1e9 else repr(value / 1000)


Numbers = NDArray[np.float32]


def test_the_exported_baseline_is_that_of_the_detector(tmp_path: Path) -> None:
    """Six days and some hours of a varying mean, by promtool and by `detector.baseline.flat`."""
    form = {"form": "mean", "metric": "took_seconds", "by": ["target"], "unit": "seconds"}
    put(tmp_path, made(form, r=rule_of({"relative": {"above": 1.2}})))
    rng = np.random.default_rng(3)
    now = (6 * 24 + 5) * 3600
    ends = np.arange(0, now + 1, 300)
    n = rng.integers(10, 200, len(ends)).astype(np.float32)
    values = rng.uniform(0.1, 0.4, len(ends)).astype(np.float32)
    recorded = {"value": values, "count": n, "weight": values * n, "square": values**2 * n}
    test = {
        "rule_files": ["plimsoll-mine.baseline.yaml"],
        "evaluation_interval": "1h",
        "tests": [
            {
                "interval": "5m",
                "input_series": [
                    {
                        "series": f'plimsoll:mine:{what}_5m{{target="a"}}',
                        "values": " ".join(repr(float(one)) for one in numbers),
                    }
                    for what, numbers in recorded.items()
                ],
                "promql_expr_test": expected(ends, n, values, now),
            }
        ],
    }
    file = tmp_path / "baseline.test.yaml"
    file.write_text(yaml.safe_dump(test, width=10**9))
    promtool("test", "rules", str(file))


def expected(
    ends: NDArray[np.int64], n: Numbers, values: Numbers, now: int
) -> list[dict[str, Any]]:
    """What promtool must find: the numbers of `flat` over the spans until an hour ago."""
    past = ends <= now - 3600
    part = Part(np.array([0]), ends[past] * 1000, values[None, past], n[None, past])
    found = flat(
        {Labels.of(target="a"): 0}, [part], (now - 3600) * 1000, 300_000, {}, weigh_by_n=True
    )
    numbers = {
        "mean": found.mean[0],
        "deviation": found.deviation[0],
        "observations": found.n[0],
        "days": found.days[0],
    }
    return [
        {
            "expr": f"abs(plimsoll:mine:{what}_7d / {float(number)!r} - 1) < bool 1e-5",
            "eval_time": f"{now}s",
            "exp_samples": [{"labels": '{target="a"}', "value": 1}],
        }
        for what, number in numbers.items()
    ]


def test_where_observations_are_no_weights_every_span_counts_alike() -> None:
    gauge = {"form": "gauge", "metric": "used_ratio", "by": ["target"], "unit": "ratio"}
    text = made(gauge, r=rule_of({"relative": {"above": 1.2}}))["plimsoll-mine.baseline.yaml"]
    assert "avg_over_time(plimsoll:mine:value_5m[7d] offset 1h)" in text
    assert "stddev_over_time(plimsoll:mine:value_5m[7d] offset 1h)" in text
    weighted = made(LATENCY, r=rule_of({"relative": {"above": 1.2}}))["plimsoll-mine.rules.yaml"]
    assert "expr: plimsoll:mine:value_5m * plimsoll:mine:count_5m\n" in weighted
    assert "expr: plimsoll:mine:value_5m ^ 2 * plimsoll:mine:count_5m\n" in weighted


def test_the_alert_says_which_rule_and_where_to_look() -> None:
    name = "api_response_time_regression"
    rule = DEFINITIONS.rules[name].model_copy(update={"runbook": "https://wiki.example.org/slow"})
    made_file = rule_file(DEFINITIONS.signals["api_p95"], {name: rule}, TOLD)
    alerts = [one for group in made_file.groups for one in group["rules"] if "alert" in one]
    assert [one["labels"]["severity"] for one in alerts] == ["warning", "critical"]
    for one in alerts:
        assert one["labels"] | {"severity": ""} == {
            "kind": "regression",
            "rule": name,
            "severity": "",
            "signal": "api_p95",
        }
        assert one["annotations"] | {"summary": ""} == {
            "summary": "",
            "description": TOLD.sentences[name],
            "left_out": "expected, significance, settling, clear_level, frozen_baseline",
            "regression_url": "https://plimsoll.example.org/regressions"
            "?signal=api_p95&rule=api_response_time_regression",
            "dashboard_url": "https://grafana.example.org/d/plimsoll-overview?var-signal=api_p95"
            + AROUND,
            "runbook_url": "https://wiki.example.org/slow",
        }
        assert one["keep_firing_for"] == "1h"
    shipped_file = rule_file(DEFINITIONS.signals["api_p95"], {name: DEFINITIONS.rules[name]}, TOLD)
    text = shipped_file.text
    assert f"runbook_url: https://plimsoll.example.org/runbooks/{name}" in text


def test_the_second_time_nothing_is_written_and_what_is_left_over_is_named(tmp_path: Path) -> None:
    outcomes = {one.outcome for one in export(tmp_path, DEFINITIONS.signals, {}, TOLD)}
    assert outcomes == {Outcome.CREATED}
    (tmp_path / "others.yaml").write_text("groups: []\n")
    few = {"api_p95": DEFINITIONS.signals["api_p95"]}
    again = {one.path.name: one.outcome for one in export(tmp_path, few, {}, TOLD)}
    assert again.pop("plimsoll-api_p95.rules.yaml") is Outcome.UNCHANGED
    assert set(again.values()) == {Outcome.LEFT_OVER}
    assert "plimsoll-api_mean.rules.yaml" in again
    assert "others.yaml" not in again


def test_a_disabled_rule_is_not_exported_and_a_gate_without_a_count_neither() -> None:
    signal = signal_of(LATENCY)
    disabled = rule_of({"relative": {"above": 1.2}}, enabled=False)
    assert unsaid(disabled, signal) is Unsaid.DISABLED
    bare = signal_of({"form": "promql", "expr": "sum(x)"})
    counting = rule_of({"relative": {"above": 1.2}}, gates=Gates(min_count=5))
    assert unsaid(counting, bare) is Unsaid.NO_COUNT
    shift = rule_of({"distribution": {"above": 6}})
    assert unsaid(shift, signal) is Unsaid.DISTRIBUTION
    moved = rule_of({"change": {"above": 1.1}}, sustain={"windows": 3, "of": 4})
    assert unsaid(moved, signal) is Unsaid.CHANGE


def test_a_signal_in_promql_is_recorded_and_has_rules_but_no_made_up_tests(tmp_path: Path) -> None:
    form = {"form": "promql", "expr": "avg(queue_length[$window])", "by": ["queue"]}
    form["expr"] = "sum by (queue) (avg_over_time(queue_length[$window]))"
    files = made(form, r=rule_of({"absolute": {"above": 5}}, clear={"level": 4, "for": "5m"}))
    assert list(files) == ["plimsoll-mine.rules.yaml"]
    put(tmp_path, files)
    promtool("check", "rules", str(tmp_path / "plimsoll-mine.rules.yaml"))


def test_the_levels_of_a_test_lie_beyond_and_within_the_rule() -> None:
    for rule in DEFINITIONS.rules.values():
        signal = DEFINITIONS.signals[rule.signal]
        if unsaid(rule, signal) is None:
            levels = levels_of(rule, signal)
            side = 1 if rule.upwards else -1
            assert side * levels.firing > side * levels.quiet
            breach, _ = breach_of(rule, signal)
            assert bool(baseline_of(breach, 1.0, "{}", 3)) == breach.asks_the_past
