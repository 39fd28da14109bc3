"""A page that is like the one before but for its numbers, read as a whole. Pure.

Of most pages the same lines come again every time, and only what stands behind the last blank of
each is new. So the beginnings that are known are taken off all lines in one step, and what is left
is read as numbers in one step. A page that differs in any other way does not fit, and is for
others.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import compress

import numpy as np

from storage.history import Floats

LINE_BYTES = 60
"""About what a line takes in memory beside its bytes."""


class Part(IntEnum):
    """What stands behind the last blank of a line; all before it stays as it is."""

    SAME = 0
    """Nothing new: the whole line stays."""
    NUMBER = 1
    LEFT_OUT = 2
    """A number that nobody keeps, but that has to be one."""
    ANYTHING = 3


class Template:
    """The lines of a page, with the part that the end of each plays."""

    def __init__(self, lines: Sequence[bytes], parts: Sequence[Part]) -> None:
        self._lines = len(lines)
        self._same = bytes(part is Part.SAME for part in parts)
        self._known = list(compress(lines, self._same))
        self._changing = bytes(part is not Part.SAME for part in parts)
        self._heads = [line[: line.rindex(b" ") + 1] for line in compress(lines, self._changing)]
        changing = [part for part in parts if part is not Part.SAME]
        self._numbers = bytes(part is not Part.ANYTHING for part in changing)
        kept = [part is Part.NUMBER for part in changing if part is not Part.ANYTHING]
        self._kept = None if all(kept) else np.array(kept, np.bool_)
        # All that stays, and a newline between any two lines.
        staying = (*self._known, *self._heads)
        self._staying_bytes = sum(map(len, staying)) + len(lines) - 1

    @property
    def remembered_bytes(self) -> int:
        """About how much memory it takes."""
        return self._staying_bytes + LINE_BYTES * self._lines

    def read(self, body: bytes) -> Floats | None:
        """The numbers that are kept, in the order of their lines; None when the page is another."""
        lines = body.split(b"\n")
        if len(lines) != self._lines or list(compress(lines, self._same)) != self._known:
            return None
        tails = list(map(bytes.removeprefix, compress(lines, self._changing), self._heads))
        text = b"\n".join(tails)
        # A line with another head is left as it was, and then the tails are longer than they
        # should be; a head that goes on in front of the last blank is seen by that blank.
        between = max(len(tails) - 1, 0)
        if len(text) - between != len(body) - self._staying_bytes or b" " in text:
            return None
        found = numbers(list(compress(tails, self._numbers)))
        return found if found is None or self._kept is None else found[self._kept]


def numbers(tails: Sequence[bytes]) -> Floats | None:
    """The numbers, or None when one of them is none to the official parser."""
    if b"_" in b" ".join(tails):  # float() reads 1_000, the format does not
        return None
    try:
        return np.fromiter(map(float, tails), np.float64, len(tails))
    except ValueError:
        return None


def gathered(parts: Iterable[Part | None]) -> list[Part] | None:
    """All parts, or None when one of them is unknown."""
    found = []
    for part in parts:
        if part is None:
            return None
        found.append(part)
    return found
