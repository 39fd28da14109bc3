"""Builds a release: wheel and source of both distributions, the same bytes from the same commit.

    scripts/release         into dist/, from a clean checkout of a version that CHANGELOG.md names
    scripts/release --trial the same without looking at the checkout and the changelog

The time in the archives is that of the commit (`SOURCE_DATE_EPOCH` overrides it). A wheel has to
hold exactly what the repository tracks in the rooms, so that no asset is missing and nothing that
lies about goes along. Tagging and handing out are left to a person; what to do is printed.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
EPOCH = "SOURCE_DATE_EPOCH"
# Where a wheel has what the repository has elsewhere, see pyproject.toml.
MOVED = {"docs/runbooks/": "api/pages/runbooks/", "client/": ""}
PROJECTS = (".", "client")


class ReleaseError(Exception):
    """There is no release to be had from this; the message says what to mend."""


def version(root: Path) -> str:
    """The version of both distributions; a `ReleaseError` when they differ."""
    found = {
        name: tomllib.loads((root / name / "pyproject.toml").read_text())["project"]["version"]
        for name in PROJECTS
    }
    if len(set(found.values())) != 1:
        raise ReleaseError(f"plimsoll and plimsoll-client have two versions: {found}")
    return str(found["."])


def checked(root: Path) -> str:
    """The version, when this checkout is fit to be released."""
    wanted = version(root)
    changed = git(root, "status", "--porcelain")
    if changed:
        raise ReleaseError(f"the checkout has changes; commit them or take them away:\n{changed}")
    changes = (root / "CHANGELOG.md").read_text()
    heading = re.search(rf"^## {re.escape(wanted)}\b(.*)$", changes, re.MULTILINE)
    if heading is None or "unreleased" in heading[1]:
        raise ReleaseError(f"CHANGELOG.md has no heading of {wanted} with its day")
    if git(root, "tag", "--list", f"v{wanted}"):
        raise ReleaseError(f"v{wanted} is released already: choose the next version")
    return wanted


def git(root: Path, *arguments: str) -> str:
    """What git says of a checkout."""
    ran = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        raise ReleaseError(f"git {arguments[0]}: {ran.stderr.strip()}")
    return ran.stdout.strip()


@contextmanager
def at_the_time_of(epoch: str) -> Iterator[None]:
    """Let archives carry this time, in seconds since 1970."""
    before = os.environ.get(EPOCH)
    os.environ[EPOCH] = epoch
    try:
        yield
    finally:
        if before is None:
            del os.environ[EPOCH]
        else:
            os.environ[EPOCH] = before


def build(root: Path, dist: Path, epoch: str) -> list[Path]:
    """Wheel and source of both distributions in `dist`, in the order of their names."""
    from hatchling.builders.sdist import SdistBuilder
    from hatchling.builders.wheel import WheelBuilder

    dist.mkdir(parents=True, exist_ok=True)
    with at_the_time_of(epoch):
        for name in PROJECTS:
            for builder in (WheelBuilder(str(root / name)), SdistBuilder(str(root / name))):
                list(builder.build(directory=str(dist), versions=["standard"]))
    return sorted(dist.glob("plimsoll*"))


def rebuilt(source: Path, dist: Path, epoch: str) -> Path:
    """The wheel that an unpacked source makes."""
    from hatchling.builders.wheel import WheelBuilder

    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(source) as archive:
            # Python 3.11.2, as Debian 12 has it, does not know the filter yet; the archive is ours.
            safe: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            archive.extractall(folder, **safe)
        (unpacked,) = Path(folder).iterdir()
        with at_the_time_of(epoch):
            made = WheelBuilder(str(unpacked)).build(directory=str(dist), versions=["standard"])
            return Path(next(made))


def tracked(root: Path, folders: Sequence[str]) -> set[str]:
    """What a wheel has to hold: what the repository tracks there, by its place in the wheel."""
    found = set()
    for name in git(root, "ls-files", "--", *folders).splitlines():
        moved = next(((old, new) for old, new in MOVED.items() if name.startswith(old)), None)
        found.add(name.replace(*moved, 1) if moved else name)
    return found


def amiss(wheel: Path, wanted: set[str]) -> list[str]:
    """What a wheel lacks, and what it should not hold; empty when it is right."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    lacks = [f"{wheel.name} lacks {name}" for name in sorted(wanted - held)]
    return lacks + [f"{wheel.name} should not hold {name}" for name in sorted(held - wanted)]


def digest(file: Path) -> str:
    """The SHA-256 of a file, as `sha256sum` prints it."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def rooms(root: Path) -> list[str]:
    """The folders that the application's wheel is made of, as pyproject.toml lists them."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    found: list[str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return [*found, "docs/runbooks"]


def release(root: Path, dist: Path, *, trial: bool) -> list[Path]:
    """Build, look into what was built, and write SHA256SUMS; the files."""
    named = version(root) if trial else checked(root)
    epoch = os.environ.get(EPOCH) or git(root, "log", "-1", "--format=%ct")
    for old in dist.glob("*") if dist.is_dir() else ():
        old.unlink()
    files = build(root, dist, epoch)
    if {one.name.split("-")[1].removesuffix(".tar.gz") for one in files} != {named}:
        raise ReleaseError(f"not all of these are {named}: {[one.name for one in files]}")
    wrong = amiss(dist / f"plimsoll-{named}-py3-none-any.whl", tracked(root, rooms(root)))
    client = tracked(root, ["client/plimsoll_client"])
    wrong += amiss(dist / f"plimsoll_client-{named}-py3-none-any.whl", client)
    if wrong and not trial:
        raise ReleaseError("\n".join(wrong))
    sums = "".join(f"{digest(one)}  {one.name}\n" for one in files)
    (dist / "SHA256SUMS").write_text(sums)
    return files


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 with what is to be mended."""
    parser = argparse.ArgumentParser(
        prog="scripts/release", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trial", action="store_true", help="of any checkout, to look at")
    given = parser.parse_args(arguments)
    try:
        files = release(ROOT, DIST, trial=given.trial)
    except ReleaseError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write((DIST / "SHA256SUMS").read_text())
    named = version(ROOT)
    if not given.trial:
        sys.stdout.write(
            f"next: ./scripts/test, ./scripts/audit --strict, git tag -a v{named}, push the tag, "
            f"and attach the {len(files)} files and SHA256SUMS to it\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
