"""The route label, for every way of registering a route."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastapi.routing
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Match, Mount, Route
from starlette.staticfiles import StaticFiles

from client_tests.asking import ask, called, counted, http_scope
from plimsoll_client.asgi import Message, Receive, Scope, Send
from plimsoll_client.middleware import RequestMetrics
from plimsoll_client.routes import template

ROUTERS_KEEP_MOUNTS = hasattr(fastapi.routing, "iter_route_contexts")  # FastAPI 0.137.2

UNMATCHED = "__unmatched__"
THING = "/api/outer/mid/v1/things/{thing_id}"


async def text(request: Request) -> PlainTextResponse:
    return PlainTextResponse("text")


async def other_text(request: Request) -> PlainTextResponse:
    return PlainTextResponse("other")


class Wrapped:
    """A middleware of no framework around a mounted application."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Hidden:
    """An application that dispatches to another and does not show it."""

    def __init__(self, target: Any) -> None:
        self._target = target

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._target(scope, receive, send)


def must_be_one(n: int) -> None:
    if n != 1:
        raise HTTPException(403)


def add_routes(app: FastAPI, static: Path) -> None:
    """Register routes in every way."""
    v1, outer = APIRouter(prefix="/v1"), APIRouter(prefix="/outer")
    sub = FastAPI()

    async def number(n: int) -> int:
        return n

    app.add_api_route("/plain/{n}", number)
    app.add_api_route("/convertor/{n:int}/x", number)
    app.add_api_route("/guarded/{n}", number, dependencies=[Depends(must_be_one)])
    app.add_api_route("/same/{n}", number, methods=["GET"])
    app.add_api_route("/same/1", number, methods=["POST"])
    app.add_route("/starlette/{x}", text)

    @v1.get("/things/{thing_id}")
    async def thing(thing_id: int) -> int:
        return thing_id

    @v1.get("/boom")
    async def boom() -> None:
        raise RuntimeError("boom")

    v1.add_route("/starlette/{x}", text)
    outer.include_router(v1, prefix="/mid")
    app.include_router(outer, prefix="/api")
    app.include_router(v1, prefix="/again")

    @app.websocket("/live/{n}")
    async def live(websocket: WebSocket, n: int) -> None:
        await websocket.accept()
        await websocket.close()

    more = APIRouter(prefix="/z")
    more.add_api_route("/{n}", number)
    sub.add_api_route("/leaf/{n}", number)
    sub.include_router(more, prefix="/more")
    sub.router.routes.append(Mount("/deep/{level:int}", routes=[Route("/inner/{y}", text)]))
    app.mount("/sub/{tenant}", sub)
    app.mount("/one", sub)
    app.mount("/static", StaticFiles(directory=static))
    wrapped = Starlette(routes=[Route("/w/{x}", text)])
    app.mount("/wrapped", Wrapped(Wrapped(wrapped)))
    hidden = FastAPI()
    hidden.add_api_route("/h/{n}", number)
    app.mount("/hidden/{x}", Hidden(hidden))
    app.router.routes.append(
        Host("{country}.shop.example", Starlette(routes=[Route("/country/{x}", text)]))
    )
    app.router.routes.append(
        Host("one.example", Starlette(routes=[Mount("/h/{a}", routes=[Route("/x", text)])]))
    )
    app.router.routes.append(
        Host("two.example", Starlette(routes=[Mount("/h/{b}", routes=[Route("/x", text)])]))
    )
    if ROUTERS_KEEP_MOUNTS:
        carrier = APIRouter()
        carrier.mount("/in/{x}", sub)
        app.include_router(carrier, prefix="/by")


@pytest.fixture
def static(tmp_path: Path) -> Path:
    (tmp_path / "a.js").write_text("1")
    return tmp_path


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture(params=["before the routes", "after the routes"])
def app(request: pytest.FixtureRequest, registry: CollectorRegistry, static: Path) -> FastAPI:
    app = FastAPI()
    if request.param == "before the routes":
        app.add_middleware(RequestMetrics, registry=registry)
    add_routes(app, static)
    if request.param == "after the routes":
        app.add_middleware(RequestMetrics, registry=registry)
    return app


