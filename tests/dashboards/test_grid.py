import pytest

from dashboards.grid import Section, Shelf, layout, shelves
from dashboards.panels import About, Viz, curves, query


def panels(*titles: str) -> list[Viz]:
    return [curves(About(title, "What it shows."), [query("up")]) for title in titles]


def ids(*titles: str) -> dict[str, int]:
    return {panel.title: panel.id for panel in layout([Section("", shelves(panels(*titles)))])}


def test_the_id_of_a_panel_stays_when_another_is_put_before_it() -> None:
    before, after = ids("CPU", "Memory"), ids("New", "CPU", "Memory")
    assert before.items() <= after.items()


def test_two_panels_of_one_title_have_different_ids() -> None:
    first, second = layout([Section("", [Shelf(8, panels("CPU", "CPU"))])])
    assert second.id == first.id + 1


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, []), (1, [1]), (3, [3]), (4, [2, 2]), (5, [3, 2]), (7, [3, 2, 2]), (8, [3, 3, 2])],
)
def test_shelves_are_filled_evenly(count: int, sizes: list[int]) -> None:
    filled = shelves(panels(*map(str, range(count))))
    assert [len(shelf.panels) for shelf in filled] == sizes
    assert [panel.title for shelf in filled for panel in shelf.panels] == list(
        map(str, range(count))
    )


def test_five_panels_share_the_whole_width() -> None:
    placed = layout([Section("", [Shelf(4, panels(*"abcde"))])])
    assert sum(panel.gridPos.w for panel in placed) == 24
    assert {panel.gridPos.w for panel in placed} == {4, 5}


def test_a_section_has_a_heading_above_its_shelves() -> None:
    heading, panel = layout([Section("Hosts", [Shelf(8, panels("CPU"))])])
    assert heading.to_json_data()["type"] == "row"
    assert (heading.gridPos.y, panel.gridPos.y) == (0, 1)
