"""The pictures of the README: of the pages as they are, at the size that they have there."""

import struct
from pathlib import Path

import pytest

from publishing import pictures
from tests.servers import program

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """All of them, by name."""
    program("chromium", package="chromium")
    files = pictures.take(tmp_path_factory.mktemp("pictures"))
    return {one.name: one.read_bytes() for one in files}


def test_every_picture_has_its_size_and_something_on_it(taken: dict[str, bytes]) -> None:
    for one in pictures.PICTURES:
        data = taken[f"{one.name}.png"]
        assert struct.unpack(">II", data[16:24]) == (pictures.WIDTH, one.height)
        assert len(data) > 20_000, "an empty page is smaller"


def test_light_and_dark_are_two_pictures(taken: dict[str, bytes]) -> None:
    assert taken["overview-light.png"] != taken["overview-dark.png"]


def test_the_readme_shows_these_pictures() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert [one.name for one in pictures.PICTURES if f"{one.name}.png" not in readme] == []
