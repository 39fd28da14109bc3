"""Resources: machines, containers and processes, and one of them with all its charts."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.figure_shapes import FigureNow
from api.pages.render import render
from api.pages.tiles import Span, TargetAsked, heading, of_figures, of_signals
from api.rooms import Asked, Rooms
from api.routes.figures import resource, resources
from detector.run import TICK

routes = APIRouter(include_in_schema=False)

COLUMNS = {
    "host_cpu_usage": "CPU",
    "host_memory_usage": "Memory",
    "host_disk_usage": "Fullest disk",
    "container_memory_usage": "Container memory",
    "container_cpu_throttling": "Throttled",
}
FIGURES = {
    "process_cpu": "Process CPU, cores",
    "process_memory": "Process memory",
    "event_loop_lag": "Event loop lag",
    "pool_pending": "Waiting for a pool",
}


@routes.api_route("/resources", methods=["GET", "HEAD"])
def all_resources(house: Rooms, asked: Annotated[Asked, Query()]) -> Response:
    """The page of all of them."""
    with house.state.reading() as session:
        tick_ms = house.book.progress_ms(session, TICK)
    rows = resources(house, asked).items
    return render(
        "resources.html",
        {
            "rows": [
                (one, {each.signal: each for each in one.signals}, newest(one.figures))
                for one in rows
            ],
            "columns": {
                name: words
                for name, words in COLUMNS.items()
                if any(each.signal == name for one in rows for each in one.signals)
            },
            "figures": {
                name: words
                for name, words in FIGURES.items()
                if any(each.figure == name for one in rows for each in one.figures)
            },
            "tick_ms": tick_ms,
        },
    )


def newest(figures: list[FigureNow]) -> dict[str, FigureNow]:
    """Figures by name; of several series the largest."""
    found: dict[str, FigureNow] = {}
    for one in figures:
        known = found.get(one.figure)
        if known is None or one.value > known.value:
            found[one.figure] = one
    return found


@routes.api_route("/resources/{target}", methods=["GET", "HEAD"])
def one_resource(house: Rooms, target: str, asked: Annotated[TargetAsked, Query()]) -> Response:
    """The page of one."""
    one = resource(house, target, Asked())
    since = house.now() - asked.span.length
    with house.state.reading() as session:
        tick_ms = house.book.progress_ms(session, TICK)
    return render(
        "resource.html",
        {
            "one": one,
            "signals": of_signals(house, one, since),
            "figures": [(heading(each), each, chart) for each, chart in of_figures(one, since)],
            "spans": [(each, each.value, f"?span={each}") for each in Span],
            "span": asked.span,
            "tick_ms": tick_ms,
        },
    )
