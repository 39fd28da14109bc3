"""How an incident is written for each kind of receiver. Pure.

Of every layout the payload has `metadata` with the incident and its version, which no person sees.
"""

from datetime import UTC, datetime
from typing import Any

from alerts.alert import Layout, Receiver
from alerts.digest import EVENT_TYPE
from alerts.message import render
from alerts.mrkdwn import clean, plain
from alerts.wording import (
    correlated,
    decision,
    in_order,
    incident_page,
    origin,
    page,
    plain_head,
    runbook,
    sentence,
    state_word,
    where,
)
from detector import units
from detector.regression import Incident, Phase, Regression

SUBJECT_LIMIT = 200
LABEL_LIMIT = 500


def compose(incident: Incident, receiver: Receiver, public_url: str) -> dict[str, Any]:
    """The message about an incident as it is now, in the layout of the receiver."""
    match receiver.manner.layout:
        case Layout.SLACK:
            manner = receiver.manner
            return render(incident, public_url, panel_url=manner.panel_url, buttons=manner.buttons)
        case Layout.JSON:
            return document(incident, public_url)
        case Layout.MAIL:
            return mail(incident, public_url)
        case Layout.ALERTMANAGER:
            return firing(incident, public_url)


def metadata(incident: Incident) -> dict[str, Any]:
    """What a message is recognised by."""
    told = {"incident": incident.id, "version": incident.version}
    return {"event_type": EVENT_TYPE, "event_payload": told}


def told(incident: Incident, public_url: str) -> str:
    """The news in one sentence, as plain text."""
    if incident.finding.merged_into:
        address = incident_page(incident.finding.merged_into, public_url)
        return f"Part of another incident: {address}"
    return plain(sentence(incident, public_url))


def document(incident: Incident, public_url: str) -> dict[str, Any]:
    """The incident as JSON, for programs; numbers are in base units, times RFC 3339."""
    deployment = incident.deployment
    return {
        "text": told(incident, public_url),
        "incident": {
            "id": incident.id,
            "url": incident_page(incident.id, public_url),
            "state": incident.phase.value,
            "severity": incident.severity.value,
            "opened_at": moment(incident.opened_ms),
            "resolved_at": moment(incident.resolved_ms),
            "muted": incident.is_muted,
            "merged_into": incident.finding.merged_into,
            "decision": decision(incident),
            "labels": incident.labels.as_dict(),
            "deployment": deployment
            and {
                "service": deployment.service,
                "version": deployment.version,
                "at": moment(deployment.at_ms),
                "url": deployment.url,
            },
        },
        "regressions": [regression_document(one, public_url) for one in in_order_or_none(incident)],
        "metadata": metadata(incident),
    }


def regression_document(one: Regression, public_url: str) -> dict[str, Any]:
    """One regression as JSON."""
    return {
        "id": one.id,
        "url": page(one, public_url),
        "rule": one.rule,
        "signal": one.signal,
        "title": one.title,
        "labels": one.labels.as_dict(),
        "state": one.phase.value,
        "severity": one.severity.value,
        "unit": one.unit.value,
        "value": one.value,
        "worst": one.worst,
        "baseline": one.baseline,
        "threshold": one.threshold,
        "began_between": [moment(one.began_lo_ms), moment(one.began_hi_ms)],
        "runbook": runbook(one, public_url),
    }


def in_order_or_none(incident: Incident) -> list[Regression]:
    """The regressions in the order in which they are told; none of what was merged away."""
    return in_order(incident) if incident.regressions else []


def mail(incident: Incident, public_url: str) -> dict[str, Any]:
    """The incident as a mail: a subject that names the state, and plain text."""
    if not incident.regressions:
        subject, lines = "Part of another incident", [told(incident, public_url)]
    else:
        first, *others = in_order(incident)
        head = plain(plain_head(incident, first, len(others)))
        over = incident.phase is Phase.RESOLVED  # its head begins with the word already
        subject = head if over else f"{state_word(incident)}: {head}"
        lines = mail_lines(incident, public_url)
    return {
        "subject": subject[:SUBJECT_LIMIT],
        "text": "\n".join(lines),
        "metadata": metadata(incident),
    }


def mail_lines(incident: Incident, public_url: str) -> list[str]:
    """The text of a mail: the sentence, each regression, who decided what, where to read on."""
    lines = [told(incident, public_url), ""]
    for one in in_order(incident):
        now, normal = units.text(one.value, one.unit), units.text(one.baseline, one.unit)
        limit = units.text(one.threshold, one.unit)
        against = f"normally {normal}" if one.baseline is not None else f"limit {limit}"
        place = clean(where(one.labels))[:LABEL_LIMIT]
        lines.append(f"- {one.title or one.signal} {place}: {now}, {against}, {one.phase.value}")
        lines.append(f"  {page(one, public_url)}")
        if one.runbook:
            lines.append(f"  Runbook: {clean(runbook(one, public_url))}")
    decided = decision(incident)
    about = [f"Deployment: {correlated(incident)}"] if incident.deployment else []
    about += [f"Probable origin: {origin(incident)}"] if len(incident.regressions) > 1 else []
    about += [decided] if decided else []
    about.append(f"Incident: {incident_page(incident.id, public_url)}")
    return [*lines, "", *map(clean, about)]


def firing(incident: Incident, public_url: str) -> dict[str, Any]:
    """The regressions as alerts of Alertmanager; those of a merged incident are told with another.

    An alert is known by its labels: the same regression gives the same ones in every version, so
    that an edit replaces it and an end resolves it.
    """
    return {
        "alerts": [
            {
                "labels": alert_labels(one),
                "annotations": annotations(incident, one, public_url),
                "startsAt": moment(one.began_lo_ms),
                **({"endsAt": moment(one.resolved_ms)} if one.resolved_ms is not None else {}),
                "generatorURL": page(one, public_url),
            }
            for one in in_order_or_none(incident)
        ],
        "metadata": metadata(incident),
    }


def alert_labels(one: Regression) -> dict[str, str]:
    """The labels that users route by; empty ones are left out, as Alertmanager does."""
    found = {name: clean(value)[:LABEL_LIMIT] for name, value in one.labels if name != "__name__"}
    ours = {"alertname": one.rule, "signal": one.signal, "severity": one.severity.value}
    return {name: value for name, value in {**found, **ours}.items() if value}


def annotations(incident: Incident, one: Regression, public_url: str) -> dict[str, str]:
    """What people read of an alert."""
    texts = {
        "summary": plain(plain_head(incident, one, 0)),
        "description": told(incident, public_url),
        "regression_url": page(one, public_url),
        "incident_url": incident_page(incident.id, public_url),
        "runbook_url": runbook(one, public_url),
        "decision": decision(incident),
    }
    return {name: text for name, text in texts.items() if text}


def moment(at_ms: int | None) -> str | None:
    """A time as RFC 3339 in UTC."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
