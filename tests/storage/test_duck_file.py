"""The DuckDB file itself: who may open it, what is said when it cannot be read, kill -9."""

import random
import struct
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest

from storage.duck import VERSION, DuckFile, DuckHistory, HistoryError, advice
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
        "import sys; from pathlib import Path; from storage.duck import DuckFile, HistoryError\n"
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
