"""What was collected and is not in the history yet."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from storage.history import Samples

MOST_SAMPLES = 1_000_000


class Sink(Protocol):
    """Where samples go: `History.append`."""

    def __call__(self, *batches: Samples) -> None:
        """Store all of them, or none."""
        ...


class Buffer:
    """Gathers batches and hands them over at once, as they came. Safe to flush from another thread.

    What the sink refuses is kept and tried again at the next flush; when too much waits, the
    oldest is given up and counted by `on_drop`.
    """

    def __init__(
        self, sink: Sink, on_drop: Callable[[int], None], most_samples: int = MOST_SAMPLES
    ) -> None:
        self._sink = sink
        self._on_drop = on_drop
        self._most = most_samples
        self._waiting: deque[Samples] = deque()
        self._count = 0
        self._lock = threading.Lock()
        self._flushing = threading.Lock()

    def __len__(self) -> int:
        """How many samples wait."""
        return self._count

    def add(self, samples: Samples) -> None:
        """Take a batch."""
        if not len(samples):
            return
        with self._lock:
            self._waiting.append(samples)
            self._count += len(samples)
            self._trim()

    def flush(self) -> int:
        """Hand over all that waits in one call of the sink; how many samples that were."""
        with self._flushing:
            with self._lock:
                batches, self._waiting = list(self._waiting), deque()
                taken, self._count = self._count, 0
            if not batches:
                return 0
            try:
                self._sink(*batches)
            except BaseException:
                with self._lock:
                    self._waiting.extendleft(reversed(batches))
                    self._count += taken
                    self._trim()
                raise
            return taken

    def _trim(self) -> None:
        while self._count > self._most and len(self._waiting) > 1:
            lost = len(self._waiting.popleft())
            self._count -= lost
            self._on_drop(lost)
