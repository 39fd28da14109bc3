"""What keeps forged values out of a percentile: shares of networks, and a look at order. Pure."""

from array import array

HOUR_MS = 3_600_000
COLUMNS = 1 << 18
MOST = 65_535
TOLERANCE_SECONDS = 0.001


def in_order(ttfb: float | None, fcp: float | None, lcp: float | None) -> bool:
    """Whether first byte, first paint and largest paint came in this order, if they are known.

    A cheap test of forgeries, and of pages that were rendered before they were opened.
    """
    if fcp is not None:
        if ttfb is not None and ttfb > fcp + TOLERANCE_SECONDS:
            return False
        return lcp is None or fcp <= lcp + TOLERANCE_SECONDS
    return ttfb is None or lcp is None or ttfb <= lcp + TOLERANCE_SECONDS


class Shares:
    """How much of each cell one network gave in this hour, in a fixed amount of memory.

    Counted in a count-min sketch (Cormode and Muthukrishnan, 2005) of 2 x 262,144 counters, 1 MiB,
    that is emptied every hour: it never counts too little, and too much only where two pairs of
    cell and network collide in both rows. So no number of forged networks or routes makes it grow.
    """

    def __init__(self, share: float, least: int) -> None:
        self._share = share
        self._least = least
        self._hour = -1
        self._rows = [array("H"), array("H")]
        self._totals: dict[int, int] = {}

    def admit(self, cell: int, network: int, now_ms: int) -> bool:
        """Whether one more page view of a network may count in a cell; both are hashes."""
        if self._share >= 1:
            return True
        hour = now_ms // HOUR_MS
        if hour != self._hour:
            self._hour = hour
            self._rows = [array("H", bytes(2 * COLUMNS)) for _ in range(2)]
            self._totals = {}
        first = hash((cell, network))
        (one, other), at, beside = self._rows, first % COLUMNS, (first >> 24) % COLUMNS
        seen = min(one[at], other[beside])
        total = self._totals.get(cell, 0)
        if seen >= self._least and seen >= self._share * total:
            return False
        self._totals[cell] = total + 1
        # Conservative update: only what is smallest, so collisions add less.
        if seen < MOST:
            one[at] = max(one[at], seen + 1)
            other[beside] = max(other[beside], seen + 1)
        return True
