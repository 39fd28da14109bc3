"""Several worker processes behind one port: one page with the sums of all.

Each worker writes its numbers into files of the folder PROMETHEUS_MULTIPROC_DIR, as
prometheus-client does when that is set, and whichever worker is asked adds up the files. What a
worker counted stays when it dies. Its gauges of the moment do not: here they are dropped as soon as
its process is gone, because not every server tells when a worker died.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import Metric, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from plimsoll_client.folding import fold, holds_something, is_of_dead, locked

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
ATTEMPTS = 5


def folder() -> Path | None:
    """The folder that the workers share; `None` in a program of one process.

    Raises `RuntimeError` when the variable came too late for prometheus-client, which reads it
    once: every worker would go on counting for itself, and nobody would notice.
    """
    shared = bool(getattr(values.ValueClass, "_multiprocess", False))
    given = os.environ.get(VARIABLE)
    if not given:
        return None
    if not shared:
        raise RuntimeError(
            f"{VARIABLE} was set after prometheus_client had been imported, too late to have an"
            " effect; set it in the environment that the server is started from"
        )
    return Path(given)


class Workers(Collector):
    """The families of all workers of a folder, dead and alive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        make: Any = MultiProcessCollector  # has no types
        self._files = make(None, str(path))

    def collect(self) -> Iterable[Metric]:
        """The sums, after the dead have been tidied up."""
        with locked(self.path):
            forget_dead_gauges(self.path)
            fold(self.path)
            return self._read()

    def _read(self) -> list[Metric]:
        """Read, and read again when a file was just being taken away."""
        for _ in range(ATTEMPTS - 1):
            try:
                return self._merged()
            except FileNotFoundError:
                continue
        return self._merged()

    def _merged(self) -> list[Metric]:
        """What the files hold. prometheus-client cannot read one that has no content yet."""
        files = [str(file) for file in self.path.glob("*.db") if holds_something(file)]
        return list(self._files.merge(files))


def registry_of_all(path: Path) -> CollectorRegistry:
    """A registry that shows what all workers counted, whatever registry they counted it in."""
    registry = CollectorRegistry()
    registry.register(Workers(path))
    return registry


def forget_dead_gauges(path: Path) -> None:
    """Take away the gauges of the moment of processes that are gone.

    Right as long as all who write into the folder see each other as processes: a folder for each
    container and machine.
    """
    for file in path.glob("gauge_live*_*.db"):
        if is_of_dead(file):
            file.unlink(missing_ok=True)
