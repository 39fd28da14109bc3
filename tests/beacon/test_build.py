"""The beacon that ships is the one in the sources, small, and the same each time."""

import json
import re
from pathlib import Path

import brotli
import pytest

from api.built import FILES, NAMES, built
from tests.node import installed, run

# Browsers and packages start once for a module; a busy machine takes its time.
pytestmark = pytest.mark.timeout(300)

SOURCE = Path(__file__).parents[2] / "beacon"
# Brotli at its best, in bytes. What web-vitals alone takes: 3,075 and 5,313.
MOST_BYTES = {"js": 4_200, "mjs": 4_200, "attr.js": 6_500, "attr.mjs": 6_500}
REBUILD = "run `npm ci && node build.js ../api/static/beacon` in beacon/ and commit what it wrote"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beacon, built now."""
    return build(tmp_path_factory.mktemp("built"))


def build(folder: Path) -> Path:
    run("node", "build.js", folder, cwd=installed(SOURCE))
    return folder


def plain(folder: Path) -> dict[str, bytes]:
    """What a folder holds but what is packed: another Node may pack otherwise."""
    return {one.name: one.read_bytes() for one in sorted(folder.iterdir()) if one.suffix != ".br"}


def test_what_ships_is_what_the_sources_make(fresh: Path) -> None:
    assert plain(FILES) == plain(fresh), REBUILD
    assert {one.name for one in FILES.iterdir()} == {one.name for one in fresh.iterdir()}


def test_the_same_sources_make_the_same_bytes(fresh: Path, tmp_path: Path) -> None:
    assert plain(build(tmp_path)) == plain(fresh)


def test_the_folder_it_is_built_in_leaves_no_trace(fresh: Path) -> None:
    for name, content in plain(fresh).items():
        assert str(SOURCE).encode() not in content, name
        assert b"node_modules" not in content, name


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small(name: str) -> None:
    file = built(name)

    assert len(brotli.compress(file.plain, quality=11)) <= MOST_BYTES[name]
    assert len(file.brotli) <= MOST_BYTES[name]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_packed_is_the_same_script(name: str) -> None:
    file = built(name)

    assert brotli.decompress(file.brotli) == file.plain, REBUILD


@pytest.mark.parametrize("name", NAMES)
def test_the_license_of_what_it_carries_is_told(name: str) -> None:
    assert built(name).plain.startswith(b"/* Plimsoll and web-vitals, Apache-2.0 */")


def test_the_sources_are_typed() -> None:
    run(installed(SOURCE) / "node_modules/.bin/tsc", cwd=SOURCE)


def test_every_package_is_pinned_and_none_names_a_registry() -> None:
    manifest = json.loads((SOURCE / "package.json").read_text())
    text = (SOURCE / "package-lock.json").read_text()
    lock = json.loads(text)["packages"]

    for name, version in manifest["devDependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
        assert lock[f"node_modules/{name}"]["version"] == version
    assert all("integrity" in one for name, one in lock.items() if name)
    assert '"resolved"' not in text
    assert "://" not in text.replace("https://github.com/sponsors", "")


def test_the_package_needs_nothing() -> None:
    package = json.loads((FILES / "package.json").read_text())

    assert "dependencies" not in package
    for file in package["exports"].values():
        assert {(FILES / one).is_file() for one in file.values()} == {True}
