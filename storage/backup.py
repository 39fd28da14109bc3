"""Backups of history and state: made while Plimsoll runs or not, restored while it does not.

A restore is prepared beside the files it replaces, then written down in one journal, then carried
out. A process that is killed before the journal is there has changed nothing; one that is killed
later leaves the rest to the next start.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from storage.archive import (
    FORMAT,
    HISTORY,
    STATE,
    BackupError,
    Manifest,
    Told,
    described,
    length_bytes,
    private,
    read,
    stream,
    unpack,
)
from storage.duck import VERSION
from storage.duckfile import DuckFile
from storage.state import State, revisions

PREPARED = "backup-"
JOURNAL = "restore.json"
ASIDE = ".before-restore"
LOGS = {HISTORY: (".wal",), STATE: ("-wal", "-shm")}


@dataclass(frozen=True, slots=True)
class Prepared:
    """Copies of one moment in a folder of their own, to be handed out as one archive."""

    folder: Path
    manifest: Manifest

    @property
    def length_bytes(self) -> int:
        """How long the archive is."""
        return length_bytes(self.manifest)

    def chunks(self) -> Iterator[bytes]:
        """The archive."""
        return stream(self.manifest, {name: self.folder / name for name in self.manifest.files})

    def remove(self) -> None:
        """Give back the space."""
        shutil.rmtree(self.folder, ignore_errors=True)


def prepare(file: DuckFile, state: State, version: str, now: datetime) -> Prepared:
    """Copy history and state into a new folder beside the history.

    The state comes first: a tick that only the history has is run again as a whole, but one that
    only the state has would stay a gap. A state in PostgreSQL is left to pg_dump.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREPARED, dir=file.path.parent))
    try:
        revision = None
        paths = {}
        if state.file is not None:
            paths[STATE] = folder / STATE
            state.copy_to(paths[STATE])
            revision = state.revision()
        paths = {HISTORY: folder / HISTORY, **paths}
        file.copy_to(paths[HISTORY])
        manifest = Manifest(
            format=FORMAT,
            plimsoll=version,
            made_at=now.isoformat(timespec="seconds"),
            history_version=VERSION,
            state_revision=revision,
            files={name: described(path) for name, path in paths.items()},
        )
        return Prepared(folder, manifest)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BackupError(f"{folder} cannot be written ({error.strerror})") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def sweep(directory: Path) -> None:
    """Remove what a process that was killed while it made a backup has left behind."""
    for folder in directory.glob(f"{PREPARED}*"):
        shutil.rmtree(folder, ignore_errors=True)


def save(chunks: Iterator[bytes], target: Path, length: int, told: Told) -> Manifest:
    """Write an archive to a file as a whole or not at all, and read it again before it counts."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise BackupError(f"{target.parent} cannot be written ({error.strerror})") from None
    part = Path(name)
    try:
        done = 0
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
                done += len(chunk)
                told(done, length)
            file.flush()
            os.fsync(file.fileno())
        manifest = unpack(part, {}, lambda _done, _total: None)
        part.replace(target)
        settle(target.parent)
    except OSError as error:
        raise BackupError(f"{target} cannot be written ({error.strerror})") from None
    finally:
        part.unlink(missing_ok=True)
    return manifest


def settle(directory: Path) -> None:
    """Make what was renamed in a directory outlast a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def restore(
    archive: Path, history: Path, state: Path | None, told: Told, *, force: bool = False
) -> Manifest:
    """Put the files of a backup in place; what was there is kept with `.before-restore`.

    `state` is the SQLite file, None where the state is in PostgreSQL. Refused are: damaged or newer
    backups, files that a process has open, and, unless forced, files that are there.
    """
    places = {HISTORY: history, **({STATE: state} if state is not None else {})}
    manifest = readable(archive, places)
    places = {name: path for name, path in places.items() if name in manifest.files}
    history.parent.mkdir(parents=True, exist_ok=True)
    with alone(history.parent):
        carry_out(history.parent)
        there = [str(path) for path in places.values() if path.exists()]
        if there and not force:
            raise BackupError(
                f"{' and '.join(there)} would be replaced: say --force to do so "
                f"(what is there is kept beside it as {ASIDE})"
            )
        with unopened(history):
            stage(archive, history.parent / JOURNAL, places, told)
            carry_out(history.parent)
    return manifest


