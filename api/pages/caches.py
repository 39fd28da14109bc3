"""Caches: all of them, and one with its hit rate, memory, evictions and what misses."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.pages.render import render
from api.pages.tiles import Span, TargetAsked, heading, of_figures, of_signals
from api.rooms import Asked, Rooms
from api.routes.figures import cache, caches
from detector.run import TICK

routes = APIRouter(include_in_schema=False)

# What the table of groups tells is not drawn again for each group.
OF_GROUPS = ("cache_group_misses", "cache_group_evictions", "cache_group_bytes")


@routes.api_route("/cache", methods=["GET", "HEAD"])
def all_caches(house: Rooms, asked: Annotated[Asked, Query()]) -> Response:
    """The page of all of them."""
    with house.state.reading() as session:
        tick_ms = house.book.progress_ms(session, TICK)
    settings = house.settings.collector
    return render(
        "caches.html",
        {
            "rows": caches(house, asked).items,
            "watched": [one.name for one in (*settings.redis, *settings.memcached)],
            "tick_ms": tick_ms,
        },
    )


@routes.api_route("/cache/{target}", methods=["GET", "HEAD"])
def one_cache(house: Rooms, target: str, asked: Annotated[TargetAsked, Query()]) -> Response:
    """The page of one."""
    one = cache(house, target, Asked())
    since = house.now() - asked.span.length
    with house.state.reading() as session:
        tick_ms = house.book.progress_ms(session, TICK)
    signals = of_signals(house, one, since)
    return render(
        "cache.html",
        {
            "one": one,
            "signals": [row for row in signals if row[0].signal not in OF_GROUPS],
            "group_signals": [row[0] for row in signals if row[0].signal in OF_GROUPS],
            "figures": [(heading(each), each, chart) for each, chart in of_figures(one, since)],
            "is_redis": any(each.figure.startswith("redis_") for each in one.figures),
            "is_memcached": any(each.figure.startswith("memcached_") for each in one.figures),
            "has_misses": any(each.misses_per_second is not None for each in one.groups),
            "spans": [(each, each.value, f"?span={each}") for each in Span],
            "span": asked.span,
            "tick_ms": tick_ms,
        },
    )
