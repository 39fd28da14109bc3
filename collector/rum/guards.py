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

    def admit(self, cell: int, network: int, now_ms: int) -> int | None:
        """How many page views of a network counted in a cell before, if one more may; else None.

        Both are hashes. Nobody counts where one network may give everything: it is 0 then.
        """
        if self._share >= 1:
            return 0
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
            return None
        self._totals[cell] = total + 1
        # Conservative update: only what is smallest, so collisions add less.
        if seen < MOST:
            one[at] = max(one[at], seen + 1)
            other[beside] = max(other[beside], seen + 1)
        return seen


VOTES = 2
"""Values of one network in an hour that say where the pivot is; they are never held back."""
LEAST_VOTES = 50
"""With fewer of them nobody knows where the pivot is."""
BY_CHANCE = 2.5
"""Standard deviations that the values of an honest network may be off by themselves."""
P75 = 0.75


class Pivot:
    """What divides the values of one metric, route and device in this hour, and how many there are.

    `above` is the part of the pivot's own bucket that lies beyond it, `beyond` the share of all
    values that do so where nobody lies: a quarter beyond the p75; of CLS those worse than good.
    `fixed` is the last bucket within good where that is the pivot, `key` a hash that tells it from
    others.
    """

    __slots__ = (
        "above", "beyond", "bucket", "fixed", "hour", "key", "known", "n", "n_before", "votes",
    )  # fmt: skip

    def __init__(self, key: int, buckets: int, fixed: int | None) -> None:
        self.key = key
        self.votes = [0.0] * buckets
        self.fixed = fixed
        self.hour = -1
        self.n = self.n_before = 0
        self.known = 0.0
        self.bucket, self.above, self.beyond = -1, 0.0, 1 - P75

    def turn(self, hour: int) -> None:
        """An hour begins: the votes of the one before count for half, older ones for nothing."""
        kept = 0.5 if hour - self.hour == 1 else 0.0
        self.votes = [one * kept for one in self.votes]
        self.n_before = self.n if kept else 0
        self.hour, self.n, self.known = hour, 0, 0.0

    def settle(self) -> bool:
        """Find the pivot anew when there are a tenth more votes; whether it is known."""
        total = sum(self.votes)
        if total < LEAST_VOTES:
            return False
        if total < 1.1 * self.known:
            return True
        self.known = total
        if self.fixed is not None:
            self.bucket, self.above = self.fixed, 0.0
            self.beyond = sum(self.votes[self.fixed + 1 :]) / total
            return True
        below, wanted = 0.0, P75 * total
        for bucket, votes in enumerate(self.votes):
            if below + votes >= wanted and votes:
                self.bucket, self.above = bucket, 1 - (wanted - below) / votes
                break
            below += votes
        return True

    def beyond_by(self, bucket: int) -> float:
        """How much of a value in this bucket lies beyond the pivot."""
        if bucket == self.bucket:
            return self.above
        return 1.0 if bucket > self.bucket else 0.0


class Pulls:
    """How far each network pulls a p75 (of CLS the share within good), and no further than allowed.

    The rank of a quantile moves by the values beyond it less those expected there (its influence
    function: Hampel, JASA 69, 1974). Values of honest networks balance, however many they are;
    forged ones do not. So a network may give many values, but of those on the side it pulls to only
    so many that its pull stays within `most` of all values of the hour, or within what chance does
    to an honest one. Where the pivot lies is voted by the first `VOTES` values of each network:
    nobody moves it by coming often, and a page that gets slower for everybody moves it at once.

    Two count-min sketches of 2 x 65,536 counters, 1 MiB, hold the values of each network and those
    of them that are beyond.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._hour = -1
        self._given = Sketch()
        self._beyond = Sketch()

    def admit(self, pivot: Pivot, network: int, bucket: int, seen: int, now_ms: int) -> bool:
        """Whether one more value of a network may count; `seen` is how often it came before."""
        if self._most >= 1:
            return True
        hour = now_ms // HOUR_MS
        if hour != pivot.hour:
            pivot.turn(hour)
        if seen < VOTES:
            pivot.votes[bucket] += 1
            pivot.n += 1
            return True
        if not pivot.settle():
            pivot.n += 1
            return True
        if hour != self._hour:
            self._hour, self._given, self._beyond = hour, Sketch(), Sketch()
        beyond = pivot.beyond_by(bucket)
        place = hash((pivot.key, network))
        given, high = self._given.read(place), self._beyond.read(place)
        pull, further = high - pivot.beyond * given, beyond - pivot.beyond
        chance = BY_CHANCE * (pivot.beyond * (1 - pivot.beyond) * (given + 1)) ** 0.5
        # Early in an hour the one before tells how many values it will have.
        allowed = max(self._most * max(pivot.n, pivot.n_before), chance)
        if pull * further >= 0 and abs(pull + further) > allowed:
            return False
        self._given.write(place, given + 1)
        if beyond:
            self._beyond.write(place, high + beyond)
        pivot.n += 1
        return True


class Sketch:
    """Sums by key in a fixed amount of memory, never too small (count-min, conservative update)."""

    COLUMNS = 1 << 16

    def __init__(self) -> None:
        self._rows = [array("f", bytes(4 * self.COLUMNS)) for _ in range(2)]

    def read(self, key: int) -> float:
        """The sum of a key."""
        one, other = self._rows
        return min(one[key % self.COLUMNS], other[(key >> 24) % self.COLUMNS])

    def write(self, key: int, value: float) -> None:
        """Raise the sum of a key to a value."""
        one, other = self._rows
        at, beside = key % self.COLUMNS, (key >> 24) % self.COLUMNS
        one[at], other[beside] = max(one[at], value), max(other[beside], value)
