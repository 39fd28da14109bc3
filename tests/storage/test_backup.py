"""Backups: made at one moment, restored as a whole, refused when damaged, newer or in use."""

import io
import json
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage import backup
from storage.archive import BackupError, Manifest
from storage.backup import finish, prepare, restore, save, sweep
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import Samples
from storage.series import Labels, Sample, Selector
from storage.state import State, sqlite_url

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SERIES = Labels.of(__name__="requests_total", target="shop")


def quiet(_done: int, _total: int) -> None:
    """Nobody watches."""


@dataclass
class Home:
    """A directory with a history and a state, closed; each holds one number."""

    directory: Path

    @property
    def history(self) -> Path:
        return self.directory / "history.duckdb"

    @property
    def state(self) -> Path:
        return self.directory / "state.sqlite3"

    def write(self, number: float) -> None:
        with closing(DuckFile(self.history)) as file:
            DuckHistory(file).append(Samples.of([Sample(SERIES, 1000, number)]))
        with closing(State(sqlite_url(self.state))) as state:
            state.migrate()
        with closing(sqlite3.connect(self.state)) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS told (number REAL)")
            connection.execute("DELETE FROM told")
            connection.execute("INSERT INTO told VALUES (?)", [number])

    def read(self) -> tuple[float, float]:
        finish(self.directory)
        with closing(DuckFile(self.history)) as file:
            found = DuckHistory(file).samples([Selector("requests_total")], 0, 2000)
        with closing(sqlite3.connect(self.state)) as connection:
            (number,) = connection.execute("SELECT number FROM told").fetchone()
        return float(found.values[-1]), number

    def back_up(self, target: Path) -> Manifest:
        with (
            closing(DuckFile(self.history)) as file,
            closing(State(sqlite_url(self.state))) as state,
        ):
            DuckHistory(file)
            return packed(file, state, target)

    def names(self) -> set[str]:
        return {one.name for one in self.directory.iterdir()}

    def restore(self, archive: Path, *, force: bool = True) -> Manifest:
        return restore(archive, self.history, self.state, quiet, force=force)


def packed(file: DuckFile, state: State, target: Path) -> Manifest:
    prepared = prepare(file, state, "0.1.0", NOW)
    try:
        return save(prepared.chunks(), target, prepared.length_bytes, quiet)
    finally:
        prepared.remove()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "data")
    made.write(1.0)
    return made


@pytest.fixture
def archive(home: Home, tmp_path: Path) -> Path:
    """A backup of 1, and a home that has gone on to 2."""
    path = tmp_path / "one.tar"
    home.back_up(path)
    home.write(2.0)
    return path


def test_what_is_restored_is_what_was_backed_up(home: Home, archive: Path) -> None:
    assert home.read() == (2.0, 2.0)
    home.restore(archive)
    assert home.read() == (1.0, 1.0)


def test_a_backup_restores_into_an_empty_directory(archive: Path, tmp_path: Path) -> None:
    fresh = Home(tmp_path / "elsewhere" / "data")
    manifest = fresh.restore(archive, force=False)
    assert fresh.read() == (1.0, 1.0)
    assert manifest.made_at == "2026-03-02T12:00:00+00:00"


def test_only_the_owner_may_read_a_backup_and_what_is_restored(home: Home, archive: Path) -> None:
    home.restore(archive)
    for path in (archive, home.history, home.state):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_backup_leaves_nothing_beside_the_files(home: Home, tmp_path: Path) -> None:
    before = home.names()
    home.back_up(tmp_path / "one.tar")
    assert home.names() == before
    assert {one.name for one in tmp_path.iterdir()} == {"data", "one.tar"}


def test_what_is_there_is_not_replaced_unless_forced(home: Home, archive: Path) -> None:
    with pytest.raises(BackupError, match="--force"):
        home.restore(archive, force=False)
    assert home.read() == (2.0, 2.0)


def test_every_restore_keeps_what_it_replaces(home: Home, archive: Path, tmp_path: Path) -> None:
    home.restore(archive)
    home.write(3.0)
    home.restore(archive)
    for ending, number in ((".before-restore", 2.0), (".before-restore-2", 3.0)):
        old = Home(tmp_path / ending)
        old.directory.mkdir()
        for path in (home.history, home.state):
            (home.directory / f"{path.name}{ending}").rename(old.directory / path.name)
        assert old.read() == (number, number)


