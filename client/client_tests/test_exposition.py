"""The metrics page."""

import asyncio
import gzip

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from client_tests.asking import Answer, ask, called, http_scope
from plimsoll_client.exposition import accepts_gzip, metrics_app
from plimsoll_client.middleware import RequestMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("sold_total", "Things sold.", ["shop"], registry=registry).labels('a "b"\n').inc(3)
    return registry


@pytest.fixture(params=["route", "mount"])
def app(request: pytest.FixtureRequest, registry: CollectorRegistry) -> FastAPI:
    app = FastAPI()
    if request.param == "route":
        app.add_route("/metrics", metrics_app(registry))
    else:
        app.mount("/metrics", metrics_app(registry))
    app.state.path = "/metrics" if request.param == "route" else "/metrics/"
    return app


def scrape(app: FastAPI, method: str = "GET", accept_encoding: bytes = b"") -> Answer:
    headers = [(b"accept-encoding", accept_encoding)] if accept_encoding else []
    return ask(app, method, app.state.path, headers=headers)


def test_the_page_is_prometheus_text_of_the_registry(app: FastAPI) -> None:
    answer = scrape(app)

    assert answer.status == 200
    assert answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.header("content-encoding") is None
    assert answer.header("content-length") == str(len(answer.body))
    samples = {
        (sample.name, sample.labels["shop"]): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }
    assert samples["sold_total", 'a "b"\n'] == 3


def test_the_page_is_compressed_when_asked(app: FastAPI) -> None:
    answer = scrape(app, accept_encoding=b"deflate, gzip;q=0.5")

    assert answer.header("content-encoding") == "gzip"
    assert answer.header("vary") == "Accept-Encoding"
    assert answer.header("content-length") == str(len(answer.body))
    assert gzip.decompress(answer.body) == scrape(app).body


def test_head_gives_the_headers_alone(app: FastAPI) -> None:
    answer = scrape(app, "HEAD")

    assert answer.header("content-length") == scrape(app).header("content-length")
    assert answer.body == b""


def test_the_page_cannot_be_written_to(app: FastAPI) -> None:
    answer = scrape(app, "POST")

    assert answer.status == 405
    assert answer.header("allow") == "GET, HEAD"


def test_the_page_speaks_http_alone(registry: CollectorRegistry) -> None:
    scope = {**http_scope("GET", "/metrics"), "type": "websocket"}

    answer = asyncio.run(called(metrics_app(registry), scope))

    assert isinstance(answer.error, RuntimeError)
    assert answer.messages == []


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("*", True),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("identity", False),
        ("gzip;q=nonsense", False),
        ("xgzip", False),
    ],
)
def test_gzip_is_used_only_when_accepted(accept_encoding: str, accepted: bool) -> None:
    assert accepts_gzip(accept_encoding) == accepted


def test_a_page_shows_the_requests_measured_so_far() -> None:
    registry, app = CollectorRegistry(), FastAPI()
    app.add_api_route("/things/{n}", lambda n: n)
    app.add_route("/metrics", metrics_app(registry))
    app.add_middleware(RequestMetrics, registry=registry)

    ask(app, "GET", "/things/1")
    body = ask(app, "GET", "/metrics").body.decode()

    assert 'http_server_requests_total{method="GET",route="/things/{n}",status="200"} 1.0\n' in body
    assert 'http_server_active_requests{method="GET"} 1.0\n' in body
    assert "# TYPE http_server_request_duration_seconds histogram\n" in body
