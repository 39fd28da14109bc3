"""Regressions as a list shows them: what it says of each, in one statement, and nothing else.

A list needs of an incident no more than when it was found and which deployment fits, and of the
evidence of a regression two members. Both are read narrowly here; who goes on with a regression, or
shows all of it, reads it whole.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy
from sqlalchemy import Select, Subquery

from detector.finding import Correlation, proven
from detector.incident_tables import FindingRow, correlation
from detector.paging import Query, found, ordered
from detector.regression import Deployment, Regression, Tag
from detector.tables import (
    DEPLOYED,
    WORDS,
    DeploymentRow,
    IncidentRow,
    RegressionRow,
    columns,
    deployment_of,
)
from storage.series import Labels
from storage.state import document
from storage.views import Reader, plain

# What a list says of a regression; the rest is what ticks go on with.
LISTED = (
    "id", "incident_id", "fingerprint", "rule", "signal", "title", "unit", "worse", "severity",
    "phase", "value", "worst", "threshold", "baseline", "began_lo_ms", "began_hi_ms", "opened_ms",
    "updated_ms", "resolved_ms", "runbook", "kind", "version", "muted_until_ms", "silent_since_ms",
    "by",
)  # fmt: skip
JSON = ("labels", "tags", "evidence")


class Told(msgspec.Struct):
    """What lists tell of the evidence. The rest is skipped where it stands, which costs little."""

    visits: Any = None
    of_hours: Any = None


@dataclass(frozen=True, slots=True)
class Fit:
    """A deployment that fits an incident found then, and their comparisons if they passed."""

    deployment: Deployment
    opened_ms: int
    probable: Correlation | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A regression without most of its evidence, and the deployment that fits, if any."""

    regression: Regression
    fit: Fit | None


def page(reader: Reader, query: Query) -> tuple[list[Shown], str | None]:
    """One page of history, newest first, and the cursor of the next, as `paging.page` gives it."""
    rows, cursor = found(reader, query, read_shown)
    return [shown(row) for row in rows], cursor


def read_shown(chosen: Subquery) -> Select[Any]:
    """What is shown of the regressions that were chosen, and of what they belong to."""
    one, incident = columns(RegressionRow), columns(IncidentRow)
    finding, deployment = columns(FindingRow), columns(DeploymentRow)
    asked = sqlalchemy.select(
        *chosen.c,
        *(one[name] for name in LISTED),
        *(plain(one[name]) for name in JSON),
        incident.opened_ms,
        plain(finding.correlations),
        *(deployment[name] for name in DEPLOYED),
    )
    joined = (
        asked.join_from(chosen, one.id.table, one.id == chosen.c.id)
        .outerjoin(incident.id.table, incident.id == one.incident_id)
        .outerjoin(finding.at_ms.table, finding.incident_id == incident.id)
        .outerjoin(deployment.id.table, deployment.id == incident.deployment_id)
    )
    return ordered(joined, chosen)


def shown(row: Any) -> Shown:
    """What a row says."""
    values = dict(zip(LISTED, row, strict=False))
    labels, tags, evidence, opened_ms, correlations, *deployed = row[len(LISTED) :]
    for name, known in WORDS.items():
        values[name] = known[values[name]]
    values["incident_id"] = values["incident_id"] or ""
    values["labels"] = Labels.of(LABELS.decode(labels))
    values["tags"] = () if tags == "[]" else tuple(map(Tag, document(tags)))
    values["evidence"] = told(evidence)
    regression = Regression(**values)
    if deployed[0] is None:
        return Shown(regression, None)
    deployment = deployment_of(deployed)
    probable = None
    if correlations is not None and correlations != "[]":
        probable = proven(map(correlation, document(correlations)), deployment.id)
    return Shown(regression, Fit(deployment, opened_ms, probable))


LABELS = msgspec.json.Decoder(dict[str, str])
TOLD = msgspec.json.Decoder(Told)


def told(evidence: str) -> dict[str, Any]:
    """The members of evidence that are told, where it has them."""
    try:
        kept = TOLD.decode(evidence)
    except msgspec.DecodeError:  # Python writes numbers that JSON has not, like NaN
        return dict(document(evidence))
    return {} if kept.visits is kept.of_hours is None else msgspec.structs.asdict(kept)
