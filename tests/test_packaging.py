"""The distributions: what is in them, what is not, and that they work without this folder."""

import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]
ROOMS = {"alerts", "api", "collector", "dashboards", "detector", "storage"}

# Runs with nothing on the path but the unpacked wheels and the dependencies.
BUILD_A_HOUSE = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
import httpx
import alerts, api, collector, dashboards, detector, storage
from api.app import create_app
from api.main import app
from api.serve import build
from api.settings import load

for room in (alerts, api, collector, dashboards, detector, storage):
    assert Path(room.__file__).is_relative_to(sys.argv[1]), room.__file__
house = build(load(None), now=lambda: datetime(2026, 3, 2, 12, tzinfo=UTC))

PAGES = (
    "/", "/regressions", "/signals/api_p95", "/runbooks/cpu_high", "/static/plimsoll.css",
    "/metrics",
)

async def ask():
    transport = httpx.ASGITransport(app=create_app(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for path in PAGES:
            answer = await client.get(path)
            assert answer.status_code == 200, (path, answer.text)

asyncio.run(ask())
app(["dashboards", "write", "written"], standalone_mode=False)
house.state.close()
house.file.close()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the application."""
    return built(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def client_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the client."""
    return built(ROOT / "client", tmp_path_factory.mktemp("client"))


def built(project: Path, directory: Path) -> Path:
    """Build a wheel as a release would."""
    builder = WheelBuilder(str(project))
    return Path(next(builder.build(directory=str(directory), versions=["standard"])))


def files(wheel: Path) -> set[str]:
    """What a wheel holds, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def metadata(wheel: Path, name: str) -> str:
    """One file of its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        (found,) = (one for one in archive.namelist() if one.endswith(f".dist-info/{name}"))
        return archive.read(found).decode()


def kept(*folders: str) -> Iterator[str]:
    """The files below these folders that belong to the project."""
    for folder in folders:
        for file in (ROOT / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(ROOT))


def test_the_wheel_holds_exactly_the_rooms_and_the_runbooks(wheel: Path) -> None:
    runbooks = {one.replace("docs/", "api/pages/", 1) for one in kept("docs/runbooks")}

    assert files(wheel) == set(kept(*ROOMS)) | runbooks


def test_the_client_wheel_holds_exactly_the_client(client_wheel: Path) -> None:
    expected = {one.removeprefix("client/") for one in kept("client/plimsoll_client")}

    assert files(client_wheel) == expected


def test_every_room_is_typed(wheel: Path, client_wheel: Path) -> None:
    found = files(wheel) | files(client_wheel)

    assert {f"{room}/py.typed" for room in (*ROOMS, "plimsoll_client")} <= found


@pytest.mark.parametrize(
    "file",
    [
        "api/pages/templates/overview.html",
        "api/static/beacon/beacon.d.ts",
        "api/static/beacon/beacon.js",
        "api/static/beacon/beacon.js.br",
        "api/static/plimsoll.css",
        "api/static/uplot/uPlot.iife.min.js",
        "api/static/uplot/LICENSE",
        "detector/catalogue/api.yaml",
        "storage/migrations/env.py",
        "storage/migrations/versions/0001_first_tables.py",
    ],
)
def test_what_is_not_python_comes_along(wheel: Path, file: str) -> None:
    assert file in files(wheel)


def test_the_wheel_says_how_to_start_and_under_which_license(wheel: Path) -> None:
    entries = metadata(wheel, "entry_points.txt")
    with zipfile.ZipFile(wheel) as archive:
        licenses = [name for name in archive.namelist() if "/licenses/" in name]

    assert "plimsoll = api.main:main" in entries
    assert [Path(name).name for name in licenses] == ["LICENSE"]
    assert "Requires-Dist: plimsoll-client" in metadata(wheel, "METADATA")


def test_the_client_needs_one_thing(client_wheel: Path) -> None:
    lines = metadata(client_wheel, "METADATA").splitlines()
    needed = [line for line in lines if line.startswith("Requires-Dist")]

    assert [line for line in needed if "extra ==" not in line] == [
        "Requires-Dist: prometheus-client>=0.20"
    ]


def test_nobody_else_owns_the_names() -> None:
    """Two distributions with a folder `api` overwrite each other without a word."""
    owners = {
        (dist.name, str(file).split("/")[0].removesuffix(".py"))
        for dist in distributions()
        for file in dist.files or ()
        if dist.name not in ("plimsoll", "plimsoll-client")
    }
    names = ROOMS | {"plimsoll_client"}

    assert [(dist, name) for dist, name in owners if name in names] == []
    assert not names & sys.stdlib_module_names


def test_the_two_versions_go_together() -> None:
    versions = {
        tomllib.loads((ROOT / file).read_text(encoding="utf-8"))["project"]["version"]
        for file in ("pyproject.toml", "client/pyproject.toml")
    }

    assert len(versions) == 1


def test_the_wheels_work_without_this_folder(
    wheel: Path, client_wheel: Path, tmp_path: Path
) -> None:
    unpacked, empty = tmp_path / "unpacked", tmp_path / "empty"
    empty.mkdir()
    for one in (wheel, client_wheel):
        with zipfile.ZipFile(one) as archive:
            archive.extractall(unpacked)
    libraries = sysconfig.get_paths()["purelib"]
    # -S: the environment's own .pth would put this folder on the path.
    start = f"import sys; sys.path[:0] = [{str(unpacked)!r}, {libraries!r}]\n"

    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + BUILD_A_HOUSE, str(unpacked)],
        cwd=empty,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ran.returncode == 0, ran.stderr
    assert (empty / "written/dashboards/plimsoll-overview.json").is_file()


def test_the_console_script_prints_help() -> None:
    script = Path(sysconfig.get_paths()["scripts"]) / "plimsoll"

    ran = subprocess.run(
        [script, "--help"], capture_output=True, text=True, check=False, timeout=60
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "plimsoll [OPTIONS] COMMAND" in ran.stdout


def test_the_command_line_starts_without_what_only_developers_have() -> None:
    """An import of a test library somewhere in the house would be seen only after a release."""
    developers = ("pytest", "hypothesis", "importlinter", "mypy", "hatchling", "playwright")
    program = (
        "import sys\nfrom api import main, serve\n"
        f"print([name for name in {developers!r} if name in sys.modules])"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert ran.stdout == "[]\n"
