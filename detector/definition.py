"""What makes the windows of a signal, and by which definition those in the history were made.

The fingerprints stand in the DuckDB file, beside the windows they speak of: a history that is moved
away, restored or copied takes them along, and a replica with a history of its own has its own.
"""

import hashlib
import json
from dataclasses import dataclass

from detector.signal import Signal
from storage.duckfile import DuckFile

EVALUATION = 1  # raise it when the same definition on the same samples makes other windows
SHOWN_ONLY = frozenset({"title", "description", "unit", "worse", "kind", "pool"})

SCHEMA = """
CREATE TABLE IF NOT EXISTS signal_definitions (
    signal VARCHAR, fingerprint VARCHAR, since_ms BIGINT, until_ms BIGINT, reached_ms BIGINT,
    gone_ms BIGINT
);
"""


def fingerprint(signal: Signal) -> str:
    """The same for two definitions that make the same windows of the same samples.

    What is only shown or judged by (title, description, unit, worse, kind, pool) is left out, and
    so is what has its default: a form that gets a new setting keeps its windows. A default that
    changes its meaning needs a new `EVALUATION`. The order of `by` does not matter.
    """
    form = signal.form
    given = form.model_dump(mode="json", exclude=set(SHOWN_ONLY), exclude_defaults=True)
    given |= {"window": form.window, "over": form.over, "by": sorted(form.by)}
    text = json.dumps([EVALUATION, given], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Fill:
    """The past of one signal: `(since, until]` is evaluated backwards, down to `reached`.

    What is later than `until` is the work of ticks. `gone_ms` is when the signal was first missing
    among the definitions; None while it is in force. All times are milliseconds since the epoch.
    """

    signal: str
    fingerprint: str
    since_ms: int
    until_ms: int
    reached_ms: int
    gone_ms: int | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to evaluate."""
        return self.reached_ms <= self.since_ms

    @property
    def done(self) -> float:
        """The share that is evaluated."""
        if self.is_done:
            return 1.0
        return (self.until_ms - self.reached_ms) / (self.until_ms - self.since_ms)


class DefinitionBook:
    """The definitions by which windows were made, on a DuckDB file; one row a signal."""

    def __init__(self, file: DuckFile) -> None:
        self.file = file
        file.cursor().execute(SCHEMA)

    def read(self) -> dict[str, Fill]:
        """What is known of each signal, also of those that are not in force any more."""
        rows = self.file.cursor().execute(
            "SELECT signal, fingerprint, since_ms, until_ms, reached_ms, gone_ms "
            "FROM signal_definitions"
        )
        return {row[0]: Fill(*row) for row in rows.fetchall()}

    def write(self, fill: Fill) -> None:
        """Put one row in place of the one before it."""
        cursor = self.file.cursor()
        cursor.begin()
        try:
            cursor.execute("DELETE FROM signal_definitions WHERE signal = ?", [fill.signal])
            cursor.execute(
                "INSERT INTO signal_definitions VALUES (?, ?, ?, ?, ?, ?)",
                [
                    fill.signal,
                    fill.fingerprint,
                    fill.since_ms,
                    fill.until_ms,
                    fill.reached_ms,
                    fill.gone_ms,
                ],
            )
            cursor.commit()
        finally:
            cursor.close()  # what was not committed is rolled back
