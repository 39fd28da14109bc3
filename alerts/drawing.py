"""What a chart shows, without saying how it is drawn: columns, a band, and what happened when.

Plain values that travel as JSON to the process that draws.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from alerts.mrkdwn import clean, plain
from alerts.wording import correlated, plain_head, since, state_word, where
from detector import units
from detector.regression import Incident, Phase, Regression

TITLE_LIMIT = 90
LABEL_LIMIT = 40
MOST_POINTS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One series over time. `change_ms` is the span in which the change set in.

    `lower`, `expected` and `upper` are the frozen baseline, None where a fixed limit was broken.
    """

    title: str
    state: str
    unit: str
    at_ms: tuple[int, ...]
    values: tuple[float | None, ...]
    change_ms: tuple[int, int]
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None
    limit: float | None = None
    deployed_ms: int | None = None
    deployed: str = ""
    resolved_ms: int | None = None

    def as_json(self) -> str:
        """The drawing as it travels."""
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> "Drawing":
        """The drawing that travelled."""
        parts: dict[str, Any] = json.loads(text)
        for name in ("at_ms", "values", "change_ms"):
            parts[name] = tuple(parts[name])
        return cls(**parts)


def sketch(
    incident: Incident,
    first: Regression,
    points: Sequence[tuple[int, float | None]],
    band: tuple[float, float, float] | None,
) -> Drawing | None:
    """The drawing of an incident by its first regression; None where there is nothing to see.

    `points` are `(time in ms, value)`, oldest first; `band` is lower, expected, upper.
    """
    kept = [(at, value if finite(value) else None) for at, value in points[-MOST_POINTS:]]
    if sum(value is not None for _, value in kept) < 2:
        return None
    lower, expected, upper = band or (None, None, None)
    deployment = incident.deployment
    within = deployment is not None and kept[0][0] <= deployment.at_ms <= kept[-1][0]
    return Drawing(
        title=title(incident, first),
        state=state_word(incident),
        unit=first.unit.value,
        at_ms=tuple(at for at, _ in kept),
        values=tuple(value for _, value in kept),
        change_ms=(first.began_lo_ms, first.began_hi_ms),
        expected=expected,
        lower=lower,
        upper=upper,
        limit=first.threshold if first.baseline is None else None,
        deployed_ms=deployment.at_ms if deployment is not None and within else None,
        deployed=label(f"{deployment.service} {deployment.version}") if deployment else "",
        resolved_ms=incident.resolved_ms if incident.phase is Phase.RESOLVED else None,
    )


def title(incident: Incident, first: Regression) -> str:
    """`Critical: API p95 +129 % on GET /cart`."""
    head = plain(plain_head(incident, first, 0)).removeprefix(f"{state_word(incident)}: ")
    text = clean(f"{state_word(incident)}: {head}")
    return text if len(text) <= TITLE_LIMIT else text[: TITLE_LIMIT - 1] + "…"


def label(text: str) -> str:
    """A short label."""
    text = clean(text)
    return text if len(text) <= LABEL_LIMIT else text[: LABEL_LIMIT - 1] + "…"


def alt_text(incident: Incident, first: Regression) -> str:
    """What the chart shows, for those who do not see it."""
    told = f"{title(incident, first)}. "
    told += f"Now {units.text(first.value, first.unit)}, at its worst "
    told += f"{units.text(first.worst, first.unit)}"
    if first.baseline is not None:
        told += f", normally {units.text(first.baseline, first.unit)}"
    told += f"; the change set in {since(first)}"
    if incident.deployment is not None:
        told += f"; {correlated(incident)}"
    place = where(first.labels)
    return clean(f"{told}. Chart of {first.title or first.signal} {place}")[:900]


def finite(value: float | None) -> bool:
    """Whether it can be drawn."""
    return value is not None and math.isfinite(value)
