import pytest

from dashboards.panels import UNITS, About, Column, Shape, curves, ledger, query, stat
from dashboards.signals import Threshold
from dashboards.steps import lines_of, steps_of
from detector.form import Direction
from detector.regression import Severity
from detector.units import Unit

UP, DOWN = Direction.UP, Direction.DOWN
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


@pytest.mark.parametrize(
    ("thresholds", "steps"),
    [
        ([], [("text", None)]),
        ([Threshold(0.5, CRITICAL)], [("green", None), ("red", 0.5)]),
        (
            [Threshold(0.5, CRITICAL), Threshold(0.2, WARNING)],
            [("green", None), ("orange", 0.2), ("red", 0.5)],
        ),
        ([Threshold(0.85, WARNING, DOWN)], [("orange", None), ("green", 0.85)]),
        (
            [Threshold(0.85, WARNING, DOWN), Threshold(0.7, CRITICAL, DOWN)],
            [("red", None), ("orange", 0.7), ("green", 0.85)],
        ),
        (
            [Threshold(10, WARNING, DOWN), Threshold(90, CRITICAL, UP)],
            [("orange", None), ("green", 10), ("red", 90)],
        ),
        (
            [Threshold(5, WARNING), Threshold(5, CRITICAL)],
            [("green", None), ("red", 5)],
        ),
    ],
)
def test_each_span_has_the_colour_of_the_worst_level_it_breaks(
    thresholds: list[Threshold], steps: list[tuple[str, float | None]]
) -> None:
    assert [(step["color"], step["value"]) for step in steps_of(thresholds)] == steps


def test_every_unit_has_a_name_in_grafana() -> None:
    assert set(UNITS) == set(Unit)


def test_a_number_for_now_has_no_curve_behind_it() -> None:
    about = About("A", "What it shows.")
    now = stat(about, query("up", shape=Shape.NOW), steps_of([])).to_json_data()
    ago = stat(about, query("up"), steps_of([])).to_json_data()
    assert now["options"]["graphMode"] == "none"
    assert ago["options"]["graphMode"] == "area"


def test_a_query_is_either_for_now_or_for_the_range() -> None:
    for shape in Shape:
        target = query("up", shape=shape).to_json_data()
        assert target["instant"] is not target["range"]
        assert (target["format"] == "table") is (shape is Shape.TABLE)


def test_building_a_panel_twice_gives_the_same_panel() -> None:
    limits = [Threshold(1, WARNING)]
    panel = curves(About("A", "What it shows."), [query("up")], limits=limits)
    assert panel.to_json_data() == panel.to_json_data()


def test_two_limits_of_one_level_are_one_line_of_the_worse_colour() -> None:
    limits = [Threshold(5, CRITICAL), Threshold(5, WARNING), Threshold(2, WARNING, DOWN)]
    lines = [(step["color"], step["value"]) for step in lines_of(limits)]
    assert lines == [("text", None), ("orange", 2), ("red", 5)]


@pytest.mark.parametrize("count", [1, 2])
def test_the_columns_of_a_ledger_have_their_headings_however_many_queries_it_has(
    count: int,
) -> None:
    """Grafana's data source says `Value` of the only answer, and `Value #A` of the first of two."""
    columns = [Column("first", "a"), Column("second", "b")][:count]
    panel = ledger(About("A", "What it shows."), ["route"], columns, empty="x").to_json_data()
    renamed = panel["transformations"][1]["options"]["renameByName"]
    assert renamed["Value"] == renamed["Value #A"] == "first"
    assert ("Value #B" in renamed) is (count == 2)
