"""Page views of a shop by the hour, as the receiver of beacons stores them, and what is judged."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from collector.rum.cells import CUT_LABELS, Cut
from collector.rum.percentile import BOUNDS, P75, percentile
from collector.rum.vitals import VITALS
from detector.buckets import Bounds
from detector.config import build_signals, shipped
from storage.history import Floats, History, Windows
from storage.series import Labels, Window

HOUR_MS = 3_600_000
SIGNALS = build_signals(shipped()[0])


@dataclass(frozen=True, slots=True)
class Group:
    """So many page views an hour that are alike; `median` in seconds (CLS: the share that is 0)."""

    n: int
    median: float
    connection: str = "4g"
    navigation: str = "navigate"
    country: str = "DE"
    release: str = "1.4.2"
    element: str = "#hero"
    route: str = "/"
    device: str = "mobile"
    spread: float = 0.4

    def labels(self, metric: str, cut: Cut) -> Labels:
        """Those that a cut tells apart."""
        known = {name: getattr(self, name) for name in CUT_LABELS[cut] if name != "metric"}
        return Labels.of({"app": "shop", "metric": metric, **known})

    def drawn(self, metric: str, rng: np.random.Generator) -> Floats:
        """Observations by bucket of one hour."""
        if metric == "CLS":
            values = np.where(rng.random(self.n) < self.median, 0.02, 0.3)
        else:
            values = rng.lognormal(math.log(self.median), self.spread, self.n)
        at = np.searchsorted(BOUNDS[metric][:-1], values, side="left")
        return np.bincount(at, minlength=len(BOUNDS[metric])).astype(np.float64)


def store(
    history: History,
    metric: str,
    signal: str | Sequence[str],
    hours: Iterable[tuple[int, Sequence[Group]]],
    *,
    newest: int,
    seed: int = 1,
) -> None:
    """Page views of whole hours and the windows of shipped signals over them.

    The last `newest` hours have short windows, too: they are what is judged.
    """
    rng, bounds = np.random.default_rng(seed), BOUNDS[metric]
    signals = [signal] if isinstance(signal, str) else signal
    rows: dict[str, list[Window]] = {one: [] for one in signals}
    all_ = list(hours)
    for number, (end_ms, groups) in enumerate(all_):
        cells: dict[tuple[str, Labels], Floats] = {}
        for group in groups:
            counts = group.drawn(metric, rng)
            finest = Labels.of(service="shop", route=group.route, device=group.device)
            keys = [(str(cut), group.labels(metric, cut)) for cut in Cut]
            keys += [(one, SIGNALS[one].form.series_of(finest)) for one in signals]
            for key in keys:
                cells[key] = cells.get(key, 0.0) + counts
        for (name, labels), counts in cells.items():
            value = percentile(bounds, counts.tolist(), P75)
            if name in signals and "_good" in name:
                good = VITALS[metric].bucket(VITALS[metric].good)
                value = float(counts[: good + 1].sum() / counts.sum())
            lengths = [
                3600.0,
                *([300.0] if name in signals and number >= len(all_) - newest else []),
            ]
            for seconds in lengths:
                rows.setdefault(name, []).append(
                    window(name, labels, end_ms, seconds, value, counts, bounds)
                )
    history.put_windows(*(Windows.of(name, found) for name, found in rows.items()))


def window(
    name: str,
    labels: Labels,
    end_ms: int,
    seconds: float,
    value: float,
    counts: Floats,
    bounds: Bounds,
) -> Window:
    """One window with its buckets."""
    return Window(
        name, labels, end_ms, seconds, value, float(counts.sum()), bounds, tuple(counts.tolist())
    )
