"""What routing sees of an incident: each of its regressions as a set of labels. Pure.

The labels of the series stand as they are, and beside them ours: `alertname` (the rule), `signal`,
`severity`, `kind`, `incident`, and `service`, which is taken from the target where the series names
none. A label of the series that is called like one of ours is `exported_` and its name.
"""

from collections.abc import Iterator
from dataclasses import replace

from alerts.group import Subject
from detector.finding import Finding
from detector.identity import identity
from detector.regression import Incident, Kind, Phase, Regression
from storage.series import NAME

OWNERS = ("service", "target")
# Versions of what is told before there is an incident: below every version of a real one.
SUSPECTED_VERSION, WITHDRAWN_VERSION = -2, -1


def labels_of(regression: Regression, incident_id: str) -> dict[str, str]:
    """The label set of a regression."""
    owner = next((regression.labels.get(one) for one in OWNERS if regression.labels.get(one)), "")
    ours = {
        "alertname": regression.rule,
        "signal": regression.signal,
        "severity": str(regression.severity),
        "kind": str(regression.kind),
        "incident": incident_id,
    }
    series = dict(regression.labels.without(NAME))
    told = {f"exported_{name}" if name in ours else name: value for name, value in series.items()}
    return {**told, **({"service": owner} if owner else {}), **ours}


def subjects(incident: Incident, starts_ms: int, now_ms: int) -> Iterator[Subject]:
    """The alerts of an incident; `starts_ms` is when routing first knew of it."""
    for one in incident.regressions:
        if one.kind is not Kind.REGRESSION:
            continue
        over = not (one.phase.holds or one.phase is Phase.SUSPECTED)
        yield Subject(
            labels=labels_of(one, incident.id),
            about=incident.id,
            source=one.id,
            starts_ms=starts_ms,
            ends_ms=(one.resolved_ms or now_ms) if over else None,
            suspected=one.phase is Phase.SUSPECTED,
        )


def suspicion(regression: Regression) -> Incident:
    """What is told of a suspicion: an incident of it alone, also when it is none any more.

    Its id is that of the incident which the regression begins when it is confirmed, so that both
    are one message. One that joins another incident leads there.
    """
    gone = regression.phase is not Phase.SUSPECTED
    home = regression.incident_id if joined(regression) else ""
    return Incident(
        id=identity("inc", regression.id),
        labels=regression.labels,
        phase=Phase.RESOLVED if gone else Phase.SUSPECTED,
        severity=regression.severity,
        opened_ms=regression.opened_ms,
        resolved_ms=(regression.resolved_ms or regression.updated_ms) if gone else None,
        version=WITHDRAWN_VERSION if gone else SUSPECTED_VERSION,
        regressions=() if home else (replace(regression, incident_id=""),),
        finding=Finding(merged_into=home),
    )


def joined(regression: Regression) -> bool:
    """Whether a suspicion was confirmed into another incident than the one it would begin."""
    return regression.incident_id not in ("", identity("inc", regression.id))


def is_acknowledged(incident: Incident) -> bool:
    """Whether somebody has taken all of it that is not over, or has muted it; or it is over."""
    holding = [one.phase for one in incident.regressions if one.phase.holds]
    return all(phase in (Phase.ACKNOWLEDGED, Phase.MUTED) for phase in holding)
