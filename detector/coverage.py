"""Which spans of a signal have been read from a source: kept beside the windows, in the same file.

So a history that is deleted or restored is read again as far as it is missing, and after kill -9
reading goes on where it was: a span is noted once its windows are stored.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from storage.catalogue import Catalogue
from storage.duckfile import DuckFile, transaction

Spans = tuple[tuple[int, int], ...]
"""Spans `(start, end]` in milliseconds, ascending, neither touching nor overlapping."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS read_spans (
    signal VARCHAR, definition VARCHAR, seconds DOUBLE, start_ms BIGINT, end_ms BIGINT
)
"""


def united(spans: Iterable[tuple[int, int]]) -> Spans:
    """The same times as spans that neither touch nor overlap."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(one for one in spans if one[0] < one[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found)


def missing(wanted: tuple[int, int], spans: Spans) -> Spans:
    """What of a span none of the spans holds."""
    found, (at, end) = [], wanted
    for one_start, one_end in spans:
        if one_end <= at or one_start >= end:
            continue
        if one_start > at:
            found.append((at, one_start))
        at = max(at, one_end)
    if at < end:
        found.append((at, end))
    return tuple(found)


def inward(spans: Spans, step_ms: int) -> Spans:
    """The whole steps of a grid that lie in the spans."""
    cut = ((-(-start // step_ms) * step_ms, end // step_ms * step_ms) for start, end in spans)
    return united(cut)


@dataclass(frozen=True, slots=True)
class Of:
    """What was read: a signal as it was defined, in windows of one length."""

    signal: str
    definition: str
    seconds: float


class Coverage:
    """The spans that were read, in memory and on a DuckDB file. Safe to call from threads."""

    def __init__(self, file: DuckFile) -> None:
        self.file = file
        self.lock = threading.Lock()
        cursor = file.cursor()
        cursor.execute(SCHEMA)
        found: dict[Of, list[tuple[int, int]]] = {}
        for signal, definition, seconds, start, end in cursor.execute("FROM read_spans").fetchall():
            found.setdefault(Of(signal, definition, seconds), []).append((start, end))
        self._spans: dict[Of, Spans] = {of: united(spans) for of, spans in found.items()}

    def spans(self, of: Of) -> Spans:
        """What was read of a signal."""
        return self._spans.get(of, ())

    def forget(self, signal: str) -> None:
        """Nothing of a signal has been read: its windows are dropped, and are to be read again."""
        with self.lock:
            with transaction(self.file, Catalogue(())) as cursor:
                cursor.execute("DELETE FROM read_spans WHERE signal = ?", [signal])
            self._spans = {of: spans for of, spans in self._spans.items() if of.signal != signal}

    def add(self, read: Mapping[Of, Iterable[tuple[int, int]]], after_ms: int) -> None:
        """Note what was read, in one transaction; spans before `after` are forgotten."""
        with self.lock:
            changed: dict[Of, Spans] = {}
            for of, spans in read.items():
                whole = united((*self.spans(of), *spans))
                changed[of] = united((max(s, after_ms), e) for s, e in whole if e > after_ms)
            with transaction(self.file, Catalogue(())) as cursor:
                for of, spans in changed.items():
                    # Of another definition nothing is needed any more.
                    cursor.execute(
                        "DELETE FROM read_spans WHERE signal = ? AND seconds = ?",
                        [of.signal, of.seconds],
                    )
                    for span in spans:
                        cursor.execute(
                            "INSERT INTO read_spans VALUES (?, ?, ?, ?, ?)",
                            [of.signal, of.definition, of.seconds, *span],
                        )
            self._spans |= changed
