"""What files take on disk. Standard library only."""

from pathlib import Path


def size_bytes(file: Path) -> int:
    """The size of a file; 0 where there is none.

    A database takes its log away when it is closed, so a file that was there a moment ago may be
    gone: it is asked for, and not looked for first.
    """
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
