"""Labels that are made of others: as `label_replace` would, or refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from detector.config import SIGNAL, build_signals
from detector.definition import fingerprint
from detector.promql import compile
from detector.signal import Signal
from detector.unfit import findings
from detector.variants import misfits
from storage.series import NAME, Labels

PAGE = {
    "form": "rate",
    "metric": "hits_total",
    "by": ["target", "shelf"],
    "derive": {"shelf": {"label": "route", "pattern": "(/[^/]+)/.*"}},
}


def signal(**changes: Any) -> Signal:
    """The signal with some of its keys written otherwise."""
    return build_signals({"hits": {**PAGE, **changes}})["hits"]


@pytest.mark.parametrize(
    ("pattern", "route", "made"),
    [
        ("(/[^/]+)/.*", "/a/b", "/a"),
        ("(/[^/]+)/.*", "/a", "/a"),  # what does not fit stays
        ("(/[^/]+)", "/a/b", "/a/b"),  # the whole label must fit
        ("/a(.*)", "/a", ""),  # and what it takes may be nothing
        (r"/(\d+)/.*", "/\u0663/b", "/\u0663/b"),  # digits are those of RE2
        ("(?:/x|/(y))/.*", "/x/b", ""),
        ("(/[^/]+)/.*", "", ""),
    ],
)
def test_what_is_made_is_what_the_first_group_takes(pattern: str, route: str, made: str) -> None:
    form = signal(derive={"shelf": {"label": "route", "pattern": pattern}}).form
    series = form.series_of(Labels.of(target="shop", route=route))
    assert series == Labels.of(target="shop", shelf=made)


def test_a_label_of_the_same_name_is_replaced() -> None:
    found = signal().form.series_of(Labels.of(target="shop", route="/a/b", shelf="theirs"))
    assert found.get("shelf") == "/a"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("/[^/]+", "no group"),
        ("(/a", "no pattern"),
        ("(/a)(?=/b)", "RE2"),
        ("(?<!a)(b)", "RE2"),
        (r"(/a)/\1", "RE2"),
        ("(a++)", "RE2"),
        (r"(a)\Z", "RE2"),
    ],
)
def test_a_pattern_that_prometheus_would_read_otherwise_is_refused(
    pattern: str, reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        signal(derive={"shelf": {"label": "route", "pattern": pattern}})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"by": ["target"]}, "not in `by`"),
        ({"derive": {"shelf": {"label": "route"}}}, "shelf.pattern"),
        ({"derive": {"shelf": {"label": "route", "pattern": "(a)", "x": 1}}}, "shelf.x"),
        ({"derive": {"shelf": "(a)"}}, "must hold `label` and `pattern`"),
        ({"derive": ["shelf"]}, "must hold names"),
        (
            {"by": ["a", "b"], "derive": {"a": {"label": "b", "pattern": "(.)"},
                                          "b": {"label": "c", "pattern": "(.)"}}},
            "made too",
        ),
        ({"form": "promql", "expr": "x", "metric": None}, "derive"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused(changes: dict[str, Any], reason: str) -> None:
    text = {key: value for key, value in {**PAGE, **changes}.items() if value is not None}
    with pytest.raises(ValidationError, match=reason):
        SIGNAL.validate_python(text)


def test_promql_makes_the_same_label() -> None:
    one = "label_replace(rate(hits_total[1m]), " + '"shelf", "$1", "route", "(.*)")'
    both = f'label_replace({one}, "shelf", "$1", "route", "(/[^/]+)/.*")'
    assert compile(signal()) == f"sum by (target, shelf) ({both})"


def test_of_targets_the_label_is_called_as_prometheus_does() -> None:
    form = {"derive": {"shelf": {"label": "target", "pattern": "([a-z]+).*"}}}
    assert '"shelf", "$1", "instance", "(.*)"' in compile(signal(**form), target="instance")


def test_a_variant_has_its_own_name_for_what_it_is_made_of() -> None:
    made = signal(
        variants=[
            {"metric": "a_total", "labels": {"route": "path"}},
            {"metric": "b_total", "constants": {"route": "/c/d"}},
            {"metric": "c_total", "labels": {"shelf": "section"}},
            {"metric": "d_total", "constants": {"shelf": "/e"}},
        ]
    )
    assert not list(misfits(made.form))
    _, path, fixed, named, given = made.plain
    assert [one.label for one in path.signal.form.derive] == ["path"]
    assert (fixed.signal.form.derive, fixed.constants) == ((), (("shelf", "/c"),))
    assert (named.signal.form.derive, named.renames) == ((), (("shelf", "section"),))
    assert (given.signal.form.derive, given.constants) == ((), (("shelf", "/e"),))


def test_windows_are_made_anew_for_another_pattern_and_not_for_another_pool() -> None:
    other = signal(derive={"shelf": {"label": "route", "pattern": "(/.).*"}})
    assert fingerprint(other) != fingerprint(signal())
    assert fingerprint(signal(pool="all_hits")) == fingerprint(signal())
    # Those of a signal without a made label are those that were made before there were any.
    plain = {key: value for key, value in PAGE.items() if key != "derive"}
    assert (
        fingerprint(build_signals({"hits": {**plain, "by": ["target"]}})["hits"])
        == "042cdc24645930f1"
    )


class Known:
    """A history with one series."""

    def __init__(self, **labels: str) -> None:
        self.labels = Labels.of({NAME: "hits_total", "target": "shop", **labels})

    def metrics(self) -> list[str]:
        return ["hits_total"]

    def series(self, metric: str) -> list[Labels]:
        return [self.labels]


def test_what_the_label_is_made_of_may_be_missing() -> None:
    assert findings(signal(), Known(route="/a/b")) == []
    (found,) = findings(signal(), Known(path="/a/b"))
    assert "no series has the label `route`" in found.text
