"""Whole histories as files: lines of JSON, or Parquet, of the same flat columns.

Rows are read a piece at a time, so a long history takes no more memory than a short one. Parquet is
made by DuckDB from the lines, on disk, before the first byte of it is sent.
"""

import json
import math
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb

from api.house import House
from api.moments import at
from api.standing import series_id
from detector.paging import Query
from detector.regression import Regression
from detector.signal import Signal
from storage.series import Labels

ROWS_AT_ONCE = 200
WINDOWS_AT_ONCE = 50_000
CHUNK_BYTES = 256 * 1024
MEMORY = "128MB"


class ExportError(Exception):
    """A file cannot be made; the message says why."""


class Format(StrEnum):
    """What kind of file."""

    NDJSON = "ndjson"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """As it is called over HTTP."""
        return MEDIA_TYPES[self]


MEDIA_TYPES = {
    Format.NDJSON: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
}

TIME, TEXT, NUMBER = "TIMESTAMP WITH TIME ZONE", "VARCHAR", "DOUBLE"
LABELS = "MAP(VARCHAR, VARCHAR)"
REGRESSIONS = {
    "id": TEXT,
    "incident_id": TEXT,
    "kind": TEXT,
    "version": "INTEGER",
    "state": TEXT,
    "severity": TEXT,
    "rule": TEXT,
    "signal": TEXT,
    "title": TEXT,
    "unit": TEXT,
    "labels": LABELS,
    "worse": TEXT,
    "value": NUMBER,
    "worst": NUMBER,
    "threshold": NUMBER,
    "baseline": NUMBER,
    "began_from": TIME,
    "began_until": TIME,
    "opened_at": TIME,
    "updated_at": TIME,
    "resolved_at": TIME,
    "muted_until": TIME,
    "by": TEXT,
    "tags": "VARCHAR[]",
}
WINDOWS = {
    "signal": TEXT,
    "series": TEXT,
    "labels": LABELS,
    "end": TIME,
    "seconds": NUMBER,
    "value": NUMBER,
    "n": NUMBER,
}


def regressions(house: House, query: Query) -> Iterator[str]:
    """Every regression that is asked for, newest first, as pieces of lines of JSON.

    Each piece is read on its own, so nobody waits for a slow reader; pages stay right under
    inserts.
    """
    query = replace(query, cursor=None, limit=ROWS_AT_ONCE)
    while True:
        with house.state.reading() as session:
            page = house.book.page(session, query)
        yield lines(map(of_regression, page.regressions))
        if page.next_cursor is None:
            return
        query = replace(query, cursor=page.next_cursor)


def of_regression(one: Regression) -> Mapping[str, Any]:
    """One regression as a flat row."""
    return {
        "id": one.id,
        "incident_id": one.incident_id,
        "kind": one.kind,
        "version": one.version,
        "state": one.phase,
        "severity": one.severity,
        "rule": one.rule,
        "signal": one.signal,
        "title": one.title,
        "unit": one.unit,
        "labels": one.labels.as_dict(),
        "worse": one.worse,
        "value": finite(one.value),
        "worst": finite(one.worst),
        "threshold": finite(one.threshold),
        "baseline": finite(one.baseline),
        "began_from": moment(one.began_lo_ms),
        "began_until": moment(one.began_hi_ms),
        "opened_at": moment(one.opened_ms),
        "updated_at": moment(one.updated_ms),
        "resolved_at": moment(one.resolved_ms),
        "muted_until": moment(one.muted_until_ms),
        "by": one.by,
        "tags": list(one.tags),
    }


def windows(
    house: House, signal: Signal, series: Sequence[Labels], span_ms: tuple[int, int], seconds: float
) -> Iterator[str]:
    """The stored windows of one length that end in `(since, until]`, as pieces of lines of JSON.

    In order of time by the piece, inside of a piece by series. What is not finite is null.
    """
    since_ms, until_ms = span_ms
    chosen = set(series)
    step_ms = round(seconds * 1000)
    # At most so many windows at once, and at least those of one moment.
    reach_ms = max(1, WINDOWS_AT_ONCE // max(1, len(chosen))) * step_ms
    only = series[0] if len(series) == 1 else None
    for start_ms in range(since_ms, until_ms, reach_ms):
        end_ms = min(start_ms + reach_ms, until_ms)
        found = house.history.windows(
            signal.name, start_ms, end_ms, only, seconds=seconds, counts=False
        )
        told = [
            {"signal": signal.name, "series": series_id(one), "labels": one.as_dict()}
            if one in chosen
            else None
            for one in found.series
        ]
        yield lines(
            {
                **known,
                "end": moment(ended_ms),
                "seconds": seconds,
                "value": finite(value),
                "n": finite(n),
            }
            for index, ended_ms, value, n in zip(
                found.index.tolist(),
                found.end_ms.tolist(),
                found.values.tolist(),
                found.n.tolist(),
                strict=True,
            )
            if (known := told[index]) is not None
        )


def finite(value: float | None) -> float | None:
    """A number for JSON."""
    return value if value is not None and math.isfinite(value) else None


def moment(at_ms: int | None) -> str | None:
    """A time as REST writes it."""
    return None if at_ms is None else at(at_ms).isoformat().replace("+00:00", "Z")


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """One line of JSON a row."""
    return "".join(
        json.dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n" for one in rows
    )


class Parquet:
    """A Parquet file that is made, handed out and removed."""

    def __init__(self, directory: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="export-", dir=directory))
        self.path = self.folder / "export.parquet"

    def make(self, pieces: Iterable[str], columns: Mapping[str, str]) -> None:
        """Write the rows; `OSError` or `ExportError` when the disk is full."""
        source = self.folder / "rows.ndjson"
        with source.open("w", encoding="utf-8") as out:
            out.writelines(pieces)
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY,
            "threads": 1,
            "temp_directory": str(self.folder),
            "autoinstall_known_extensions": False,
        }
        declared = ", ".join(f"'{name}': '{type_}'" for name, type_ in columns.items())
        try:
            with duckdb.connect(":memory:", config=config) as connection:
                connection.execute(
                    f"COPY (FROM read_json({quoted(source)}, format = 'newline_delimited', "
                    f"columns = {{{declared}}})) TO {quoted(self.path)} "
                    "(FORMAT parquet, COMPRESSION zstd)"
                )
        except duckdb.Error as error:
            raise ExportError(str(error).partition("\n")[0]) from None
        source.unlink()

    def chunks(self) -> Iterator[bytes]:
        """The file in pieces."""
        with self.path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                yield piece

    def remove(self) -> None:
        """Give back the space."""
        shutil.rmtree(self.folder, ignore_errors=True)


def quoted(path: Path) -> str:
    """A path as text of SQL."""
    return "'" + str(path).replace("'", "''") + "'"