SHAPES = [
    # what, method, path, root_path, route, status
    ("plain", "GET", "/plain/7", "", "/plain/{n}", 200),
    ("convertor", "GET", "/convertor/7/x", "", "/convertor/{n}/x", 200),
    ("422", "GET", "/plain/x", "", "/plain/{n}", 422),
    ("405", "DELETE", "/plain/7", "", "/plain/{n}", 405),
    ("refused by a dependency", "GET", "/guarded/2", "", "/guarded/{n}", 403),
    ("one endpoint, two routes, first", "GET", "/same/1", "", "/same/{n}", 200),
    ("included", "GET", "/api/outer/mid/v1/things/5", "", THING, 200),
    ("included, 422", "GET", "/api/outer/mid/v1/things/abc", "", THING, 422),
    ("included, 405", "DELETE", "/api/outer/mid/v1/things/5", "", THING, 405),
    ("included twice", "GET", "/again/v1/things/5", "", "/again/v1/things/{thing_id}", 200),
    ("included, exception", "GET", "/again/v1/boom", "", "/again/v1/boom", 500),
    ("starlette route", "GET", "/starlette/7", "", "/starlette/{x}", 200),
    ("starlette route, 405", "POST", "/starlette/7", "", "/starlette/{x}", 405),
    ("starlette, included", "GET", "/again/starlette/7", "", "/again/starlette/{x}", 200),
    ("mount", "GET", "/one/leaf/7", "", "/one/leaf/{n}", 200),
    ("mount with a parameter", "GET", "/sub/t9/leaf/7", "", "/sub/{tenant}/leaf/{n}", 200),
    ("mount, 422", "GET", "/sub/t9/leaf/x", "", "/sub/{tenant}/leaf/{n}", 422),
    ("mount, 405", "PUT", "/sub/t9/leaf/7", "", "/sub/{tenant}/leaf/{n}", 405),
    ("mount, included", "GET", "/sub/t9/more/z/5", "", "/sub/{tenant}/more/z/{n}", 200),
    ("mount, docs", "GET", "/sub/t9/docs", "", "/sub/{tenant}/docs", 200),
    (
        "mount in mount",
        *("GET", "/sub/t9/deep/3/inner/x", ""),
        *("/sub/{tenant}/deep/{level}/inner/{y}", 200),
    ),
    ("404 in a mount", "GET", "/sub/t9/scan.php", "", UNMATCHED, 404),
    ("404 in a mount in a mount", "GET", "/sub/t9/deep/3/scan.php", "", UNMATCHED, 404),
    ("files", "GET", "/static/a.js", "", "/static/{path}", 200),
    ("files, 404", "GET", "/static/b.js", "", "/static/{path}", 404),
    ("mount through middleware", "GET", "/wrapped/w/7", "", "/wrapped/w/{x}", 200),
    ("404 in a mount through middleware", "GET", "/wrapped/7", "", UNMATCHED, 404),
    ("docs", "GET", "/docs", "", "/docs", 200),
    ("openapi", "GET", "/openapi.json", "", "/openapi.json", 200),
    ("404", "GET", "/scan.php", "", UNMATCHED, 404),
    ("slash at the end", "GET", "/plain/7/", "", "/plain/{n}", 307),
    ("slash at the end, included", "GET", "/api/outer/mid/v1/things/5/", "", THING, 307),
    ("slash in a mount", "GET", "/sub/t9/leaf/7/", "", "/sub/{tenant}/leaf/{n}", 307),
    ("odd method", "BREW", "/plain/7", "", "/plain/{n}", 405),
    ("proxy", "GET", "/px/plain/7", "/px", "/plain/{n}", 200),
    ("proxy that cuts its prefix", "GET", "/plain/7", "/px", "/plain/{n}", 200),
    ("proxy, included", "GET", "/px/api/outer/mid/v1/things/5", "/px", THING, 200),
    ("proxy, mount", "GET", "/px/sub/t9/leaf/7", "/px", "/sub/{tenant}/leaf/{n}", 200),
    ("proxy, docs", "GET", "/px/docs", "/px", "/docs", 200),
    ("proxy with a prefix of another path", "GET", "/docs", "/do", "/docs", 200),
    ("proxy, 404", "GET", "/px/scan.php", "/px", UNMATCHED, 404),
]


