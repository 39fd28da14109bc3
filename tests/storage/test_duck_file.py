"""The DuckDB file itself: who may open it, what is said when it cannot be read, kill -9."""

import random
import struct
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest

from storage.duck import VERSION, DuckHistory
from storage.duckfile import DuckFile, HistoryError, advice, trouble
from storage.history import Samples
from storage.series import NAME, Labels, Selector
from tests.storage.appends import ROWS, write

KILLS = 10
ROOT = Path(__file__).parents[2]


def made(path: Path) -> Path:
    """A file with something in it."""
    file = DuckFile(path)
    DuckHistory(file).append(
        Samples.at([Labels.of({NAME: "up", "i": str(i)}) for i in range(2000)], 1, [1.0] * 2000)
    )
    file.close()
    return path


def opened(path: Path) -> DuckHistory:
    return DuckHistory(DuckFile(path))


def test_a_second_process_is_refused_with_advice(tmp_path: Path) -> None:
    file = DuckFile(tmp_path / "history.duckdb")
    script = (
        "import sys; from pathlib import Path\n"
        "from storage.duckfile import DuckFile, HistoryError\n"
        "try: DuckFile(Path(sys.argv[1]))\n"
        "except HistoryError as error: sys.exit(str(error))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(file.path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    file.close()
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"{file.path} is in use by another Plimsoll process: "
        "stop that one, or choose another data directory"
    )


def test_a_file_of_a_newer_plimsoll_is_refused_with_advice(tmp_path: Path) -> None:
    path = made(tmp_path / "history.duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE format SET version = ?", [VERSION + 1])
    file = DuckFile(path)
    with pytest.raises(HistoryError, match=r"newer version of Plimsoll \(format 2.*start that"):
        DuckHistory(file)
    file.close()


def test_a_file_of_a_newer_duckdb_is_refused_with_advice(tmp_path: Path) -> None:
    path = made(tmp_path / "history.duckdb")
    content = bytearray(path.read_bytes())
    content[12:20] = struct.pack("<Q", 2**20)  # the number of the storage format
    content[:8] = struct.pack("<Q", checksum(bytes(content[8:4096])))
    path.write_bytes(content)
    with pytest.raises(HistoryError, match=r"was written by a newer version: start that version"):
        opened(path)


def checksum(block: bytes) -> int:
    """As DuckDB computes it, for the first block."""
    result = 5381
    for (word,) in struct.iter_unpack("<Q", block):
        result ^= word * 0xBF58476D1CE4E5B9 % 2**64
    return result


def test_a_directory_in_the_place_of_the_file_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "history.duckdb"
    path.mkdir()
    with pytest.raises(HistoryError, match=r"Is a directory.*move it away to start afresh"):
        DuckFile(path)


def test_a_file_in_the_place_of_the_directory_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    with pytest.raises(HistoryError, match=r"cannot be opened \(.*check that the directory"):
        DuckFile(tmp_path / "data" / "history.duckdb")


@pytest.mark.parametrize("content", [b"", b"x", b"hello world" * 1000, bytes(65536)])
def test_garbage_is_refused_with_advice(tmp_path: Path, content: bytes) -> None:
    # The name has `lock` in it: advice must come from what is wrong, not from a path.
    path = tmp_path / "clock-block.duckdb"
    path.write_bytes(content)
    with pytest.raises(HistoryError, match=r"cannot be read as a history .*move it away to start"):
        DuckFile(path)


