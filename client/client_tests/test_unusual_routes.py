"""The route label where a route is hidden, hosted, wrapped or answered by somebody else."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Host, Match, Mount, Route

from client_tests.asking import ask, called, counted, http_scope
from client_tests.shapes import (
    ROUTERS_KEEP_MOUNTS,
    THING,
    UNMATCHED,
    Hidden,
    add_routes,
    must_be_one,
    other_text,
    text,
)
from plimsoll_client.asgi import Message, Receive, Scope, Send
from plimsoll_client.middleware import RequestMetrics
from plimsoll_client.routes import template


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
    app, sub = FastAPI(redirect_slashes=False), FastAPI(redirect_slashes=False)
    for either in (app, sub):
        either.add_api_route("/a/{n}", must_be_one)
    app.mount("/sub", sub)
    app.add_middleware(RequestMetrics, registry=registry)

    ask(app, "GET", "/a/1/")
    ask(app, "GET", "/sub/a/1/")

    assert counted(registry) == {("GET", UNMATCHED, "404"): 2.0}


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
