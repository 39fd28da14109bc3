"""A release: reproducible, whole, and working in an environment that has nothing else."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from publishing import release
from publishing.release import ReleaseError
from tests.publishing.tools import uv
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
EPOCH = "1772452800"
VERSION = release.version(ROOT)
ROOMS = [one for one in release.rooms(ROOT) if not one.startswith("docs")]
COPIED = ("client", *ROOMS, "beacon", "docs", "pyproject.toml", "README.md",
          "CHANGELOG.md", "LICENSE", "plimsoll.example.yaml", ".gitignore")  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What a release is made of, by name."""
    built = release.build(ROOT, tmp_path_factory.mktemp("dist"), EPOCH)
    return {one.name: one for one in built}


@pytest.fixture(scope="module")
def wheels(files: dict[str, Path]) -> list[Path]:
    """Both wheels."""
    return [one for name, one in files.items() if name.endswith(".whl")]


def test_a_release_is_wheel_and_source_of_both_distributions(files: dict[str, Path]) -> None:
    assert sorted(files) == [
        f"plimsoll-{VERSION}-py3-none-any.whl", f"plimsoll-{VERSION}.tar.gz",
        f"plimsoll_client-{VERSION}-py3-none-any.whl", f"plimsoll_client-{VERSION}.tar.gz",
    ]  # fmt: skip


def test_the_same_sources_make_the_same_release(files: dict[str, Path], tmp_path: Path) -> None:
    """From another folder, with other times, and beside what a person leaves lying about."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in COPIED:
        source, target = ROOT / name, elsewhere / name
        if source.is_dir():
            left = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(source, target, ignore=left, copy_function=shutil.copy)
        else:
            shutil.copy(source, target)
    shutil.copytree(ROOT / "tests", elsewhere / "tests", ignore=shutil.ignore_patterns("*.pyc"))
    (elsewhere / "api/__pycache__").mkdir(exist_ok=True)
    (elsewhere / "api/__pycache__/main.cpython-311.pyc").write_bytes(b"x")

    again = release.build(elsewhere, tmp_path / "dist", EPOCH)

    assert {one.name: release.digest(one) for one in again} == {
        name: release.digest(one) for name, one in files.items()
    }


def test_the_time_of_the_archives_is_the_one_that_was_given(
    files: dict[str, Path],
) -> None:
    before = os.environ.get(release.EPOCH)
    with zipfile.ZipFile(files[f"plimsoll_client-{VERSION}-py3-none-any.whl"]) as archive:
        times = {one.date_time for one in archive.infolist()}

    assert times == {(2026, 3, 2, 12, 0, 0)}
    with release.at_the_time_of("1"):
        assert os.environ[release.EPOCH] == "1"
    assert os.environ.get(release.EPOCH) == before


@pytest.mark.parametrize("name", ["plimsoll", "plimsoll_client"])
def test_the_source_makes_the_same_wheel(files: dict[str, Path], name: str, tmp_path: Path) -> None:
    made = release.rebuilt(files[f"{name}-{VERSION}.tar.gz"], tmp_path, EPOCH)

    assert made.name == f"{name}-{VERSION}-py3-none-any.whl"
    assert release.digest(made) == release.digest(files[made.name])


def test_every_asset_is_in_the_wheel(files: dict[str, Path]) -> None:
    wanted = release.tracked(ROOT, release.rooms(ROOT))
    kinds = {
        "templates": r"api/pages/templates/.*\.html", "static": r"api/static/.*\.css",
        "beacon": r"api/static/beacon/.*\.js", "migrations": r"storage/migrations/versions/\d+_",
        "runbooks": r"api/pages/runbooks/\w+\.md", "catalogue": r"detector/catalogue/\w+\.yaml",
    }  # fmt: skip

    for kind, pattern in kinds.items():
        assert any(re.match(pattern, one) for one in wanted), kind
    # Files that nobody has committed yet are no fault of the wheel.
    lacking = release.amiss(files[f"plimsoll-{VERSION}-py3-none-any.whl"], wanted)
    assert [one for one in lacking if " lacks " in one] == []


def test_what_a_wheel_lacks_and_what_it_holds_too_much_is_named(files: dict[str, Path]) -> None:
    wheel = files[f"plimsoll_client-{VERSION}-py3-none-any.whl"]
    wanted = release.tracked(ROOT, ["client/plimsoll_client"])

    assert release.amiss(wheel, wanted) == []
    wanted.remove("plimsoll_client/cache.py")
    assert release.amiss(wheel, wanted | {"plimsoll_client/gone.py"}) == [
        f"{wheel.name} lacks plimsoll_client/gone.py",
        f"{wheel.name} should not hold plimsoll_client/cache.py",
    ]


# --- what is no release ------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A committed checkout of version 1.2.0, as far as a release looks at it."""
    (tmp_path / "client").mkdir()
    for folder in (tmp_path, tmp_path / "client"):
        (folder / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n## 1.2.0, 2026-03-02\n")
    commit(tmp_path)
    return tmp_path


def commit(folder: Path) -> None:
    """Commit all that is there."""
    who = ["-c", "user.name=ada", "-c", "user.email=ada@shop.example"]
    release.git(folder, "init", "--quiet")
    release.git(folder, "add", "--all")
    release.git(folder, *who, "commit", "--quiet", "--message", "all")


def test_a_clean_checkout_with_its_changes_is_fit(checkout: Path) -> None:
    assert release.checked(checkout) == "1.2.0"


def test_a_file_that_is_not_committed_stops_a_release(checkout: Path) -> None:
    (checkout / "left.py").write_text("")

    with pytest.raises(ReleaseError, match=r"the checkout has changes.*\n.*left\.py"):
        release.checked(checkout)


@pytest.mark.parametrize("heading", ["## 1.1.0, 2026-01-01", "## 1.2.0, unreleased", "1.2.0"])
def test_a_version_without_its_changes_is_not_released(checkout: Path, heading: str) -> None:
    (checkout / "CHANGELOG.md").write_text(f"# Changes\n\n{heading}\n")
    commit(checkout)

    with pytest.raises(ReleaseError, match="no heading of"):
        release.checked(checkout)


def test_a_version_is_released_once(checkout: Path) -> None:
    release.git(checkout, "tag", "v1.2.0")

    with pytest.raises(ReleaseError, match="released already"):
        release.checked(checkout)


def test_the_two_distributions_go_together(checkout: Path) -> None:
    (checkout / "client/pyproject.toml").write_text('[project]\nversion = "1.1.0"\n')

    with pytest.raises(ReleaseError, match="two versions"):
        release.checked(checkout)


# --- installed ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Installed:
    """A program in an environment of its own, and a folder with nothing in it."""

    program: Path
    library: Path
    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [self.program, *arguments], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of ours: no path to the checkout, and a home that is empty."""
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "COLUMNS": "200"}


@pytest.fixture(scope="module")
def installed(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Installed by `uv tool install`, as the documentation tells to, with the locked versions."""
    home = tmp_path_factory.mktemp("installed")
    client, application = sorted(wheels, key=lambda one: "client" not in one.name)
    locked = home / "locked.txt"
    export = ["export", "--frozen", "--no-dev", "--no-emit-workspace", "--no-hashes"]
    called(uv(), *export, "--output-file", str(locked), folder=ROOT)
    places = {"UV_TOOL_DIR": str(home / "tools"), "UV_TOOL_BIN_DIR": str(home / "bin")}
    called(
        uv(), "tool", "install", "--python", sys.executable, "--constraints", str(locked),
        "--with", str(client), str(application), folder=home, more=places,
    )  # fmt: skip
    (home / "empty").mkdir()
    (library,) = (home / "tools/plimsoll/lib").glob("python*/site-packages")
    return Installed(home / "bin/plimsoll", library, home / "empty")


def called(*command: str, folder: Path, more: dict[str, str] | None = None) -> None:
    """Run a tool of packaging; its words when it fails."""
    environment = {name: one for name, one in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        command, cwd=folder, env=environment | (more or {}),
        capture_output=True, text=True, check=False, timeout=110,
    )  # fmt: skip
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout}\n{ran.stderr}"