def test_a_cut_or_damaged_file_is_refused_with_advice(tmp_path: Path) -> None:
    whole = made(tmp_path / "whole.duckdb").read_bytes()
    damaged = bytearray(whole)
    damaged[12288 + 100 : 12288 + 200] = b"\xff" * 100  # the first block behind the headers
    for name, content in (("cut", whole[: len(whole) // 2]), ("damaged", bytes(damaged))):
        path = tmp_path / f"{name}.duckdb"
        path.write_bytes(content)
        with pytest.raises(HistoryError, match=r"cannot be read as a history .*restore a backup"):
            opened(path)


def test_the_buffers_keep_to_the_memory_that_is_configured(tmp_path: Path) -> None:
    file = DuckFile(tmp_path / "history.duckdb", memory="64MB")
    assert file.cursor().execute("SELECT current_setting('memory_limit')").fetchone() == (
        "61.0 MiB",
    )
    file.close()


def test_a_file_that_was_cut_off_anywhere_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "whole.duckdb"
    write(DuckHistory(DuckFile(path)), 1)
    whole, rng = made(path).read_bytes(), random.Random(4)
    assert len(whole) > 3 * 262_144
    opened(path).file.close()
    for number, length in enumerate([*rng.sample(range(len(whole)), 10), len(whole) - 1]):
        cut = tmp_path / f"{number}.duckdb"
        cut.write_bytes(whole[:length])
        with pytest.raises(HistoryError, match=r"cannot be read as a history .*restore a backup"):
            opened(cut)


def test_damage_that_shows_later_is_told_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "history.duckdb"
    history = DuckHistory(DuckFile(path))
    write(history, 1)
    history.file.close()
    content = bytearray(path.read_bytes())
    told = set()
    for block in range(12_288, len(content), 262_144):
        content[block + 4_000] ^= 0xFF
        path.write_bytes(content)
        content[block + 4_000] ^= 0xFF
        try:
            damaged = opened(path)
        except HistoryError as error:
            told.add(str(error))
            continue
        try:
            damaged.samples([Selector("writes")], 0, 2**60)
            damaged.windows("writes", 0, 2**60)
        except duckdb.Error as error:
            told.add(str(trouble(path, error)))
        damaged.file.close()
    assert told
    for one in told:
        assert "cannot be read as a history (Corrupt database file" in one
        assert one.endswith("or restore a backup")


def test_an_error_that_is_none_of_the_file_has_no_advice(tmp_path: Path) -> None:
    assert trouble(tmp_path, ValueError("Corrupt")) is None
    assert trouble(tmp_path, duckdb.BinderException("no such column")) is None


def test_a_damaged_log_is_told_apart_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "history.duckdb"
    stored = killed_while_writing(path, 1, random.Random(1))
    log = path.with_name("history.duckdb.wal")
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 1
    log.write_bytes(content)
    with pytest.raises(HistoryError, match=r"history.duckdb.wal is damaged .*move that one file"):
        opened(path)
    log.rename(tmp_path / "aside")
    history = opened(path)  # and that is a way out
    assert history.samples([Selector("writes")], 0, 2**60).at_ms.max(initial=0) <= stored + 1
    history.file.close()


FILLING = """
import resource, sys
from pathlib import Path
from storage.duck import DuckHistory
from storage.duckfile import DuckFile, trouble
from tests.storage.appends import write
path = Path(sys.argv[1])
history = DuckHistory(DuckFile(path))
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
stored = 0
try:
    while stored < 10_000:
        write(history, stored + 1)
        stored += 1
except Exception as error:
    told = trouble(path, error)
for _ in range(3):
    try:
        write(history, stored + 1)
    except Exception as error:
        told = trouble(path, error)
print(stored, told, flush=True)
"""


def test_a_full_disk_is_told_and_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    # A limit on the size of files: the same to a program as a disk that is full.
    path = tmp_path / "history.duckdb"
    done = subprocess.run(
        [sys.executable, "-c", FILLING, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    stored, told = done.stdout.strip().split(" ", 1)
    assert told == (
        f"{path} cannot be written (File too large): "
        "make space on its disk; nothing that is stored is lost"
    )
    history = opened(path)
    batches, sizes = np.unique(
        history.samples([Selector("writes")], 0, 2**60).at_ms, return_counts=True
    )
    assert set(sizes.tolist()) == {ROWS}
    assert set(range(1, int(stored) + 1)) <= set(batches.tolist())
    write(history, int(stored) + 1)  # there is space again
    history.file.close()


@pytest.mark.parametrize("reason", ["Permission denied", "Read-only file system"])
def test_a_file_that_must_not_be_written_is_not_called_damaged(tmp_path: Path, reason: str) -> None:
    error = duckdb.IOException(f'IO Error: Cannot open file "{tmp_path}": {reason}')
    assert advice(tmp_path, error).endswith(
        f"({reason}): check that the directory and the files in it are writable"
    )


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    said = advice(tmp_path, PermissionError(13, "Permission denied"))
    assert said.endswith("(Permission denied): check that the directory is writable")


def test_after_kill_9_every_batch_is_whole_or_absent_and_none_that_was_stored_is_lost(
    tmp_path: Path,
) -> None:
    path = tmp_path / "history.duckdb"
    rng = random.Random(9)
    first = 1
    for _ in range(KILLS):
        stored = killed_while_writing(path, first, rng)
        history = opened(path)
        samples = history.samples([Selector("writes")], 0, 2**60)
        windows = history.windows("writes", 0, 2**60)
        for at_ms, values in ((samples.at_ms, samples.values), (windows.end_ms, windows.values)):
            batches, sizes = np.unique(at_ms, return_counts=True)
            assert set(sizes.tolist()) <= {ROWS}
            assert set(range(1, stored + 1)) <= set(batches.tolist())
            assert (values == at_ms).all()
        assert (windows.counts == np.repeat(windows.values, windows.widths())).all()
        first = int(windows.end_ms.max(initial=0)) + 1
        write(history, first)  # and it goes on
        first += 1
        history.file.close()


def killed_while_writing(path: Path, first: int, rng: random.Random) -> int:
    """Start a process that writes, kill it at some moment; the last batch it said it stored."""
    command = [sys.executable, "-m", "tests.storage.appends", str(path), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        for _ in range(rng.randrange(3)):
            lines.append(process.stdout.readline())
        try:
            process.wait(rng.uniform(0, 0.08))
        except subprocess.TimeoutExpired:
            process.kill()
        lines += process.stdout.readlines()
    whole = [line for line in lines if line.endswith("\n")]
    return int(whole[-1])
