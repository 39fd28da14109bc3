"""The pictures of how detection works are those that the code draws."""

import re
from pathlib import Path

import pytest

from api.reference import pictures

PAGE = Path(__file__).parents[2] / "docs" / "how-detection-works.md"


def test_the_pictures_are_as_they_are_drawn() -> None:
    stale = pictures.stale(pictures.FOLDER)
    assert stale == [], "run `python -m api.reference.pictures` and commit what it drew"


def test_each_picture_is_on_the_page_with_words_for_who_cannot_see_it() -> None:
    shown = re.findall(r"!\[([^\]]+)\]\(images/detection/(\w+)\.svg\)", PAGE.read_text("utf-8"))
    assert {name for _, name in shown} == set(pictures.PICTURES)
    assert all(len(words) > 40 for words, _ in shown)
    assert {file.stem for file in pictures.FOLDER.iterdir()} == set(pictures.PICTURES)


def test_a_stale_picture_is_named_and_drawn_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pictures, "FOLDER", tmp_path)
    monkeypatch.setattr(pictures, "PICTURES", {"change": pictures.change})
    (tmp_path / "change.svg").write_bytes(b"<svg/>")
    assert pictures.main(["--check"]) == 1
    assert capsys.readouterr().out == "stale: change.svg\n"
    assert pictures.main([]) == 0
    assert pictures.main(["--check"]) == 0
