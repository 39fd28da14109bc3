"""Which regressions are one incident: those of the same thing at the same time. Pure."""

from collections.abc import Iterable

from detector.regression import Incident, Regression
from storage.series import Labels

# What an on-call person would call one thing. Method, status and tier divide a thing; they do not
# make two of it.
SUBJECT = ("target", "service", "route", "cache", "datname", "fingerprint")


def subject(labels: Labels) -> Labels:
    """The labels that name the thing a series belongs to."""
    return labels.only(SUBJECT)


def incident_for(
    regression: Regression, open_incidents: Iterable[tuple[str, Labels]]
) -> str | None:
    """Which open incident (id, labels) a new regression belongs to; None when it begins one."""
    mine = subject(regression.labels)
    return next((id_ for id_, labels in open_incidents if labels == mine), None)


def is_news(regression: Regression, incident: Incident) -> bool:
    """Whether somebody who knows of the incident should hear of one more regression in it.

    The mean of what is known to be slow at its 95th percentile is the same news twice.
    """
    return not any(
        known.unit is regression.unit
        and known.worse == regression.worse
        and known.severity.rank >= regression.severity.rank
        and known.phase.holds
        for known in incident.regressions
    )
