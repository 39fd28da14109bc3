"""Where the panels stand: sections, shelves in them, and an id for each panel that stays."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import attr
from grafanalib.core import GridPos, RowPanel

from dashboards.panels import Viz

COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Shelf:
    """Panels side by side; they share the width evenly."""

    height: int
    panels: Sequence[Viz]


@dataclass(frozen=True, slots=True)
class Section:
    """Shelves under a heading; without a title there is no heading. `folded` hides them at first.

    A panel in a folded section asks nothing until somebody opens the section.
    """

    title: str
    shelves: Sequence[Shelf]
    folded: bool = False


def shelves(panels: Sequence[Viz], *, height: int = 8, at_most: int = 3) -> list[Shelf]:
    """The panels on as few shelves as hold them, filled evenly: four are 2 + 2, not 3 + 1."""
    if not panels:
        return []
    count = math.ceil(len(panels) / at_most)
    cuts = [math.ceil(len(panels) * shelf / count) for shelf in range(count + 1)]
    return [Shelf(height, panels[start:end]) for start, end in pairwise(cuts)]


def layout(sections: Sequence[Section]) -> list[Any]:
    """The panels and headings of all sections, each with its place and its id.

    An id comes from the title, not from the place: a link to a panel still finds it after another
    was put before it. Two panels of one title get different ids, in order.
    """
    placed: list[Any] = []
    ids: set[int] = set()
    y = 0

    def at(panel: Any, h: int, w: int, x: int) -> Any:
        number = free_id(panel.title, ids)
        ids.add(number)
        return attr.evolve(panel, id=number, gridPos=GridPos(h=h, w=w, x=x, y=y))

    for section in sections:
        if not section.shelves:
            continue
        into = placed
        if section.title:
            row = at(RowPanel(title=section.title, collapsed=section.folded), 1, COLUMNS, 0)
            placed.append(row)
            into = row.panels if section.folded else placed
            y += 1
        for shelf in section.shelves:
            count = len(shelf.panels)
            for index, panel in enumerate(shelf.panels):
                start, end = (COLUMNS * one // count for one in (index, index + 1))
                into.append(at(panel, shelf.height, end - start, start))
            y += shelf.height
    return placed


def free_id(title: str, taken: set[int]) -> int:
    """A number for a title, the same on every run; the next one up when it is taken."""
    number = zlib.crc32(title.encode()) % 1_000_000 + 1
    while number in taken:
        number += 1
    return number
