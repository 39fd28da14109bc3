"""The application: REST, pages, metrics and health of one house."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from api import contract, errors
from api.access.gate import Access, Gate
from api.changes import Changes
from api.feed import Feed
from api.guard import Guard, allowed_hosts
from api.house import House
from api.metrics import HouseMetrics
from api.moments import milliseconds
from api.pages import alerts as alerts_pages
from api.pages import (
    caches,
    incidents,
    overview,
    queries,
    regressions,
    resources,
    runbooks,
    series,
    signals,
    signin,
    sso,
    troubles,
    whynot,
)
from api.pages import configuration as configuration_pages
from api.pages import deployments as deployment_pages
from api.pages import itself as itself_pages
from api.pages import replay as replay_pages
from api.pages import routing as routing_pages
from api.pages import silences as silences_pages
from api.pages import vitals as vitals_pages
from api.repeating import Repeating
from api.resources import Resources
from api.routes import access as access_routes
from api.routes import (
    backup,
    beacon,
    configuration,
    databases,
    deployment_changes,
    deployments,
    document,
    events,
    explain,
    exports,
    figures,
    health,
    itself,
    judgements,
    notifications,
    recommendations,
    replay,
    rules,
    silences,
    slack,
    source,
    stream,
    summary,
    targets,
    vital_trends,
    vitals,
)
from api.routes import incidents as incidents_routes
from api.routes import queries as queries_routes
from api.routes import regressions as regressions_routes
from api.routes import routing as routing_routes
from api.routes import signals as signals_routes
from api.sharing import Sharing
from api.tagging import Tagging
from api.timing import Timing
from collector.rum.asgi import PATHS, Endpoint
from collector.rum.meters import RumHistograms, RumMetrics
from plimsoll_client.exposition import metrics_app
from plimsoll_client.middleware import RequestMetrics

WORTH_PACKING_BYTES = 1024
FILES = Path(__file__).parent / "static"

ROUTERS = (
    exports.routes,  # before `/regressions/{regression_id}`, which it would be taken for
    regressions_routes.routes,
    incidents_routes.routes,
    summary.routes,
    events.routes,
    stream.routes,
    signals_routes.routes,
    explain.routes,
    replay.routes,
    configuration.routes,
    itself.routes,
    deployments.routes,
    deployment_changes.routes,
    judgements.routes,
    notifications.routes,
    silences.routes,
    routing_routes.routes,
    rules.routes,
    queries_routes.routes,
    databases.routes,
    recommendations.routes,
    targets.routes,
    figures.routes,
    vitals.routes,
    vital_trends.routes,
    source.routes,
    backup.routes,
    slack.routes,
    beacon.routes,
    document.routes,
    health.routes,
    overview.routes,
    regressions.routes,
    incidents.routes,
    troubles.routes,
    signals.routes,
    series.routes,
    queries.routes,
    vitals_pages.routes,
    deployment_pages.routes,
    caches.routes,
    resources.routes,
    whynot.routes,
    alerts_pages.routes,
    silences_pages.routes,
    routing_pages.routes,
    replay_pages.routes,
    configuration_pages.routes,
    itself_pages.routes,
    runbooks.routes,
    signin.routes,
    sso.routes,
    access_routes.routes,
)


class Measured(RequestMetrics):
    """Times requests, but not streams: how long somebody listens is no latency."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, and record it."""
        passing = scope["type"] == "http" and scope["path"] == stream.PATH
        await (self.app if passing else super().__call__)(scope, receive, send)


class Application(FastAPI):
    """FastAPI, and a way past it for beacons: their guards are others, and they are many."""

    beacons: Endpoint

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = contract.completed(super().openapi())
        return self.openapi_schema

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] in PATHS:
            await self.beacons(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(house: House) -> Application:
    """The application of a house; made once, because its metrics join the house's registry."""
    app = Application(
        title="Plimsoll",
        version=version("plimsoll"),
        description="What got slower, since when, by how much and after which deployment.",
        # What it says of tokens changes with the first one: `routes.document` answers it.
        openapi_url=None,
        # Both load their scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.house = house
    app.state.started = house.now()
    app.state.access = access = Access.of(
        house.state,
        lambda: milliseconds(house.now()),
        house.registry,
        house.settings.server.requests_per_second,
        sso=house.settings.server.oidc is not None,
    )
    app.state.sso = sso.sso(house, house.registry)
    app.state.replays = replay.Replays(house.registry)
    app.state.checks = configuration.Checks(house.registry)
    app.state.exports = exports.Exports(house.registry)
    app.state.changes = Changes()
    app.state.feed = Feed(house.state, house.book, house.registry)
    errors.register(app)
    # As they are: `include_router` would make each of them anew, with the first request.
    app.router.routes.extend(one for router in ROUTERS for one in router.routes)
    house.registry.register(HouseMetrics(house))
    house.registry.register(RumMetrics(house.rum))
    app.beacons = Endpoint(house.rum, lambda: milliseconds(house.now()))
    vitals = CollectorRegistry()
    vitals.register(RumHistograms(house.rum))
    app.add_route("/metrics/rum", metrics_app(vitals), methods=["GET", "HEAD"])
    app.add_route("/metrics", metrics_app(house.registry), methods=["GET", "HEAD"])
    app.mount("/static", StaticFiles(directory=FILES), name="static")
    within = [one for router in ROUTERS for one in router.routes]
    app.state.resources = Resources([*within, *app.routes])
    app.add_middleware(Tagging)
    app.add_middleware(Repeating, state=house.state, clock=access.clock, registry=house.registry)
    app.add_middleware(GZipMiddleware, minimum_size=WORTH_PACKING_BYTES, compresslevel=5)
    app.add_middleware(Sharing, registry=house.registry)  # behind the gate: it knows who asks
    app.add_middleware(Gate, access=access)
    hosts = allowed_hosts(house.settings.server.host, house.settings.alerts.public_url)
    app.add_middleware(Guard, hosts=hosts, resources=app.state.resources)
    app.add_middleware(Timing)
    # Added last, so outermost: what the guard refuses is measured too.
    app.add_middleware(Measured, registry=house.registry)
    return app
