"""One application that registers routes in every way."""

from pathlib import Path
from typing import Any

import fastapi.routing
from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route
from starlette.staticfiles import StaticFiles

from plimsoll_client.asgi import Receive, Scope, Send

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