@pytest.mark.parametrize(
    ("method", "path", "root_path", "route", "status"),
    [row[1:] for row in SHAPES],
    ids=[row[0] for row in SHAPES],
)
def test_a_request_counts_for_the_template_it_was_routed_by(
    app: FastAPI,
    registry: CollectorRegistry,
    method: str,
    path: str,
    root_path: str,
    route: str,
    status: int,
) -> None:
    ask(app, method, path, root_path)

    method = "OTHER" if method == "BREW" else method
    assert counted(registry) == {(method, route, str(status)): 1.0}


@pytest.mark.skipif(not ROUTERS_KEEP_MOUNTS, reason="include_router() drops mounts before 0.137")
@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/by/in/t/leaf/7", "/by/in/{x}/leaf/{n}", 200),
        ("/by/in/t/more/z/7", "/by/in/{x}/more/z/{n}", 200),
        ("/by/in/t/deep/3/inner/y", "/by/in/{x}/deep/{level}/inner/{y}", 200),
        ("/by/in/t/scan.php", UNMATCHED, 404),
    ],
)
def test_a_mount_in_an_included_router_keeps_the_prefix_of_the_router(
    app: FastAPI, registry: CollectorRegistry, path: str, route: str, status: int
) -> None:
    ask(app, "GET", path)

    assert counted(registry) == {("GET", route, str(status)): 1.0}


@pytest.mark.parametrize("outer", [FastAPI, Starlette])
def test_a_mount_that_hides_its_routes_is_one_template_but_for_what_the_framework_says(
    registry: CollectorRegistry, outer: Callable[[], Starlette]
) -> None:
    hidden, app = FastAPI(), outer()
    hidden.add_api_route("/h/{n}", must_be_one)
    app.mount("/hidden/{x}", Hidden(hidden))
    app.add_middleware(RequestMetrics, registry=registry)

    for path in ("/hidden/t9/h/1", "/hidden/t9/docs", "/hidden/t9/nothing"):
        ask(app, "GET", path)

    requests = counted(registry)
    assert requests.pop(("GET", "/hidden/{x}/h/{n}", "200")) == 1
    assert requests.pop(("GET", "/hidden/{x}/{path}", "404")) == 1
    ((_, docs, _),) = requests  # FastAPI 0.137 tells the route of `/docs`, others do not
    assert docs in ("/hidden/{x}/docs", "/hidden/{x}/{path}")


@pytest.mark.skipif(not ROUTERS_KEEP_MOUNTS, reason="include_router() drops hosts before 0.137")
def test_a_host_in_an_included_router_does_not_hide_the_routes_behind_it(
    registry: CollectorRegistry,
) -> None:
    app, router, behind = FastAPI(), APIRouter(), FastAPI()
    behind.add_api_route("/a/{n}", must_be_one)
    router.routes.append(Host("one.example", behind))
    app.include_router(router)
    app.add_middleware(RequestMetrics, registry=registry)

    ask(app, "GET", "/a/1", headers=[(b"host", b"one.example")])

    assert counted(registry) == {("GET", "/a/{n}", "200"): 1.0}


def test_a_slash_at_the_end_that_nobody_mends_is_unmatched(registry: CollectorRegistry) -> None:
    app = FastAPI(redirect_slashes=False)
    app.add_api_route("/a/{n}", must_be_one)
    app.add_middleware(RequestMetrics, registry=registry)

    ask(app, "GET", "/a/1/")

    assert counted(registry) == {("GET", UNMATCHED, "404"): 1.0}


def test_what_the_router_did_not_find_is_not_looked_for_again() -> None:
    class Router:
        @property
        def routes(self) -> list[object]:
            raise AssertionError("looked again")

    scope = {**http_scope("GET", "/scan.php"), "router": Router(), "app": Router()}

    assert template(scope, 404) == UNMATCHED


def test_the_files_of_a_frontend_in_a_mount_come_under_the_template_of_the_mount(
    registry: CollectorRegistry, static: Path
) -> None:
    if not hasattr(FastAPI, "frontend"):
        pytest.skip("FastAPI without frontend()")
    app, sub = FastAPI(), FastAPI()
    sub.frontend("/site", directory=static)
    app.mount("/sub/{tenant}", sub)
    app.add_middleware(RequestMetrics, registry=registry)

    ask(app, "GET", "/sub/t9/site/a.js")

    assert counted(registry) == {("GET", "/sub/{tenant}/site/{path}", "200"): 1.0}


