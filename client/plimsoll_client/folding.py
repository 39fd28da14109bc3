"""The files of dead workers, folded into one of each kind.

What a worker counted has to outlive it, so its files are kept. Servers that renew their workers
after some requests (gunicorn's `max_requests`) leave hundreds, and a page of a hundred routes takes
30 ms of CPU longer for each. Sums do not care whose they were: the dead share one file.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import mmap_dict

if sys.platform != "win32":
    import fcntl

LOCK = "plimsoll.lock"
PLAN = "plimsoll.plan"
KINDS = ("counter", "histogram", "summary")  # whose numbers are added up when they are read
FOLD_FROM = 8  # dead files of a kind; fewer are not worth the writing
DEAD = "dead"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone in the folder, among those who read and fold; writers are not held up.

    Between putting the folded file in place and taking the others away, their numbers are there
    twice. The lock falls with its process.
    """
    with (folder / LOCK).open("a") as lock:
        if sys.platform != "win32":
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fold(folder: Path) -> None:
    """Fold what the dead have left, if it is worth it. The folder must be locked.

    May be interrupted anywhere: what is to be done is written down first, and done to its end by
    whoever comes next.
    """
    finish(folder)
    for kind in KINDS:
        dead = [file for file in folder.glob(f"{kind}_*.db") if is_of_dead(file)]
        if len(dead) < FOLD_FROM:
            continue
        target, new = folder / f"{kind}_{DEAD}.db", folder / f"{kind}_{DEAD}.new"
        new.unlink(missing_ok=True)  # of somebody who was interrupted before the plan was made
        write(new, added_up([*dead, target] if target.exists() else dead))
        plan = {"new": new.name, "target": target.name, "gone": [file.name for file in dead]}
        draft = folder / f"{PLAN}.new"
        draft.write_text(json.dumps(plan), encoding="utf-8")
        os.replace(draft, folder / PLAN)
        finish(folder)


def finish(folder: Path) -> None:
    """Carry out the plan, if there is one. Each step may have been done already."""
    try:
        plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    new = folder / plan["new"]
    if new.exists():
        os.replace(new, folder / plan["target"])
    for name in plan["gone"]:
        (folder / name).unlink(missing_ok=True)
    (folder / PLAN).unlink()


def added_up(files: list[Path]) -> dict[str, float]:
    """The numbers of files, by their keys."""
    read: Any = mmap_dict.MmapedDict.read_all_values_from_file
    sums: dict[str, float] = {}
    for file in filter(holds_something, files):
        for key, value, *_ in read(str(file)):
            sums[key] = sums.get(key, 0.0) + value
    return sums


def write(file: Path, numbers: dict[str, float]) -> None:
    """Write numbers as a worker would."""
    make: Any = mmap_dict.MmapedDict
    made = make(str(file))
    try:
        for key, value in numbers.items():
            made.write_value(key, value, 0.0)
    finally:
        made.close()


def holds_something(file: Path) -> bool:
    """Whether a file has content: one of a worker that starts has none, also if it dies then.

    Raises `FileNotFoundError` when it was taken away.
    """
    return file.stat().st_size > 0


def is_of_dead(file: Path) -> bool:
    """Whether a file belongs to a process that is gone."""
    number = file.stem.rpartition("_")[2]
    return number.isdigit() and not is_alive(int(number))


def is_alive(pid: int) -> bool:
    """Whether a process exists, whoever owns it. On Windows all do: there, asking would kill."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