def stage(archive: Path, journal: Path, places: Mapping[str, Path], told: Told) -> None:
    """Unpack beside the places and write the journal; what fails leaves nothing behind."""
    staged = {name: path.with_name(f"{path.name}.restoring") for name, path in places.items()}
    try:
        for path in places.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        unpack(archive, staged, told)
        write_journal(journal, places, staged)
    except OSError as error:
        where = error.filename or journal.parent
        raise BackupError(f"{where} cannot be written ({error.strerror})") from None
    finally:
        if not journal.exists():
            for path in staged.values():
                path.unlink(missing_ok=True)


def readable(archive: Path, places: Mapping[str, Path]) -> Manifest:
    """The manifest of a backup that this program can restore to these places."""
    manifest = read(archive)
    newer = manifest.history_version > VERSION
    if newer or manifest.state_revision not in (None, *revisions()):
        raise BackupError(
            f"{archive} was made by a newer version of Plimsoll ({manifest.plimsoll}): "
            "restore it with that version"
        )
    if STATE in manifest.files and STATE not in places:
        raise BackupError(
            f"{archive} holds a state in SQLite, and this configuration keeps it in PostgreSQL: "
            "leave `storage.state_url` out, or choose a backup made with it"
        )
    return manifest


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Nobody else restores here meanwhile, or finishes a restore that was cut off."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"a restore into {directory} is under way: wait for it") from None
        yield
    finally:
        os.close(handle)


@contextmanager
def unopened(history: Path) -> Iterator[None]:
    """No process has the history open, and none gets it meanwhile."""
    if not history.exists():
        yield
        return
    with history.open("rb+") as file:
        try:
            # The kind of lock that DuckDB itself takes; a damaged file can be locked too.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise BackupError(
                f"{history} is in use by a Plimsoll process: stop it, then restore"
            ) from None
        yield


def write_journal(journal: Path, places: Mapping[str, Path], staged: Mapping[str, Path]) -> None:
    """From here on the restore is certain: each move with the log files that must go aside too."""
    number, ending = 1, ASIDE
    while any(path.with_name(path.name + ending).exists() for path in places.values()):
        number += 1
        ending = f"{ASIDE}-{number}"
    moves = []
    for name, path in places.items():
        for log in LOGS[name]:
            old = path.with_name(path.name + log)
            moves.append([None, str(old.absolute()), f"{old.absolute()}{ending}"])
        there = str(path.absolute())
        moves.append([str(staged[name].absolute()), there, there + ending])
    part = journal.with_name(f"{journal.name}.part")
    with private(part) as file:
        file.write(json.dumps(moves).encode())
    for path in places.values():
        settle(path.parent)
    part.replace(journal)
    settle(journal.parent)


def finish(directory: Path) -> None:
    """Carry out what is left of a restore that was cut off; called before files are opened."""
    if (directory / JOURNAL).exists():
        with alone(directory):
            carry_out(directory)


def carry_out(directory: Path) -> None:
    """Do the moves of the journal that are not done yet, in their order."""
    journal = directory / JOURNAL
    if not journal.exists():
        return
    touched = {directory}
    for new, place, aside in json.loads(journal.read_bytes()):
        touched.add(Path(place).parent)
        if new is not None and not Path(new).exists():
            continue  # this one is in place
        if Path(place).exists():
            os.replace(place, aside)
        if new is not None:
            os.replace(new, place)
    for one in touched:
        settle(one)
    journal.unlink()
    settle(directory)