class Choosy(Route):
    """A route that declines what its path would allow."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return Match.NONE, {}


def test_in_a_mount_the_endpoint_and_the_method_tell_which_route_it_was(
    registry: CollectorRegistry,
) -> None:
    routes = [
        Choosy("/choosy/{declined}", other_text),
        Route("/choosy/{taken}", text),
        Route("/both/{read}", text, methods=["GET"]),
        Route("/both/{written}", text, methods=["POST"]),
    ]
    app = Starlette(routes=[Mount("/m", routes=routes)])
    app.add_middleware(RequestMetrics, registry=registry)

    ask(app, "GET", "/m/choosy/1")
    ask(app, "POST", "/m/both/1")

    assert counted(registry) == {
        ("GET", "/m/choosy/{taken}", "200"): 1.0,
        ("POST", "/m/both/{written}", "200"): 1.0,
    }


def test_a_preflight_is_routed_as_the_router_would_without_coming_back_from_a_mount(
    registry: CollectorRegistry,
) -> None:
    app = Starlette(
        routes=[
            Mount("/m", routes=[Route("/a", text)]),
            Route("/m/late", text),
            Host("one.example", Starlette(routes=[Route("/a", text)])),
            Route("/late", text),
        ]
    )
    app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"])
    app.add_middleware(RequestMetrics, registry=registry)
    preflight = [(b"origin", b"https://a.example"), (b"access-control-request-method", b"GET")]

    for host, path in [(b"x", b"/m/late"), (b"one.example", b"/late"), (b"x", b"/late")]:
        ask(app, "OPTIONS", path.decode(), headers=[*preflight, (b"host", host)])

    assert counted(registry) == {
        ("OPTIONS", UNMATCHED, "200"): 2.0,
        ("OPTIONS", "/late", "200"): 1.0,
    }


@pytest.mark.parametrize(
    ("host", "path", "route"),
    [
        (b"de.shop.example:8080", "/country/7", "/country/{x}"),
        (b"one.example", "/h/1/x", "/h/{a}/x"),
        (b"two.example:8080", "/h/1/x", "/h/{b}/x"),
    ],
)
def test_routes_behind_a_host_are_those_of_that_host(
    app: FastAPI, registry: CollectorRegistry, host: bytes, path: str, route: str
) -> None:
    ask(app, "GET", path, headers=[(b"host", host)])

    assert counted(registry) == {("GET", route, "200"): 1.0}


@pytest.mark.skipif(not hasattr(FastAPI, "frontend"), reason="FastAPI without frontend()")
@pytest.mark.parametrize(
    ("at", "path", "route"),
    [
        ("/", "/a.js", "/{path}"),
        ("/site", "/site/a.js", "/site/{path}"),
        ("/site", "/site/b.js", "/site/{path}"),
        ("/site", "/elsewhere", UNMATCHED),
    ],
)
def test_the_files_of_a_frontend_are_one_template(
    registry: CollectorRegistry, static: Path, at: str, path: str, route: str
) -> None:
    app = FastAPI()
    app.frontend(at, directory=static)
    app.add_middleware(RequestMetrics, registry=registry)

    ask(app, "GET", path)

    assert [label[1] for label in counted(registry)] == [route]


def test_a_preflight_that_an_inner_middleware_answers_counts_for_the_route_it_asks_about(
    registry: CollectorRegistry, static: Path
) -> None:
    app = FastAPI()
    add_routes(app, static)
    app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"])
    app.add_middleware(RequestMetrics, registry=registry)
    headers = [(b"origin", b"https://a.example"), (b"access-control-request-method", b"GET")]

    for path in ("/api/outer/mid/v1/things/5", "/sub/t9/leaf/7", "/static/a.js", "/live/1"):
        ask(app, "OPTIONS", path, headers=headers)

    assert counted(registry) == {
        ("OPTIONS", THING, "200"): 1.0,
        ("OPTIONS", "/sub/{tenant}/leaf/{n}", "200"): 1.0,
        ("OPTIONS", "/static/{path}", "200"): 1.0,
        ("OPTIONS", UNMATCHED, "200"): 1.0,
    }
    failed = registry.get_sample_value(
        "plimsoll_client_series_dropped_total", {"reason": "route_failed"}
    )
    assert failed == 0


def test_a_middleware_around_the_application_sees_the_same_routes(
    registry: CollectorRegistry, static: Path
) -> None:
    app = FastAPI()
    add_routes(app, static)

    ask(RequestMetrics(app, registry), "GET", "/sub/t9/leaf/7")
    ask(RequestMetrics(app, registry), "GET", "/api/outer/mid/v1/things/5")

    assert counted(registry) == {
        ("GET", "/sub/{tenant}/leaf/{n}", "200"): 1.0,
        ("GET", THING, "200"): 1.0,
    }


def test_a_middleware_inside_a_mount_names_the_whole_template(registry: CollectorRegistry) -> None:
    app, sub = FastAPI(), FastAPI()
    sub.add_api_route("/leaf/{n}", must_be_one)
    sub.add_middleware(RequestMetrics, registry=registry)
    app.mount("/sub/{tenant}", sub)

    ask(app, "GET", "/sub/t9/leaf/1")

    assert counted(registry) == {("GET", "/sub/{tenant}/leaf/{n}", "200"): 1.0}


def test_plain_starlette_is_understood(registry: CollectorRegistry) -> None:
    app = Starlette(
        routes=[
            Route("/a/{x}", text),
            Route("/b/{x}", text),
            Route("/both", text, methods=["GET"]),
            Route("/both", other_text, methods=["POST"]),
            Mount("/m/{y}", routes=[Route("/a/{x}", text)]),
        ],
        middleware=[Middleware(RequestMetrics, registry=registry)],
    )

    for method, path in [
        *(("GET", "/a/1"), ("GET", "/b/1"), ("POST", "/both"), ("DELETE", "/both")),
        *(("GET", "/m/1/a/2"), ("GET", "/m/1/c"), ("GET", "/c")),
    ]:
        ask(app, method, path)

    assert counted(registry) == {
        ("GET", "/a/{x}", "200"): 1.0,
        ("GET", "/b/{x}", "200"): 1.0,
        ("POST", "/both", "200"): 1.0,
        ("DELETE", "/both", "405"): 1.0,
        ("GET", "/m/{y}/a/{x}", "200"): 1.0,
        ("GET", UNMATCHED, "404"): 2.0,
    }


def test_a_mount_at_the_root_adds_nothing_to_the_template(registry: CollectorRegistry) -> None:
    app = FastAPI()
    app.add_api_route("/above", lambda: 1)
    app.mount("/", Starlette(routes=[Route("/below/{x}", text)]))
    app.add_middleware(RequestMetrics, registry=registry)

    for path in ("/above", "/below/1", "/c"):
        ask(app, "GET", path)

    assert counted(registry) == {
        ("GET", "/above", "200"): 1.0,
        ("GET", "/below/{x}", "200"): 1.0,
        ("GET", UNMATCHED, "404"): 1.0,
    }


def test_a_route_registered_later_is_found(app: FastAPI, registry: CollectorRegistry) -> None:
    ask(app, "GET", "/sub/t9/late/1")
    app.mount("/late/{x}", Starlette(routes=[Route("/y", text)]))
    ask(app, "GET", "/late/1/y")

    assert counted(registry) == {
        ("GET", UNMATCHED, "404"): 1.0,
        ("GET", "/late/{x}/y", "200"): 1.0,
    }


def test_websockets_pass_through_unmeasured(app: FastAPI, registry: CollectorRegistry) -> None:
    sent: list[Message] = []
    scope = {**http_scope("GET", "/live/1"), "type": "websocket", "subprotocols": []}

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert counted(registry) == {}


def test_routes_that_cannot_be_read_do_not_break_the_application(
    registry: CollectorRegistry,
) -> None:
    class Broken:
        @property
        def routes(self) -> list[object]:
            raise RuntimeError("not today")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["router"] = Broken()
        scope["endpoint"] = app
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    answer = asyncio.run(called(RequestMetrics(app, registry), http_scope("GET", "/x")))

    assert answer.status == 200
    assert answer.error is None
    assert counted(registry) == {("GET", UNMATCHED, "200"): 1.0}
    assert (
        registry.get_sample_value(
            "plimsoll_client_series_dropped_total", {"reason": "route_failed"}
        )
        == 1.0
    )
