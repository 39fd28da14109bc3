"""Files that are replaced as a whole or not at all, and not touched when nothing would change."""

import contextlib
import os
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

READABLE_BY_ALL = 0o644


class Outcome(StrEnum):
    """What became of a file."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    LEFT_OVER = "left over"


@dataclass(frozen=True, slots=True)
class Written:
    """One file of the directory, and what became of it."""

    path: Path
    outcome: Outcome


def put(path: Path, content: str) -> Outcome:
    """Make a file hold this text, as one step that a reader sees before or after, never between."""
    wanted = content.encode()
    before: bytes | None = None
    with contextlib.suppress(FileNotFoundError):
        before = path.read_bytes()
    if before == wanted:
        return Outcome.UNCHANGED
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(wanted)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, READABLE_BY_ALL)  # mkstemp's 0600 would keep Grafana's user out
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return Outcome.CREATED if before is None else Outcome.CHANGED
