"""The site: made of every page without a warning, and of nothing from elsewhere."""

import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from publishing import links, navigation
from publishing.links import Fate

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from pathlib import Path; from publishing.site import build; "
BUILD += "sys.exit(build(Path(sys.argv[1]), Path(sys.argv[2])))"
LOADED = re.compile(
    r"""<(?:script|img|source|iframe)[^>]*\ssrc="(https?:[^"]+)"|"""
    r"""<link[^>]*rel="stylesheet"[^>]*href="(https?:[^"]+)"|url\(["']?(https?:[^)"']+)"""
)


def built(sources: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build in a process of its own: Sphinx keeps things between two builds."""
    return subprocess.run(
        [sys.executable, "-c", BUILD, str(sources), str(site)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=110,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this checkout."""
    folder = tmp_path_factory.mktemp("site") / "site"
    ended = built(ROOT, folder)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return folder


def test_every_page_is_on_the_site(site: Path) -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "client/README.md"]
    names = [str(one.relative_to(ROOT).with_suffix(".html")) for one in pages]

    assert len(names) > 60
    assert [one for one in names if not (site / one).is_file()] == []


def test_the_site_begins_at_its_root(site: Path) -> None:
    (leads_to,) = re.findall(r'content="0; url=([^"]+)"', (site / "index.html").read_text())

    assert (site / leads_to).is_file()


def test_the_navigation_has_every_section_of_the_index(site: Path) -> None:
    page = (site / "docs/index.html").read_text()
    captions = re.findall(r'<p class="caption"[^>]*><span class="caption-text">([^<]+)', page)

    headings = navigation.sections((ROOT / "docs/index.md").read_text())
    assert captions == list(headings)
    assert {"Begin", "Look things up", "Run it", "Security"} <= set(captions)


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    files = [*site.glob("*.html"), *site.rglob("docs/**/*.html"), *site.rglob("*.css")]
    loaded = {found[0] for one in files for found in LOADED.finditer(one.read_text())}

    assert len(files) > 60
    assert loaded == set()


def test_what_leads_nowhere_stops_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("# Here\n\n## Begin\n\n| page | for |\n| --- | --- |\n"
                                   "| [There](there.md) | all |\n")  # fmt: skip
    (docs / "there.md").write_text("# There\n\n[a](gone.md) [b](#gone) [c](index.md#gone)\n")
    (docs / "stray.md").write_text("# Stray\n")

    ended = built(tmp_path, tmp_path / "site")

    assert ended.returncode == 1
    told = sorted(line.partition("docs/")[2] for line in ended.stderr.splitlines())
    assert [(line.split(" WARNING")[0], line.count("gone")) for line in told] == [
        ("stray.md:", 0), ("there.md:3:", 1), ("there.md:3:", 1), ("there.md:3:", 1)
    ], told  # fmt: skip
    assert "toctree" in told[0]


# --- navigation --------------------------------------------------------------------------------

INDEX = """# All

## Begin

| page | for |
| --- | --- |
| [One](one.md) | it |
| [Two](../client/README.md) | them, not [three](three.md) |

## Words

Nothing here.
"""


def test_a_heading_with_a_table_is_a_section() -> None:
    assert navigation.sections(INDEX) == {
        "Begin": [("One", "one.md"), ("Two", "../client/README.md")]
    }


def test_pages_are_named_from_the_root() -> None:
    source = navigation.completed("docs/index", INDEX, "docs/index")

    assert source.startswith(INDEX)
    assert source.removeprefix(INDEX).split("\n") == [
        "", "", "```{toctree}", ":hidden:", ":glob:", ":caption: Begin", "",
        "One </docs/one>", "Two </client/README>", "```", "",
    ]  # fmt: skip


def test_the_runbooks_stand_below_their_page_and_other_pages_have_nothing_below() -> None:
    assert "/docs/runbooks/*" in navigation.completed("docs/runbooks", "", "docs/index")
    assert navigation.completed("docs/slack", "text", "docs/index") == "text"


# --- links that lead out -----------------------------------------------------------------------


def test_external_links_are_listed_with_their_pages(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(
        "[a](https://a.test/x#y) [own](http://127.0.0.1:8750) [shop](https://shop.example/a)\n"
        "```sh\ncurl https://in.code.test\n```\n"
    )
    (tmp_path / "docs/page.md").write_text("[a](https://a.test/x#y) <https://b.test>\n")

    assert links.external(tmp_path) == {
        "https://a.test/x#y": ["README.md", "docs/page.md"],
        "https://b.test": ["docs/page.md"],
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, Fate.ANSWERS), (302, Fate.ANSWERS), (301, Fate.MOVED), (308, Fate.MOVED),
     (404, Fate.GONE), (410, Fate.GONE), (403, Fate.UNCLEAR), (429, Fate.UNCLEAR),
     (503, Fate.UNCLEAR)],
)  # fmt: skip
def test_a_status_says_what_became_of_a_link(status: int, expected: Fate) -> None:
    assert links.fate(status) is expected


def test_only_what_is_gone_is_held_against_the_pages() -> None:
    fates = {"https://a.test": Fate.ANSWERS, "https://b.test": Fate.GONE,
             "https://c.test": Fate.UNCLEAR}  # fmt: skip
    told = StringIO()

    found = {one: ["docs/page.md"] for one in fates}
    gone = links.asked(found, told, lambda one: (fates[one], "x"))

    assert gone == ["https://b.test"]
    assert told.getvalue().splitlines() == [
        "gone: https://b.test (x) on docs/page.md",
        "unclear: https://c.test (x) on docs/page.md",
        "3 links, 1 gone",
    ]
