"""A pure ASGI middleware that counts and times requests by route template.

    app.add_middleware(RequestMetrics, registry=registry)

The route is read after the application has answered, so routing happens once. Bodies are never
read, only their length is added up.
"""

from collections.abc import Sequence
from time import perf_counter

from prometheus_client import REGISTRY, CollectorRegistry

from plimsoll_client.asgi import App, Message, Receive, Scope, Send
from plimsoll_client.families import BUCKETS, OTHER_METHOD, Tiers, families_of
from plimsoll_client.registries import Refused
from plimsoll_client.routes import UNMATCHED, template
from plimsoll_client.timing import ExposeTiming, may_see_timing, with_timing

MEASURED = "plimsoll_client.measured"
CLIENT_GONE = 499
FAILED = 500


class RequestMetrics:
    """Count and time every HTTP request under a bounded set of labels.

    Six arguments, because `app.add_middleware()` hands over keywords: what a user may want to say
    stands in one line of his program. Middlewares of one registry share their metric families, and
    a request that passes several of them is counted by the outermost.

    The label `tier` exists only when `tiers` is given. At most `max_routes` pairs of method and
    route get series of their own, the rest share `__overflow__`.
    """

    clock = staticmethod(perf_counter)

    def __init__(
        self,
        app: App,
        registry: CollectorRegistry = REGISTRY,
        *,
        tiers: Tiers | None = None,
        expose_timing: ExposeTiming | str = ExposeTiming.INTERNAL,
        buckets: Sequence[float] = BUCKETS,
        max_routes: int = 500,
    ) -> None:
        self.app = app
        self.expose_timing = ExposeTiming(expose_timing)
        self.tier_of = None if tiers is None else tiers.of
        tier_names = None if tiers is None else frozenset(tiers.names)
        self.families = families_of(registry, tier_names, buckets, max_routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and record what came of it.

        A response that is not complete when the application returns, or whose last part the server
        refused, belongs to a client that went away. So does everything that is cancelled. An
        exception is a 500, also after the response has begun; after its end it changes nothing.
        """
        families = self.families
        if scope["type"] != "http" or scope.get(MEASURED) is families:
            await self.app(scope, receive, send)
            return
        scope[MEASURED] = families
        clock = self.clock
        method = scope["method"] if scope["method"] in families.active else OTHER_METHOD
        active = families.active[method]
        active.inc()
        status = body_bytes = 0
        ended = None
        client_gone = page = False
        started = clock()

        async def watched(message: Message) -> None:
            nonlocal status, body_bytes, ended, client_gone, page
            kind = message["type"]
            if kind == "http.response.start":
                status = message["status"]
                page = method == "GET" and 200 <= status < 300 and is_page(scope, message)
                if may_see_timing(self.expose_timing, scope):
                    message = with_timing(message, clock() - started)
            try:
                await send(message)
            except OSError:
                client_gone = True
                raise
            if kind == "http.response.body":
                body_bytes += len(message.get("body", b""))
                if not message.get("more_body", False):
                    ended = clock()
            elif kind == "http.response.pathsend":  # the server sends a file: size unknown
                ended = clock()

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if ended is None:
                gone = client_gone or type(error).__name__ == "ClientDisconnect"
                status = CLIENT_GONE if gone else FAILED
            raise
        except BaseException:  # cancelled, or the process is going down: nobody waits any more
            if ended is None:
                status = CLIENT_GONE
            raise
        else:
            if ended is None:
                status = CLIENT_GONE if status else FAILED
        finally:
            active.dec()
            seconds = (clock() if ended is None else ended) - started
            sent = 0 if method == "HEAD" else body_bytes
            self.record(scope, method, status, seconds, sent, page=page)

    def record(
        self,
        scope: Scope,
        method: str,
        status: int,
        seconds: float,
        body_bytes: int,
        *,
        page: bool = False,
    ) -> None:
        """Add one request to its series.

        A framework that keeps its routes in yet another way must not break the application: the
        request is then unmatched, and counted as such.
        """
        try:
            route = template(scope, status)
        except Exception:
            route = UNMATCHED
            self.families.refused(Refused.ROUTE_FAILED)
        tier = "" if self.tier_of is None else self.families.tier(self.tier_of, scope)
        series = self.families.series(method, route, status, tier)
        series.observe_seconds(seconds)
        series.count_one()
        series.add_body_bytes(body_bytes)
        if page and 200 <= status < 300:
            self.families.count_page(route)


def is_page(scope: Scope, message: Message) -> bool:
    """Whether a browser is shown this response: HTML, and not fetched by a script or ahead of time.

    Browsers say what a request is for (`Sec-Fetch-Dest`); of those that do not, HTML is enough.
    """
    for name, value in message.get("headers", ()):
        if name == b"content-type" or name.lower() == b"content-type":
            if not value.lstrip().lower().startswith(b"text/html"):
                return False
            break
    else:
        return False
    for name, value in scope["headers"]:
        if name == b"sec-fetch-dest" and value != b"document":
            return False
        if name in (b"sec-purpose", b"purpose") and value.startswith(b"prefetch"):
            return False
    return True
