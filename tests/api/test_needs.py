"""What rests on what is declared once, at the target or in a section of its own, and means one."""

from contextlib import closing
from pathlib import Path

import pytest

from api.document import read
from api.serve import build as build_house
from api.settings import build
from detector.dependencies import Edge, Place

TARGETS = """
collector:
  host: false
  targets:
    - {name: shop, url: "http://a:8000/metrics"%s}
  redis:
    - {name: sessions, address: "b:6379"}
"""
AT_THE_TARGET = TARGETS % ", depends_on: [sessions]"
IN_A_SECTION = TARGETS % "" + "dependencies: {needs: {shop: [sessions]}}\n"


@pytest.mark.parametrize("text", [AT_THE_TARGET, IN_A_SECTION], ids=["target", "section"])
def test_a_dependency_declared_in_either_place_groups_incidents(text: str, tmp_path: Path) -> None:
    settings = build(read(f"{text}\nstorage: {{directory: {tmp_path}}}\n", {}))
    assert settings.needs == {"shop": ("sessions",)}
    house = build_house(settings)
    with closing(house.file), closing(house.state):
        known = house.book.grouping.looking.dependencies
        shop, cache = Place("", "shop", "api"), Place("", "sessions", "cache")
        assert known.rests_on(shop, cache) is Edge.DECLARED
        assert known.rests_on(cache, shop) is None
