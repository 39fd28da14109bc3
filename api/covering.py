"""What a silence would keep quiet, before anybody makes it: what is open now, what was lately."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum

from alerts.matchers import matches
from alerts.silence import Silence, SilenceKind, silenced
from alerts.subject import labels_of
from api import words
from api.house import House
from api.incident_shapes import heading
from api.moments import milliseconds
from api.shapes import Shape
from api.standing import series_id
from detector.paging import Query
from detector.regression import Incident, Kind, Phase, Regression, Severity
from storage.series import Matcher

LATELY = timedelta(days=7)
MOST_LATELY = 200
MOST_VALUES = 20


class Cover(StrEnum):
    """What a silence would do to an open incident."""

    QUIET = "quiet"
    PARTLY = "partly"


class CoveredShape(Shape):
    """A regression whose labels meet all conditions."""

    id: str
    """The regression."""
    incident_id: str
    """Its incident; empty for a suspicion."""
    heading: str
    """What it is, for people."""
    state: Phase
    """Where it is in its life."""
    severity: Severity
    """How bad it got."""
    signal: str
    """The signal it is on."""
    series: str
    """The id of its series inside the signal."""
    labels: dict[str, str]
    """Its labels as routing sees them, which is what conditions are asked of."""


class CoveredIncident(Shape):
    """An open incident that the silence touches."""

    id: str
    """The incident."""
    heading: str
    """What it is, for people."""
    cover: Cover
    """`quiet`: nobody would be told of it, together with the silences in force. `partly`: it would
    be told all the same, because of regressions that are not covered."""
    covered: int
    """How many of its open regressions the conditions meet ..."""
    of: int
    """... of how many."""


class PreviewShape(Shape):
    """What a silence with these conditions would keep quiet."""

    matchers: list[str]
    """The conditions as they were understood."""
    open: list[CoveredShape]
    """The open regressions that meet them."""
    open_count: int
    """How many are open in all."""
    incidents: list[CoveredIncident]
    """The open incidents that it touches."""
    lately: list[CoveredShape]
    """The newest regressions of the last 7 days that are over and would have met them."""
    lately_count: int
    """How many were looked at for that; at most 200."""
    labels: dict[str, list[str]]
    """The labels that conditions can be written on, with values seen in what is open and was
    lately; at most 20 of each."""


def preview(house: House, matchers: Sequence[Matcher]) -> PreviewShape:
    """What these conditions meet now, and what they would have met lately."""
    now_ms = milliseconds(house.now())
    since_ms = now_ms - round(LATELY / timedelta(milliseconds=1))
    with house.state.reading() as session:
        incidents = house.book.open_incidents(session)
        # What is muted too: its mute may end before the silence does.
        open_ = house.book.open_regressions(session)
        query = Query(kind=Kind.REGRESSION, since_ms=since_ms, limit=MOST_LATELY)
        recent = [one for one in house.book.page(session, query).regressions if one.phase.is_over]
        active = house.alerts.silences.active(session, now_ms)
    asked = silence(matchers, now_ms)
    return PreviewShape(
        matchers=[str(one) for one in matchers],
        open=covered(matchers, open_),
        open_count=len(open_),
        incidents=touched(incidents, asked, active, now_ms),
        lately=covered(matchers, recent),
        lately_count=len(recent),
        labels=known([*open_, *recent]),
    )


def silence(matchers: Sequence[Matcher], now_ms: int) -> Silence:
    """A silence that holds now, for asking only."""
    return Silence(
        id="preview",
        kind=SilenceKind.SILENCE,
        matchers=tuple(matchers),
        starts_ms=now_ms,
        ends_ms=now_ms + 1,
        created_by="",
        comment="",
        created_ms=now_ms,
        updated_ms=now_ms,
    )


def covered(matchers: Sequence[Matcher], regressions: Iterable[Regression]) -> list[CoveredShape]:
    """Those whose labels meet all conditions; none where there is no condition."""
    found = []
    for one in regressions:
        labels = labels_of(one, one.incident_id)
        if matchers and matches(matchers, labels):
            found.append(
                CoveredShape(
                    id=one.id,
                    incident_id=one.incident_id,
                    heading=words.heading(one),
                    state=one.phase,
                    severity=one.severity,
                    signal=one.signal,
                    series=series_id(one.labels),
                    labels=labels,
                )
            )
    return found


def touched(
    incidents: Iterable[Incident], asked: Silence, active: Sequence[Silence], now_ms: int
) -> list[CoveredIncident]:
    """What becomes of each incident that the silence meets a part of.

    An incident is quiet as soon as each of its regressions is silenced by something
    (`alerts.pipeline.Quieten`): one that is not is reason enough to tell all of it.
    """
    found = []
    for one in incidents:
        rows = [labels_of(each, one.id) for each in one.regressions if each.phase.holds]
        met = sum(bool(asked.matchers) and asked.mutes(each, now_ms) for each in rows)
        if not met:
            continue
        every = all(silenced([asked, *active], each, now_ms) is not None for each in rows)
        found.append(
            CoveredIncident(
                id=one.id,
                heading=heading(one),
                cover=Cover.QUIET if every else Cover.PARTLY,
                covered=met,
                of=len(rows),
            )
        )
    return found


def known(regressions: Iterable[Regression]) -> dict[str, list[str]]:
    """The names that conditions can be written on, with some of their values."""
    found: dict[str, dict[str, None]] = {}
    for one in regressions:
        for name, value in labels_of(one, one.incident_id).items():
            values = found.setdefault(name, {})
            if len(values) < MOST_VALUES:
                values[value] = None
    return {name: sorted(values) for name, values in sorted(found.items())}
