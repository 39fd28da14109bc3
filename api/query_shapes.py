"""What REST and the pages say of statements."""

from datetime import datetime
from urllib.parse import quote, urlencode

from api.house import House
from api.moments import at
from api.shapes import API, Shape
from api.signal_shapes import OpenShape
from api.standing import band_of, series_id
from api.statements import BY, SIGNAL, Span, Spent, shares, spent, statement_signal
from collector.postgres.book import Known
from detector import units
from detector.readings import Reading
from detector.regression import Regression
from detector.units import Unit
from storage.series import Labels


class QueryLinks(Shape):
    """Where to go from a statement."""

    page: str
    """Its page."""
    windows: str
    """Its mean time over the span, as JSON."""


class QueryShape(Shape):
    """A statement of one database, with what it took in the span."""

    fingerprint: str
    """A hash of its scrubbed text: the same on every server and after every migration."""
    target: str
    """The server it runs on."""
    datname: str
    """The database it runs in."""
    text: str
    """The statement without constants and comments; empty where none is kept."""
    calls: float
    """How often it was executed in the span."""
    total_seconds: float
    """How long all of them took."""
    total_text: str
    """The same for people."""
    mean_seconds: float
    """How long one took on average."""
    mean_text: str
    """The same for people."""
    share: float
    """Its part of the time of all statements of its database in the span, 0 to 1."""
    baseline_seconds: float | None
    """The 7-day average of the mean; null until enough days have data."""
    change: str
    """The mean against the 7-day average, `+42 %`; empty without one."""
    first_seen: datetime | None
    """When it first took so much time that it got series of its own; null where not known."""
    last_seen: datetime | None
    """When it last did, to the hour."""
    open: list[OpenShape]
    """The open regressions on it."""
    series: str
    """The id of its series in the signal `db_statement_time`."""
    links: QueryLinks
    """Where to go from here."""


def queries(
    house: House, span: Span, open_: list[Regression], fingerprint: str | None = None
) -> list[QueryShape]:
    """All statements that ran in the span, or those of one fingerprint; in no order."""
    signal = statement_signal(house)
    if signal is None:
        return []
    found = spent(house, signal, span)
    part = shares(house, found, span)
    if fingerprint is not None:
        found = {one: two for one, two in found.items() if one.get("fingerprint") == fingerprint}
    known = house.statements.find({labels.get("fingerprint") for labels in found})
    readings = {one.labels: one for one in house.detector.readings.get(SIGNAL, ())}
    mine: dict[Labels, list[Regression]] = {}
    for one in open_:
        if one.signal == SIGNAL:
            mine.setdefault(one.labels, []).append(one)
    return [
        shape(
            labels,
            took,
            part[labels],
            (known.get(key(labels)), readings.get(labels), mine.get(labels, []), span),
        )
        for labels, took in found.items()
    ]


def key(labels: Labels) -> tuple[str, str, str]:
    """What a statement is kept under."""
    target, datname, fingerprint = (labels.get(name) for name in BY)
    return target, datname, fingerprint


Beside = tuple[Known | None, Reading | None, list[Regression], Span]
"""What is kept of a statement, its newest reading, what is open on it, and the span."""


def shape(labels: Labels, took: Spent, share: float, beside: Beside) -> QueryShape:
    """One statement."""
    known, reading, open_, span = beside
    normal = band_of(reading)
    baseline = normal.expected if normal else None
    target, datname, fingerprint = key(labels)
    id_ = series_id(labels)
    query = urlencode({"target": target, "datname": datname, "span": span.value})
    return QueryShape(
        fingerprint=fingerprint,
        target=target,
        datname=datname,
        text=known.text if known else "",
        calls=took.calls,
        total_seconds=took.seconds,
        total_text=units.duration(took.seconds),
        mean_seconds=took.mean_seconds,
        mean_text=units.text(took.mean_seconds, Unit.SECONDS),
        share=share,
        baseline_seconds=baseline,
        change=units.change(took.mean_seconds, baseline),
        first_seen=at(known.first_seen_ms) if known else None,
        last_seen=at(known.last_seen_ms) if known else None,
        open=[OpenShape(id=one.id, rule=one.rule, severity=one.severity) for one in open_],
        series=id_,
        links=QueryLinks(
            page=f"/queries/{quote(fingerprint, safe='')}?{query}",
            windows=f"{API}/signals/{SIGNAL}/windows?series={id_}",
        ),
    )
