"""Statements of databases: which took the time, and one of them with its past."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from api.errors import missing
from api.house import House
from api.pages.charts import Chart
from api.pages.render import render
from api.query_shapes import QueryShape, queries
from api.rooms import Asked, Rooms
from api.routes.queries import QueriesAsked, Sort, find
from api.statements import BY, FIGURES, SIGNAL, Span, figures, statement_signal
from collector.postgres.config import Group, PostgresTarget
from detector.regression import Regression
from detector.signal import Signal
from detector.units import Unit
from storage.series import Labels

routes = APIRouter(include_in_schema=False)

MOST_ROWS = 100
MOST_PLACES = 10
UNITS = {
    "block_read_seconds": Unit.SECONDS,
    "plan_seconds": Unit.SECONDS,
    "wal_bytes": Unit.BYTES,
}


class PageAsked(Asked):
    """Which statements; a form sends the empty filters too, which filter nothing."""

    target: str = Field("", max_length=200)
    datname: str = Field("", max_length=200)
    sort: Sort = Sort.TOTAL_TIME
    span: Span = Span.DAY


@routes.api_route("/queries", methods=["GET", "HEAD"])
def all_queries(house: Rooms, asked: Annotated[PageAsked, Query()]) -> Response:
    """The page."""
    every = queries(house, asked.span, opened(house))
    wanted = QueriesAsked(
        target=asked.target or None,
        datname=asked.datname or None,
        sort=asked.sort,
        span=asked.span,
        limit=MOST_ROWS,
    )
    found = find(every, wanted)
    return render(
        "queries.html",
        {
            "rows": found[:MOST_ROWS],
            "more": max(0, len(found) - MOST_ROWS),
            "choices": {
                "target": sorted({one.target for one in every}),
                "datname": sorted({one.datname for one in every}),
            },
            "given": {"target": asked.target, "datname": asked.datname},
            "sorts": {Sort.TOTAL_TIME: "total time", Sort.MEAN: "mean time", Sort.CALLS: "calls"},
            "sort": asked.sort,
            "spans": list(Span),
            "span": asked.span,
            "filtered": bool(asked.target or asked.datname),
            "servers": [one.name for one in watched(house)],
            "has_signal": statement_signal(house) is not None,
        },
    )


@routes.api_route("/queries/{fingerprint}", methods=["GET", "HEAD"])
def one_query(house: Rooms, fingerprint: str, asked: Annotated[PageAsked, Query()]) -> Response:
    """The page of one statement, on every server and database where it runs."""
    every = queries(house, asked.span, opened(house), fingerprint)
    wanted = QueriesAsked(target=asked.target or None, datname=asked.datname or None)
    found = find(every, wanted)
    signal = statement_signal(house)
    kept = house.statements.find({fingerprint}).values()
    texts = [one.text for one in kept if one.text]
    if signal is None or not (found or texts):
        raise missing(f"statement {fingerprint}")
    places = found[:MOST_PLACES]
    return render(
        "query.html",
        {
            "fingerprint": fingerprint,
            "text": texts[0] if texts else "",
            "places": [(one, chart(house, signal, one, asked.span)) for one in places],
            "figures": {one.series: told(house, one, asked.span) for one in places},
            "more": len(found) - len(places),
            "elsewhere": len(every) - len(found),
            "given": {"target": asked.target, "datname": asked.datname},
            "spans": list(Span),
            "span": asked.span,
        },
    )


def opened(house: House) -> list[Regression]:
    """All open regressions."""
    with house.state.reading() as session:
        return list(house.book.open_regressions(session))


def watched(house: House) -> list[PostgresTarget]:
    """The servers whose statements are read."""
    servers = house.settings.collector.postgres
    return [one for one in servers if Group.STATEMENTS not in one.skip]


def chart(house: House, signal: Signal, one: QueryShape, span: Span) -> Chart:
    """The mean time of a statement over the span."""
    return Chart(
        signal=SIGNAL,
        series=one.series,
        unit=signal.form.unit,
        worse=signal.form.worse,
        text=f"Mean time of {one.fingerprint} in {one.datname} on {one.target}: {one.mean_text}.",
        since=house.now() - span.length,
    )


def told(house: House, one: QueryShape, span: Span) -> list[tuple[str, float, str]]:
    """What one execution needed: words, value, unit; nothing where no samples are kept."""
    labels = Labels.of(dict(zip(BY, (one.target, one.datname, one.fingerprint), strict=True)))
    return [
        (FIGURES[name], value, UNITS.get(name, Unit.COUNT))
        for name, value in figures(house, labels, span).items()
    ]