def test_the_logs_of_replaced_files_go_aside_with_them(home: Home, archive: Path) -> None:
    for name in ("history.duckdb.wal", "state.sqlite3-wal", "state.sqlite3-shm"):
        (home.directory / name).write_bytes(b"of the old file")
    home.restore(archive)
    assert home.read() == (1.0, 1.0)
    for name in ("history.duckdb.wal", "state.sqlite3-wal", "state.sqlite3-shm"):
        assert (home.directory / f"{name}.before-restore").read_bytes() == b"of the old file"


def test_the_order_of_samples_of_one_time_survives(tmp_path: Path, home: Home) -> None:
    with closing(DuckFile(home.history)) as file:
        history = DuckHistory(file)
        for number in range(50):  # of equal times the one written last counts
            history.append(Samples.of([Sample(SERIES, 1000, float(number))]))
    home.back_up(tmp_path / "one.tar")
    home.restore(tmp_path / "one.tar")
    assert home.read()[0] == 49.0


def test_a_backup_is_of_one_moment_while_others_write(home: Home, tmp_path: Path) -> None:
    with closing(DuckFile(home.history)) as file:
        history = DuckHistory(file)
        state = State(sqlite_url(home.state))
        prepared = prepare(file, state, "0.1.0", NOW)
        history.append(Samples.of([Sample(SERIES, 1500, 7.0)]))
        with state.unit():
            pass
        save(prepared.chunks(), tmp_path / "one.tar", prepared.length_bytes, quiet)
        prepared.remove()
    home.restore(tmp_path / "one.tar")
    assert home.read() == (1.0, 1.0)


def test_a_state_in_postgresql_is_left_to_its_own_tools(
    home: Home, migrated_postgres: State, tmp_path: Path
) -> None:
    path = tmp_path / "one.tar"
    with closing(DuckFile(home.history)) as file:
        manifest = packed(file, migrated_postgres, path)
    assert list(manifest.files) == ["history.duckdb"]
    home.write(2.0)
    home.restore(path)
    assert home.read() == (1.0, 2.0)


def test_a_state_in_sqlite_is_not_dropped_in_silence(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="PostgreSQL"):
        restore(archive, tmp_path / "new" / "history.duckdb", None, quiet)
    assert not (tmp_path / "new").exists()


# --- what is refused ---------------------------------------------------------------------------


Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]


def rewritten(archive: Path, change: Change) -> None:
    """The archive with its members changed."""
    with tarfile.open(archive) as tar:
        members = [(one, (tar.extractfile(one) or io.BytesIO()).read()) for one in tar]
    change(members)
    with tarfile.open(archive, "w") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def manifest_with(**changes: object) -> Change:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info, content = members[0]
        members[0] = (info, json.dumps(json.loads(content) | changes).encode())

    return change


def renamed(position: int, name: str) -> Change:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members[position][0].name = name

    return change


def one_more(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members.append((tarfile.TarInfo("../../escaped"), b"x"))


def linked(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members[1][0].type, members[1][0].linkname = tarfile.SYMTYPE, "/etc/hostname"
    members[1] = (members[1][0], b"")


def climbing(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    document = json.loads(members[0][1])
    document["files"]["../escaped"] = document["files"]["history.duckdb"]
    members[0] = (members[0][0], json.dumps(document).encode())
    members.append((tarfile.TarInfo("../escaped"), members[1][1]))


def shorter(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members[1] = (members[1][0], members[1][1][:-1])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (manifest_with(format=2), "newer version"),
        (manifest_with(history_version=99), "newer version"),
        (manifest_with(state_revision="9999"), "newer version"),
        (manifest_with(files={}), "damaged"),
        (manifest_with(files="none"), "damaged"),
        (manifest_with(padding="x" * 70_000), "damaged"),
        (renamed(0, "manifest.txt"), "damaged"),
        (renamed(1, "../history.duckdb"), "damaged"),
        (renamed(1, "/history.duckdb"), "damaged"),
        (one_more, "damaged"),
        (linked, "damaged"),
        (climbing, "damaged"),
        (shorter, "damaged"),
        (lambda members: members.pop(), "damaged"),
    ],
)
def test_a_newer_or_damaged_backup_is_refused_and_nothing_changes(
    home: Home, archive: Path, change: Change, told: str, tmp_path: Path
) -> None:
    rewritten(archive, change)
    before = home.names()
    with pytest.raises(BackupError, match=told):
        home.restore(archive)
    assert home.names() == before
    assert home.read() == (2.0, 2.0)
    assert not list(tmp_path.rglob("*escaped"))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9])
