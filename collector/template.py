"""A page that is like the one before but for its numbers, read as a whole. Pure.

Of most pages the same lines come again every time, and only what stands behind the last blank of
each is new. So the beginnings that are known are taken off all lines in one step, and what is left
is read as numbers in one step, piece by piece of the page. A page that differs in any other way
does not fit, and is for others.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import compress

import numpy as np

from storage.history import Floats

PIECE_BYTES = 128 * 1024
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
        self._staying = [
            line if part is Part.SAME else line[: line.rindex(b" ") + 1]
            for line, part in zip(lines, parts, strict=True)
        ]
        self._changing_bytes = -sum(map(len, self._staying)) - len(lines) + 1
        self._same = bytes(part is Part.SAME for part in parts)
        self._numbers = bytes(part in (Part.NUMBER, Part.LEFT_OUT) for part in parts)
        kept = [part is Part.NUMBER for part in parts if part in (Part.NUMBER, Part.LEFT_OUT)]
        self._kept = None if all(kept) else np.array(kept, np.bool_)

    @property
    def remembered_bytes(self) -> int:
        """About how much memory it takes."""
        return sum(map(len, self._staying)) + LINE_BYTES * len(self._staying)

    def read(self, body: bytes) -> Floats | None:
        """The numbers that are kept, in the order of their lines; None when the page is another."""
        staying, found = iter(self._staying), list[Floats]()
        line, changing_bytes = 0, 0
        for piece in _pieces(body):
            lines = piece.split(b"\n")
            here = slice(line, line + len(lines))
            tails = list(map(bytes.removeprefix, lines, staying))
            read = numbers(list(compress(tails, self._numbers[here])))
            # A beginning that goes on in front of the last blank is seen by that blank.
            if read is None or any(compress(tails, self._same[here])) or b" " in b"".join(tails):
                return None
            found.append(read)
            line += len(lines)
            changing_bytes += sum(map(len, tails))
        # A line that begins otherwise was left as it is, and then the tails are too long.
        if line != len(self._staying) or changing_bytes != len(body) + self._changing_bytes:
            return None
        values = np.concatenate(found)
        return values if self._kept is None else values[self._kept]


def _pieces(body: bytes) -> Iterator[bytes]:
    """The page in pieces of whole lines, small enough to stay in the processor's cache."""
    begin = 0
    while len(body) - begin > PIECE_BYTES:
        end = body.rfind(b"\n", begin, begin + PIECE_BYTES)
        if end < 0:
            end = body.find(b"\n", begin)
        if end < 0:
            break
        yield body[begin:end]
        begin = end + 1
    yield body[begin:]


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