def test_installed_it_tells_its_version_and_takes_the_defaults(installed: Installed) -> None:
    told = installed.run("--version")
    assert (told.returncode, told.stdout, told.stderr) == (0, f"plimsoll {VERSION}\n", "")
    checked = installed.run("check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.startswith("ok: the defaults")


def test_the_client_that_is_installed_is_ours(installed: Installed) -> None:
    """On the public index the name belongs to another project."""
    (told,) = installed.library.glob("plimsoll_client-*.dist-info/direct_url.json")

    assert f"plimsoll_client-{VERSION}-py3-none-any.whl" in told.read_text()
    assert (installed.library / "plimsoll_client/deployments.py").is_file()


@pytest.fixture
def first_page(installed: Installed) -> Iterator[str]:
    """The address of an installed one that was just started, with its folder empty."""
    port = free_port()
    (installed.folder / "plimsoll.yaml").write_text(f"server: {{port: {port}}}\n")
    running = subprocess.Popen(
        [installed.program, "run"], cwd=installed.folder, env=installed.environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        said = running.communicate(timeout=60)[0]
        (installed.folder / "plimsoll.yaml").unlink()
    assert running.returncode == 0, said


def test_installed_it_starts_and_shows_its_pages(first_page: str, installed: Installed) -> None:
    deadline = time.monotonic() + 60
    while not answers(f"{first_page}/healthz"):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    for path in ("/", "/runbooks/cpu_high", "/signals/api_p95", "/static/plimsoll.css",
                 "/beacon.js", "/metrics", "/api/v1/rules"):  # fmt: skip
        assert answers(f"{first_page}{path}"), path
    assert (installed.folder / "plimsoll-data/state.sqlite3").is_file()


def answers(url: str) -> bool:
    """Whether it answers with a success."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_pip_takes_the_wheels_too(installed: Installed, wheels: list[Path], tmp_path: Path) -> None:
    """What pipx does, but that the dependencies are those of the other environment."""
    environment = tmp_path / "environment"
    called(sys.executable, "-m", "venv", str(environment), folder=tmp_path)
    (library,) = (environment / "lib").glob("python*/site-packages")
    (library / "beside.pth").write_text(f"{installed.library}\n")
    pip = [str(environment / "bin/python"), "-m", "pip", "install", "--no-compile", "--no-deps"]
    called(*pip, "--no-index", "--ignore-installed", *map(str, wheels), folder=tmp_path)

    told = Installed(environment / "bin/plimsoll", library, tmp_path).run("--version")

    assert (told.returncode, told.stdout) == (0, f"plimsoll {VERSION}\n"), told.stderr
    assert (library / "api/main.py").is_file()
