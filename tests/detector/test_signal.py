"""Signals as they are written: what each form reads, and every fault with its message."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from detector.config import SIGNAL, build_signals
from detector.form import weights_are_counts
from detector.signal import Signal, check_name
from detector.units import Unit

FORMS: dict[str, dict[str, Any]] = {
    "quantile": {"metric": 'latency_seconds{code!="500"}', "q": 0.95},
    "mean": {"metric": "latency_seconds"},
    "share": {"metric": 'latency_seconds{code!="500"}', "bound": 0.5},
    "ratio": {"numerator": 'requests_total{code=~"5.."}', "denominator": "requests_total"},
    "rate": {"metric": "requests_total"},
    "gauge": {"metric": "memory_bytes"},
}


def form(name: str, **changes: Any) -> Any:
    return SIGNAL.validate_python({"form": name, **FORMS[name], **changes})


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("quantile", ['latency_seconds_bucket{code!="500"}']),
        ("mean", ["latency_seconds_sum", "latency_seconds_count"]),
        ("share", ['latency_seconds_bucket{code!="500"}']),
        ("ratio", ['requests_total{code=~"5.."}', "requests_total"]),
        ("rate", ["requests_total"]),
        ("gauge", ["memory_bytes"]),
    ],
)
def test_each_form_reads_its_series(name: str, reads: list[str]) -> None:
    assert [str(one) for one in form(name).selectors()] == reads


@pytest.mark.parametrize("name", FORMS)
def test_what_is_known_can_be_kept_by_the_form(name: str) -> None:
    made = form(name, by=["target", "route"], labels={"route": "path"}, constants={"x": "y"})
    assert len({made, form(name), made}) == 2


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_read_back_as_it_is_shown(name: str) -> None:
    made = form(name, by=["route"], unit="seconds", worse="down", over="10m")
    shown = made.model_dump(mode="json")
    assert SIGNAL.validate_python(shown) == made
    assert (shown["window"], shown["over"]) == ("1m", "10m")


def test_only_counts_of_observations_weigh_an_average() -> None:
    weighing = {name for name in FORMS if weights_are_counts(form(name))}
    assert weighing == {"quantile", "mean", "share", "ratio"}


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("gauge", {"over": "90s"}, "`over` must be a whole number of `window`s"),
        ("gauge", {"over": "30s"}, "`over` must be a whole number of `window`s"),
        ("gauge", {"window": "100ms", "over": "1s"}, "`window` must be at least 1s"),
        ("gauge", {"window": "soon"}, "'soon' is no duration"),
        ("gauge", {"metric": "1x"}, "'1x' is not a selector like"),
        ("gauge", {"metric": 7}, "a selector is written like"),
        ("gauge", {"metric": 'x{a=~"("}'}, "is no regular expression"),
        ("gauge", {"stat": "median"}, "Input should be 'avg', 'min', 'max', 'last' or 'sum'"),
        ("gauge", {"unit": "miles"}, "Input should be 'seconds', 'ratio'"),
        ("gauge", {"worse": "left"}, "Input should be 'up' or 'down'"),
        ("gauge", {"windw": "1m"}, "Extra inputs are not permitted"),
        ("quantile", {"q": 95}, "less than 1"),
        ("quantile", {"q": 0}, "greater than 0"),
        ("share", {"bound": "inf"}, "Input should be a finite number"),
        ("share", {"bound": None}, "Input should be a valid number"),
        ("ratio", {"labels": {"route": 7}}, "must hold names with values, both texts"),
        ("ratio", {"constants": ["route"]}, "must hold names with values, both texts"),
        ("ratio", {"denominator": None}, "a selector is written like"),
    ],
)
def test_each_fault_has_its_message(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        form(name, **changes)


def test_an_unknown_form_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="'quantile', 'mean', 'share', 'ratio', 'rate'"):
        SIGNAL.validate_python({"form": "median", "metric": "x"})


def test_windows_of_fractions_of_a_second_fit_by_the_millisecond() -> None:
    # 4.2 is no multiple of 1.4 in binary fractions.
    assert form("gauge", window="1.4s", over="4.2s").window_ms == 1400


@pytest.mark.parametrize("name", ["", "API", "1x", "a-b", "a b", "_x", "ä"])
def test_names_are_words_in_lower_case(name: str) -> None:
    with pytest.raises(
        ValueError, match="names are lower case letters, digits and _, like api_p95"
    ):
        check_name(name)


def test_a_signal_is_called_by_its_title_or_its_name() -> None:
    assert (
        build_signals({"api_p95": {"form": "gauge", "metric": "x"}})["api_p95"].title == "api p95"
    )
    assert Signal(name="x", form=form("gauge", title="Memory")).title == "Memory"
    assert form("gauge").unit is Unit.COUNT