def test_a_backup_cut_off_is_refused(home: Home, archive: Path, share: float) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BackupError, match="damaged"):
        home.restore(archive)
    assert home.read() == (2.0, 2.0)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_one_wrong_byte_is_found(home: Home, archive: Path, share: float) -> None:
    content = bytearray(archive.read_bytes())
    content[int(len(content) * share)] ^= 1
    archive.write_bytes(content)
    with pytest.raises(BackupError, match="not what was written"):
        home.restore(archive)
    assert home.read() == (2.0, 2.0)


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100])
def test_what_is_no_backup_is_refused(home: Home, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(BackupError, match="no backup"):
        home.restore(tmp_path / "x.tar")
    with pytest.raises(BackupError, match="cannot be read"):
        home.restore(tmp_path / "nothing.tar")


def test_a_damaged_archive_is_not_saved_as_a_backup(home: Home, tmp_path: Path) -> None:
    target = tmp_path / "one.tar"
    target.write_bytes(b"the backup of yesterday")
    with closing(DuckFile(home.history)) as file:
        prepared = prepare(file, State(sqlite_url(home.state)), "0.1.0", NOW)
    chunks = list(prepared.chunks())
    prepared.remove()
    with pytest.raises(BackupError, match="damaged"):
        save(iter(chunks[:-3]), target, prepared.length_bytes, quiet)
    assert target.read_bytes() == b"the backup of yesterday"
    assert {one.name for one in tmp_path.iterdir()} == {"data", "one.tar"}


# --- processes: in use, killed, out of space ---------------------------------------------------


def process(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A Python of its own, because locks of one process do not stop itself."""
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


RESTORE = """
import os, sys
from pathlib import Path
from storage import archive, backup
archive_, directory, fatal = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
calls = 0
def counted(real):
    def call(*arguments, **named):
        global calls
        calls += 1
        if calls == fatal:
            os.kill(os.getpid(), 9)
        return real(*arguments, **named)
    return call
for name in ("replace", "fsync", "open", "close"):
    setattr(os, name, counted(getattr(os, name)))
try:
    backup.restore(
        archive_, directory / "history.duckdb", directory / "state.sqlite3",
        lambda done, total: None, force=True,
    )
except backup.BackupError as error:
    sys.exit(f"refused: {error}")
"""


def test_a_restore_onto_files_in_use_is_refused(home: Home, archive: Path) -> None:
    with closing(DuckFile(home.history)) as file:
        DuckHistory(file)
        done = process(RESTORE, archive, home.directory, 0)
    assert "in use by a Plimsoll process" in done.stderr
    assert home.read() == (2.0, 2.0)


@pytest.mark.long
def test_a_restore_killed_anywhere_leaves_the_old_or_the_new(home: Home, archive: Path) -> None:
    seen = []
    for fatal in range(1, 60):
        home.write(2.0)
        done = process(RESTORE, archive, home.directory, fatal)
        seen.append(home.read())
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
    assert done.returncode == 0
    assert set(seen) == {(2.0, 2.0), (1.0, 1.0)}
    assert seen[-2] == (1.0, 1.0)  # killed after the journal: the next start does the rest


def test_what_a_killed_backup_leaves_is_swept_away(home: Home) -> None:
    with closing(DuckFile(home.history)) as file:
        prepared = prepare(file, State(sqlite_url(home.state)), "0.1.0", NOW)
    assert prepared.folder.stat().st_mode & 0o777 == 0o700
    sweep(home.directory)
    assert not prepared.folder.exists()
    assert home.read() == (1.0, 1.0)


def test_a_second_restore_waits_for_none(home: Home, archive: Path) -> None:
    with backup.alone(home.directory):
        done = process(RESTORE, archive, home.directory, 0)
    assert "under way" in done.stderr


SMALL = """
import resource, signal, sys
from pathlib import Path
from storage import backup
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
what, archive, directory = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
try:
    if what == "restore":
        backup.restore(
            archive, directory / "history.duckdb", directory / "state.sqlite3",
            lambda done, total: None, force=True,
        )
    else:
        backup.save(iter([bytes(1_000_000)]), archive, 1_000_000, lambda done, total: None)
except backup.BackupError as error:
    sys.exit(f"refused: {error}")
"""


@pytest.mark.parametrize("what", ["restore", "save"])
def test_a_full_disk_changes_nothing(home: Home, archive: Path, what: str) -> None:
    before, content = home.names(), archive.read_bytes()
    done = process(SMALL, what, archive, home.directory)
    assert "cannot be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert home.names() == before
    assert archive.read_bytes() == content
    assert {one.name for one in archive.parent.iterdir()} == {"data", "one.tar"}
    assert home.read() == (2.0, 2.0)
