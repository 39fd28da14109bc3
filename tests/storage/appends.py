"""A process that writes batch after batch until it is killed; run with the path of the file.

Batch `k` is `ROWS` samples and `ROWS` windows with the value `k` at the time `k`. A line on
standard output says that a batch was stored.
"""

import sys
from pathlib import Path

from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.history import Samples, Windows
from storage.series import NAME, Labels, Window

ROWS = 500
BOUNDS = (0.1, 1.0, float("inf"))


def series(batch: int) -> list[Labels]:
    """The series of a batch: some are new in every batch."""
    return [
        Labels.of({NAME: "writes", "row": str(row), "new": str(batch if row % 10 == 0 else 0)})
        for row in range(ROWS)
    ]


def write(history: DuckHistory, batch: int) -> None:
    """Store one batch of samples, and one of windows."""
    labels = series(batch)
    history.append(Samples.at(labels, batch, [float(batch)] * ROWS))
    bounds = (float(batch), *BOUNDS)  # a new layout in every batch
    counts = (float(batch),) * len(bounds)
    history.put_windows(
        Windows.of(
            "writes",
            (
                Window("writes", one.without(NAME), batch, 60.0, float(batch), 1.0, bounds, counts)
                for one in labels
            ),
        )
    )


def main() -> None:
    """Write until killed."""
    history = DuckHistory(DuckFile(Path(sys.argv[1])))
    batch = int(sys.argv[2])
    while True:
        write(history, batch)
        sys.stdout.write(f"{batch}\n")
        sys.stdout.flush()
        batch += 1


if __name__ == "__main__":
    main()
