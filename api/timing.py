"""`Server-Timing`: what an answer cost, for whoever asked (https://www.w3.org/TR/server-timing/).

Names of parts and milliseconds, and nothing else: neither what was asked nor what was found.
"""

from time import perf_counter

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storage.cost import TALLY, Part, Tally

HEADER = "server-timing"


class Timing:
    """Tells on each answer how long it took until it began, and where the time went.

    `state` and `history` are what asking those took, `render` is all the rest: who asks, computing,
    writing JSON or a page. Of an answer that is sent piece by piece it is the way to the first. The
    middleware of `plimsoll_client` around this one adds `app`, which is all of it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, and put the header on its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        tally, began = Tally(), perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = told(tally, perf_counter() - began)
            await send(message)

        held = TALLY.set(tally)
        try:
            await self.app(scope, receive, timed)
        finally:
            TALLY.reset(held)


def told(tally: Tally, total_seconds: float) -> str:
    """`state;dur=1.2, history;dur=0.4, render;dur=2.1`, in milliseconds."""
    rest = max(0.0, total_seconds - sum(tally.seconds.values()))
    parts = {
        "state": tally.seconds[Part.STATE],
        "history": tally.seconds[Part.HISTORY],
        "render": rest,
    }
    return ", ".join(f"{name};dur={1000 * one:.1f}" for name, one in parts.items())
