"""The metric families of requests, and the limit on their labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from plimsoll_client.asgi import Scope
from plimsoll_client.registries import OVERFLOW, Refused, refusals_of
from plimsoll_client.routes import UNMATCHED

# Edges exactly at the usual objectives (0.05 and 0.1 s) and dense around them: with the library's
# default edges a 95th percentile is off by up to 36 %.
BUCKETS = (
    0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.075, 0.09, 0.1,
    0.125, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
FEWER_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "OTHER"
OTHER_TIER = "__other__"
ODD_STATUS = "other"


@dataclass(frozen=True)
class Tiers:
    """The tiers that requests are told apart by: their names, and how to tell one.

    `of` is asked after the application has answered, so what an authentication middleware left in
    the scope is there. The empty string stands for "no tier".
    """

    names: frozenset[str]
    of: Callable[[Scope], str]


class Series(NamedTuple):
    """What one request adds to, for one set of labels."""

    observe_seconds: Callable[[float], None]
    count_one: Callable[[], None]
    add_body_bytes: Callable[[float], None]


class RequestFamilies:
    """The five families of one registry; every label is bounded.

    A request costs one dictionary lookup: the children of a label set are resolved once and kept.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        tier_names: frozenset[str] | None,
        buckets: Sequence[float],
        max_routes: int,
    ) -> None:
        self.tier_names = tier_names
        self.buckets = tuple(buckets)
        self.max_routes = max_routes
        tier = [] if tier_names is None else ["tier"]
        self._duration = Histogram(
            "http_server_request_duration_seconds",
            "Time from the start of a request to the last byte of its response.",
            ["method", "route", "status_class", *tier],
            buckets=self.buckets,
            registry=registry,
        )
        self._requests = Counter(
            "http_server_requests_total",
            "Requests answered; 499 when the client went away first.",
            ["method", "route", "status", *tier],
            registry=registry,
        )
        active = Gauge(
            "http_server_active_requests",
            "Requests in progress.",
            ["method"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._body_bytes = Counter(
            "http_server_response_body_bytes_total",
            "Bytes of response bodies handed to the server.",
            ["method", "route"],
            registry=registry,
        )
        self._page_hits = Counter(
            "http_server_page_hits_total",
            "Pages of HTML that were asked for to be shown, and answered with 2xx.",
            ["route"],
            registry=registry,
        )
        self._refusals = refusals_of(registry)
        self.active = {method: active.labels(method) for method in (*METHODS, OTHER_METHOD)}
        for gauge in self.active.values():
            # With several workers, the file of a process that died with requests in progress is
            # taken over by the next one with its number.
            gauge.set(0)
        self._series: dict[tuple[str, str, int, str], Series] = {}
        self._known: set[tuple[str, str]] = set()
        self._lock = Lock()

    def series(self, method: str, route: str, status: int, tier: str) -> Series:
        """The series of a request; of the shared route once there are too many."""
        key = (method, route, status, tier)
        series = self._series.get(key)
        if series is not None:
            return series
        with self._lock:
            admitted = self._admitted(method, route)
            key = (method, admitted, status, tier)
            series = self._series.get(key)
            if series is None:
                series = self._resolved(*key)
                if self._is_plain(status):
                    self._series[key] = series
        return series

    def count_page(self, route: str) -> None:
        """Count a page that a browser was shown; its route is one that `series` knows or shares."""
        known = ("GET", route) in self._known or route == UNMATCHED
        self._page_hits.labels(route if known else OVERFLOW).inc()

    def refused(self, reason: Refused) -> None:
        """Count a request whose own label was not taken."""
        self._refusals.count(reason)

    def tier(self, of: Callable[[Scope], str], scope: Scope) -> str:
        """The tier of a request; a shared one when the application gives an unknown or fails."""
        try:
            tier = of(scope)
            known = tier == "" or (self.tier_names is not None and tier in self.tier_names)
        except Exception:
            self.refused(Refused.TIER_FAILED)
            return OTHER_TIER
        if known:
            return tier
        self.refused(Refused.UNKNOWN_TIER)
        return OTHER_TIER

    def _admitted(self, method: str, route: str) -> str:
        if route == UNMATCHED or (method, route) in self._known:
            return route
        if len(self._known) >= self.max_routes:
            self.refused(Refused.TOO_MANY_ROUTES)
            return OVERFLOW
        self._known.add((method, route))
        return route

    def _resolved(self, method: str, route: str, status: int, tier: str) -> Series:
        if self._is_plain(status):
            code, status_class = str(int(status)), f"{status // 100}xx"
        else:
            self.refused(Refused.ODD_STATUS)
            code = status_class = ODD_STATUS
        tiers = () if self.tier_names is None else (tier,)
        return Series(
            self._duration.labels(method, route, status_class, *tiers).observe,
            self._requests.labels(method, route, code, *tiers).inc,
            self._body_bytes.labels(method, route).inc,
        )

    @staticmethod
    def _is_plain(status: int) -> bool:
        return 100 <= status <= 599


# One registry refuses two families of one name. Applications are built twice in one process (tests,
# sub-applications), so the families belong to the registry, not to the middleware.
_of_registry: WeakKeyDictionary[CollectorRegistry, RequestFamilies] = WeakKeyDictionary()
_building = Lock()


def families_of(
    registry: CollectorRegistry,
    tier_names: frozenset[str] | None,
    buckets: Sequence[float],
    max_routes: int,
) -> RequestFamilies:
    """The families of a registry, made at the first call; later calls must ask for the same."""
    with _building:
        families = _of_registry.get(registry)
        if families is None:
            families = RequestFamilies(registry, tier_names, buckets, max_routes)
            _of_registry[registry] = families
            return families
    asked = (tier_names, tuple(buckets), max_routes)
    if asked != (families.tier_names, families.buckets, families.max_routes):
        raise ValueError(
            "requests are already measured in this registry with other tiers, buckets or"
            " max_routes; give both middlewares the same ones, or a CollectorRegistry each"
        )
    return families
