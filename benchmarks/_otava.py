"""Searches series for change points with apache-otava, in an interpreter that has it.

Reads one JSON list of series from standard input. Writes one JSON object: for each series the
positions that were found, the CPU seconds for all of them, and the versions. Nothing of Plimsoll's
is imported.
"""

import json
import sys
from importlib.metadata import version
from time import process_time

from otava.analysis import compute_change_points

WINDOW, MAX_P, MIN_MAGNITUDE = 50, 0.001, 0.0  # otava's own defaults


def main() -> None:
    """Search them all, one after the other."""
    series = json.load(sys.stdin)
    # What is made once is not counted.
    compute_change_points(series[0], WINDOW, MAX_P, MIN_MAGNITUDE)
    began = process_time()
    found = [compute_change_points(one, WINDOW, MAX_P, MIN_MAGNITUDE)[0] for one in series]
    spent = process_time() - began
    json.dump(
        {
            "found": [[int(one.index) for one in each] for each in found],
            "seconds": spent,
            "versions": {
                "apache-otava": version("apache-otava"),
                "its numpy": version("numpy"),
                "its scipy": version("scipy"),
            },
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
