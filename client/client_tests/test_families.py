"""The limits on labels, and families that several middlewares share."""

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.routing import Route

from client_tests.asking import ask, counted, plain, statuses, value
from plimsoll_client.asgi import Receive, Scope, Send
from plimsoll_client.families import FEWER_BUCKETS, OTHER_TIER, Tiers
from plimsoll_client.middleware import RequestMetrics
from plimsoll_client.registries import OVERFLOW
from plimsoll_client.routes import UNMATCHED

DURATION = "http_server_request_duration_seconds"
DROPPED = "plimsoll_client_series_dropped_total"


class TestLimits:
    def many(self, registry: CollectorRegistry, routes: int, max_routes: int) -> None:
        app = FastAPI()
        for number in range(routes):
            app.router.routes.append(Route(f"/r{number}", plain()))
        app.add_middleware(RequestMetrics, registry=registry, max_routes=max_routes)
        for number in range(routes):
            ask(app, "GET", f"/r{number}")
        ask(app, "GET", "/r0")
        ask(app, "GET", f"/r{routes - 1}")
        ask(app, "GET", "/nothing")

    def test_routes_beyond_the_limit_share_a_label_and_are_counted(
        self, registry: CollectorRegistry
    ) -> None:
        self.many(registry, routes=5, max_routes=3)

        assert counted(registry) == {
            ("GET", "/r0", "200"): 2,
            ("GET", "/r1", "200"): 1,
            ("GET", "/r2", "200"): 1,
            ("GET", OVERFLOW, "200"): 3,
            ("GET", UNMATCHED, "404"): 1,
        }
        assert value(registry, DROPPED, reason="too_many_routes") == 3

    def test_routes_within_the_limit_keep_their_labels(self, registry: CollectorRegistry) -> None:
        self.many(registry, routes=5, max_routes=5)

        assert OVERFLOW not in {route for _, route, _ in counted(registry)}
        assert value(registry, DROPPED, reason="too_many_routes") == 0

    def test_the_limit_holds_over_methods_too(self, registry: CollectorRegistry) -> None:
        app = FastAPI()
        app.router.routes.append(Route("/r", plain()))
        app.add_middleware(RequestMetrics, registry=registry, max_routes=2)

        for method in ("GET", "PUT", "POST", "GET"):
            ask(app, method, "/r")

        assert counted(registry) == {
            ("GET", "/r", "200"): 2,
            ("PUT", "/r", "200"): 1,
            ("POST", OVERFLOW, "200"): 1,
        }

    def test_paths_that_scanners_invent_make_one_series(self, registry: CollectorRegistry) -> None:
        app = FastAPI()
        app.add_middleware(RequestMetrics, registry=registry, max_routes=1)

        for number in range(50):
            ask(app, "GET", f"/scan{number}.php")

        assert counted(registry) == {("GET", UNMATCHED, "404"): 50}


class TestTiers:
    def tiers(self) -> Tiers:
        return Tiers(frozenset({"shared", "dedicated"}), lambda scope: scope["state"]["tier"])

    def app(self, registry: CollectorRegistry, tier: object) -> RequestMetrics:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if tier is not None:
                scope["state"]["tier"] = tier
            await plain()(scope, receive, send)

        return RequestMetrics(app, registry, tiers=self.tiers())

    @pytest.mark.parametrize(
        ("given", "label", "reason"),
        [
            ("shared", "shared", None),
            ("dedicated", "dedicated", None),
            ("", "", None),
            ("customer 4711", OTHER_TIER, "unknown_tier"),
            (4711, OTHER_TIER, "unknown_tier"),
            (["shared"], OTHER_TIER, "tier_failed"),
            (None, OTHER_TIER, "tier_failed"),
        ],
    )
    def test_a_tier_is_one_of_the_named_ones(
        self, registry: CollectorRegistry, given: object, label: str, reason: str | None
    ) -> None:
        answer = ask(self.app(registry, given), "GET", "/")

        assert answer.error is None
        labels = {"method": "GET", "route": UNMATCHED, "tier": label}
        assert value(registry, "http_server_requests_total", **labels, status="200") == 1
        assert value(registry, f"{DURATION}_count", **labels, status_class="2xx") == 1
        for known in ("unknown_tier", "tier_failed"):
            assert value(registry, DROPPED, reason=known) == (1 if known == reason else 0)


class TestOneRegistryManyMiddlewares:
    def test_an_application_can_be_built_twice(self, registry: CollectorRegistry) -> None:
        for _ in range(2):
            ask(RequestMetrics(plain(), registry), "GET", "/")

        assert statuses(registry) == {"200": 2}

    def test_a_request_through_two_of_them_counts_once(self, registry: CollectorRegistry) -> None:
        ask(RequestMetrics(RequestMetrics(plain(), registry), registry), "GET", "/")

        assert statuses(registry) == {"200": 1}

    def test_two_registries_count_each_for_itself(self, registry: CollectorRegistry) -> None:
        other = CollectorRegistry()

        answer = ask(RequestMetrics(RequestMetrics(plain(), other), registry), "GET", "/")

        assert statuses(registry) == statuses(other) == {"200": 1}
        assert answer.header("x-process-time") is not None

    def test_different_buckets_in_one_registry_are_refused_with_a_way_out(
        self, registry: CollectorRegistry
    ) -> None:
        RequestMetrics(plain(), registry)

        with pytest.raises(ValueError, match="a CollectorRegistry each"):
            RequestMetrics(plain(), registry, buckets=FEWER_BUCKETS)
