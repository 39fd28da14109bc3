"""The chart of an incident: its windows and its baseline from the house, drawn elsewhere."""

import logging
from dataclasses import dataclass

from alerts.alert import Picture
from alerts.drawing import Drawing, alt_text, sketch, title
from alerts.studio import NotDrawnError, drawn
from alerts.wording import in_order
from api.curves import curves, stretch
from api.house import House
from api.standing import band
from detector.regression import Incident, Regression

log = logging.getLogger(__name__)

LEAST_BEFORE_MS = 2 * 3_600_000
MOST_POINTS = 300


@dataclass(frozen=True, slots=True)
class Album:
    """Pictures of incidents, as the alerts ask for them."""

    house: House

    def picture(self, incident: Incident, key: str, now_ms: int) -> Picture | None:
        """The chart as it is now; None where there is nothing to see, or it could not be drawn."""
        first = in_order(incident)[0]
        drawing = self.drawing(incident, first, now_ms)
        if drawing is None:
            return None
        try:
            png = drawn(drawing)
        except NotDrawnError as error:
            log.warning("no chart of incident %s: %s", incident.id, error)
            return None
        told = alt_text(incident, first)
        return Picture(key=key, title=title(incident, first), alt_text=told, png=png)

    def drawing(self, incident: Incident, first: Regression, now_ms: int) -> Drawing | None:
        """From well before the change until now; None where the signal is no longer defined."""
        signal = self.house.settings.definitions.signals.get(first.signal)
        if signal is None:
            return None
        before_ms = max(LEAST_BEFORE_MS, now_ms - first.began_hi_ms)
        since_ms = first.began_lo_ms - before_ms
        reach = stretch(self.house, signal, since_ms, now_ms, MOST_POINTS)
        curve = curves(self.house, signal, [first.labels], reach)[first.labels]
        deviation = first.evidence.get("deviation")
        normal = band(first.baseline, deviation if isinstance(deviation, int | float) else None)
        edges = (normal.lower, normal.expected, normal.upper) if normal is not None else None
        points = list(zip(curve.end_ms, curve.value, strict=True))
        return sketch(incident, first, points, edges)
