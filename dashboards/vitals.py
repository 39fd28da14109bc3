"""Web vitals: what visitors felt, against the thresholds that the vitals are published with."""

from collections.abc import Sequence
from dataclasses import replace

from dashboards.browsers import from_browsers
from dashboards.family import family
from dashboards.frame import Sheet
from dashboards.signals import SignalPanel, Threshold, labels_of, of_kinds
from detector.form import Direction
from detector.regression import Severity
from detector.units import Unit

UID = "plimsoll-web-vitals"

#: Good up to, poor above: https://web.dev/articles/vitals and the constants of web-vitals 6.
#: Seconds, but for the layout shift, which has no unit.
THRESHOLDS = {
    "lcp": (2.5, 4.0),
    "inp": (0.2, 0.5),
    "cls": (0.1, 0.25),
    "ttfb": (0.8, 1.8),
    "fcp": (1.8, 3.0),
}


def sheet(signals: Sequence[SignalPanel]) -> Sheet | None:
    """The dashboard; None without a signal of the kind `web`."""
    mine = [judged(one) for one in of_kinds(signals, "web")]
    if not mine:
        return None
    return family(
        UID,
        "Web vitals",
        "What visitors felt, by page and device: good, in need of improvement, or poor.",
        sorted(mine, key=place),
        extra=from_browsers(labels_of(mine)),
    )


def judged(signal: SignalPanel) -> SignalPanel:
    """A vital with its published thresholds, where no rule of its own has set a limit."""
    vital = vital_of(signal)
    if vital is None or signal.thresholds or signal.worse is Direction.DOWN:
        return signal
    if signal.unit not in (Unit.SECONDS, Unit.COUNT):
        return signal  # a share of visits is not measured in seconds
    good, poor = THRESHOLDS[vital]
    limits = (Threshold(good, Severity.WARNING), Threshold(poor, Severity.CRITICAL))
    return replace(signal, thresholds=limits)


def vital_of(signal: SignalPanel) -> str | None:
    """The vital that a signal is named after, such as `lcp` of `web_lcp_p75`."""
    parts = signal.name.split("_")
    return next((one for one in THRESHOLDS if one in parts), None)


def place(signal: SignalPanel) -> int:
    """Vitals in the order in which they are published, whatever else is there after them."""
    vital = vital_of(signal)
    return len(THRESHOLDS) if vital is None else list(THRESHOLDS).index(vital)
