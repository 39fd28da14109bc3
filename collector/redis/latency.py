"""The server's own histograms of the time that commands took, as counters of ours. Pure.

`LATENCY HISTOGRAM` (7.0 and newer) lists cumulative counts at powers of two, in microseconds and
rounded to the resolution of its histogram, and leaves out what is as high as the one before. Here
each command has all edges. Counts are since the first answer: the part may have failed before, and
a counter that begins with all the server ever did would look like as much traffic at once.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from collector.failure import CollectFailure, Failure
from collector.readings import Readings

METRIC = "redis_command_duration_seconds"
EDGES_USEC = (
    1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16_908, 33_816, 67_633,
    135_266, 270_532, 541_065, 1_082_130, 2_164_260, 4_328_521, 8_657_043,
)  # fmt: skip
"""As Redis 7.0 rounds them; what is above the last one is in +Inf."""

LE = (*(f"{edge / 1e6:.6g}" for edge in EDGES_USEC), "+Inf")


def histograms(reply: object) -> dict[str, list[float]]:
    """For each command its cumulative counts at all edges, the last one being all calls."""
    if not isinstance(reply, list) or len(reply) % 2:
        raise _unreadable()
    found = {}
    for name, body in zip(reply[::2], reply[1::2], strict=True):
        if not (isinstance(name, bytes) and isinstance(body, list)):
            raise _unreadable()
        parts = dict(zip(body[::2], body[1::2], strict=False))
        calls, pairs = parts.get(b"calls"), parts.get(b"histogram_usec")
        if not isinstance(calls, int) or not isinstance(pairs, list) or len(pairs) % 2:
            raise _unreadable()
        found[name.decode("ascii", "replace")] = _filled(calls, pairs)
    return found


def _filled(calls: int, pairs: Sequence[object]) -> list[float]:
    counts = [0.0] * len(LE)
    for edge, count in zip(pairs[::2], pairs[1::2], strict=True):
        if not isinstance(edge, int) or not isinstance(count, int):
            raise _unreadable()
        counts[bisect_left(EDGES_USEC, edge)] = float(count)
    for i in range(1, len(counts)):
        counts[i] = max(counts[i], counts[i - 1])
    counts[-1] = max(float(calls), counts[-1])
    return counts


class Watched:
    """Histograms since they were first read; a failed part is a new beginning."""

    def __init__(self) -> None:
        self._base: dict[str, list[float]] | None = None
        self._last: dict[str, list[float]] = {}

    def forget(self) -> None:
        """What happens until the next answer is not known."""
        self._base = None

    def read(self, found: Mapping[str, list[float]], readings: Readings) -> None:
        """One answer."""
        if self._base is None:
            self._base, self._last = dict(found), {}
        for cmd, counts in found.items():
            last = self._last.get(cmd)
            if last is not None and counts[-1] < last[-1]:
                self._base.pop(cmd, None)  # CONFIG RESETSTAT, or a restart
            base = self._base.get(cmd)
            for i, le in enumerate(LE):
                value = counts[i] - (base[i] if base else 0.0)
                readings.add(f"{METRIC}_bucket", value, cmd=cmd, le=le)
            readings.add(f"{METRIC}_count", counts[-1] - (base[-1] if base else 0.0), cmd=cmd)
        self._last = dict(found)


def _unreadable() -> CollectFailure:
    return CollectFailure(Failure.PARSE, "its answer to latency|histogram is none")
