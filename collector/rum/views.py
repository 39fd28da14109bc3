"""Page views that are not over yet: what came of them, and when it is final. Pure.

A metric may come several times in one view, each time larger; a counter of a histogram cannot be
taken back. So the value with the highest sequence waits here, until its view has been silent for
long enough, and is counted once.
"""

from collections.abc import Mapping

from msgspec import Struct

from collector.rum.beacon import MOST_SEQUENCE, Beacon, Metric
from collector.rum.refusal import Omission, Refusal
from collector.rum.vitals import DEVICES, NAVIGATE, NAVIGATIONS, VITALS, WITHOUT_TTFB

MOST_IN_VIEW = 200
"""Metrics of one page view, over all its beacons: a day in a single-page application."""
GOES_ON = 3
"""Times the settling time after which a view that goes on is closed by its next beacon."""
TOMBSTONES = 50_000
METRIC_TOMBSTONES = 200_000
TOMBSTONES_MS = 3_600_000


class Value(Struct, gc=False):
    """The newest value of one metric, in base units."""

    sequence: int
    name: str
    value: float
    navigation: str
    route: str
    element: str


class Sender(Struct, frozen=True, gc=False):
    """What a request tells beside its body; the network is a hash that changes with the process."""

    network: int
    browser: str
    country: str
    mobile: bool = False


class View(Struct, gc=False):
    """One page view, or the part of it that came since its values were last counted.

    Not looked at by the garbage collector, as nothing in it points back: with 40,000 open views its
    pauses would be what requests wait for.
    """

    device: str
    connection: str
    release: str
    rate: float
    sender: Sender
    first_ms: int
    last_ms: int
    resumed: bool
    values: dict[str, Value]
    sequences: int = 0
    errors: int = 0

    @classmethod
    def of(cls, beacon: Beacon, sender: Sender, now_ms: int, *, resumed: bool) -> "View":
        """A view that begins with this beacon, which is still to be put to it."""
        device = "m" if sender.mobile and beacon.device == "d" else beacon.device
        return cls(
            DEVICES[device],
            beacon.connection,
            beacon.release,
            beacon.rate,
            sender,
            now_ms,
            now_ms,
            resumed,
            {},
        )

    @property
    def lost(self) -> int:
        """Beacons that must have been sent and did not come: holes in the sequence."""
        first = (self.sequences & -self.sequences).bit_length() - 1 if self.resumed else 0
        return self.sequences.bit_length() - first - self.sequences.bit_count()

    @property
    def unfinalised(self) -> bool:
        """Whether the page was loaded and its end never told: first byte or paint, and no CLS."""
        names = {one.name for one in self.values.values()}
        return not self.resumed and bool(names & {"TTFB", "FCP"}) and "CLS" not in names


class Tombstones:
    """Hashes of what was counted already, for one to two hours, in bounded memory."""

    def __init__(self, most: int = TOMBSTONES) -> None:
        self._most = most
        self._new: set[int] = set()
        self._old: set[int] = set()
        self._since_ms = 0

    def add(self, key: int, now_ms: int) -> None:
        """Remember a hash."""
        if now_ms - self._since_ms >= TOMBSTONES_MS or len(self._new) >= self._most:
            self._old, self._new, self._since_ms = self._new, set(), now_ms
        self._new.add(key)

    def __contains__(self, key: int) -> bool:
        return key in self._new or key in self._old


class Views:
    """The open views of one app, the one that has been silent longest first."""

    def __init__(self, settle_ms: int, most_values: int) -> None:
        self._settle_ms = settle_ms
        self._most = most_values
        self._open: dict[str, View] = {}
        self._closed = Tombstones()
        self._counted = Tombstones(METRIC_TOMBSTONES)
        self.waiting = 0
        self.metrics = 0
        self.left_out = dict.fromkeys(Omission, 0)

    def __len__(self) -> int:
        """How many views are open."""
        return len(self._open)

    def take(self, beacon: Beacon, sender: Sender, now_ms: int) -> Refusal | None:
        """Put a beacon to its view; `Refusal.REPLAYED` where its sequence was seen before."""
        view = self._open.get(beacon.view)
        if view is None:
            resumed = hash(beacon.view) in self._closed
            view = View.of(beacon, sender, now_ms, resumed=resumed)
        sequence = beacon.sequence
        if sequence < 0:  # of a format that has none
            sequence = min(view.sequences.bit_length(), MOST_SEQUENCE)
        bit = 1 << sequence
        if view.sequences & bit:
            return Refusal.REPLAYED
        # To the end: the first one is that which has been silent longest. A replay moves nothing.
        self._open.pop(beacon.view, None)
        self._open[beacon.view] = view
        view.sequences |= bit
        view.last_ms = now_ms
        view.errors += len(beacon.errors)
        self.metrics += len(beacon.metrics)
        values = view.values
        for metric in beacon.metrics:
            known = values.get(metric.id)
            if known is not None and known.sequence >= sequence:
                continue
            made = self._read(metric, sequence)
            if isinstance(made, Omission):
                self.left_out[made] += 1
            elif known is not None:
                values[metric.id] = made
            elif hash((beacon.view, metric.id)) in self._counted:
                self.left_out[Omission.LATE] += 1
            elif len(values) >= MOST_IN_VIEW:
                self.left_out[Omission.TOO_MANY] += 1
            else:
                values[metric.id] = made
                self.waiting += 1
        return None

    def _read(self, metric: Metric, sequence: int) -> Value | Omission:
        name, navigation = metric.name, metric.navigation
        vital = VITALS.get(name)
        if vital is None:
            return Omission.NAME
        if name == "TTFB" and navigation in WITHOUT_TTFB:
            return Omission.DUMMY
        value = vital.value(metric.value)
        if value is None:
            return Omission.VALUE
        if navigation not in NAVIGATIONS:
            navigation = NAVIGATE
        said = metric.attribution
        element = said.element if said is not None and name in ("LCP", "INP") else ""
        return Value(sequence, vital.name, value, navigation, metric.route, element)

    def open(self) -> list[tuple[str, View]]:
        """Those that are open, by name, the one that has been silent longest first."""
        return list(self._open.items())

    def adopt(self, views: Mapping[str, View]) -> None:
        """Go on with views of an earlier process, which are older than all that are open here."""
        new = {name: view for name, view in views.items() if name not in self._open}
        self._open = new | self._open
        self.waiting += sum(len(one.values) for one in new.values())

    def over(self, now_ms: int) -> View | None:
        """Close and give the oldest view, if it is over or there is no more room for it."""
        for name, view in self._open.items():
            if now_ms - view.last_ms < self._settle_ms and self.waiting <= self._most:
                return None
            return self._close(name, view, now_ms)
        return None

    def overlong(self, name: str, now_ms: int) -> View | None:
        """Close and give the view that a beacon was just put to, if it goes on for too long."""
        view = self._open.get(name)
        if view is None or now_ms - view.first_ms <= GOES_ON * self._settle_ms:
            return None
        return self._close(name, view, now_ms)

    def _close(self, name: str, view: View, now_ms: int) -> View:
        del self._open[name]
        self.waiting -= len(view.values)
        self._closed.add(hash(name), now_ms)
        for metric in view.values:
            self._counted.add(hash((name, metric)), now_ms)
        return view
