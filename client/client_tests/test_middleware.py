"""What one request adds to the metrics, and what the middleware never does."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from prometheus_client import CollectorRegistry, generate_latest
from starlette.responses import Response

from client_tests.asking import ask, called, counted, http_scope, plain, statuses, value
from plimsoll_client.asgi import App, Message, Receive, Scope, Send
from plimsoll_client.families import BUCKETS, FEWER_BUCKETS, Tiers
from plimsoll_client.middleware import RequestMetrics
from plimsoll_client.routes import UNMATCHED

DURATION = "http_server_request_duration_seconds"
BODY_BYTES = "http_server_response_body_bytes_total"
DROPPED = "plimsoll_client_series_dropped_total"


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def clocked(app: App, registry: CollectorRegistry, clock: Clock) -> RequestMetrics:
    middleware = RequestMetrics(app, registry)
    middleware.clock = clock
    return middleware


class TestWhatIsCounted:
    def test_one_request_is_one_everywhere(self, registry: CollectorRegistry) -> None:
        app = FastAPI()
        app.add_api_route("/things/{n}", lambda n: Response("12345"))
        app.add_middleware(RequestMetrics, registry=registry)

        ask(app, "GET", "/things/1")

        labels = {"method": "GET", "route": "/things/{n}"}
        assert value(registry, "http_server_requests_total", **labels, status="200") == 1
        assert value(registry, f"{DURATION}_count", **labels, status_class="2xx") == 1
        assert value(registry, BODY_BYTES, **labels) == 5
        assert value(registry, "http_server_active_requests", method="GET") == 0

    @pytest.mark.parametrize(
        ("path", "method", "headers", "pages"),
        [
            ("/page", "GET", (), 1),
            ("/page", "GET", ((b"sec-fetch-dest", b"document"),), 1),
            ("/page", "GET", ((b"sec-fetch-dest", b"empty"),), None),
            ("/page", "GET", ((b"sec-purpose", b"prefetch;prerender"),), None),
            ("/page", "HEAD", (), None),
            ("/data", "GET", (), None),
            ("/none", "GET", (), None),
            ("/gone", "GET", (), None),
        ],
    )
    def test_a_page_is_html_that_a_browser_is_shown(
        self,
        registry: CollectorRegistry,
        path: str,
        method: str,
        headers: tuple[tuple[bytes, bytes], ...],
        pages: int | None,
    ) -> None:
        app = FastAPI()
        html, gone = (
            Response("<p>", media_type="text/html"),
            Response("", 404, media_type="text/html"),
        )
        app.add_api_route("/page", lambda: html, methods=["GET", "HEAD"])
        app.add_api_route("/data", lambda: Response("{}", media_type="application/json"))
        app.add_api_route("/none", lambda: Response(status_code=204))
        app.add_api_route("/gone", lambda: gone)
        app.add_middleware(RequestMetrics, registry=registry)

        ask(app, method, path, headers=((b"host", b"shop.example"), *headers))

        assert value(registry, "http_server_page_hits_total", route=path) == pages

    def test_pages_of_too_many_routes_share_one(self, registry: CollectorRegistry) -> None:
        app = FastAPI()
        for path in ("/a", "/b"):
            app.add_api_route(path, lambda: Response("<p>", media_type="text/html"))
        app.add_middleware(RequestMetrics, registry=registry, max_routes=1)

        ask(app, "GET", "/a")
        ask(app, "GET", "/b")

        assert value(registry, "http_server_page_hits_total", route="/a") == 1
        assert value(registry, "http_server_page_hits_total", route="__overflow__") == 1

    def test_the_label_tier_is_absent_without_tiers(self, registry: CollectorRegistry) -> None:
        ask(RequestMetrics(plain(), registry), "GET", "/")

        assert b"tier=" not in generate_latest(registry)

    def test_the_buckets_are_the_documented_ones(self, registry: CollectorRegistry) -> None:
        ask(RequestMetrics(plain(), registry), "GET", "/")

        edges = [
            float(sample.labels["le"])
            for family in registry.collect()
            for sample in family.samples
            if sample.name == f"{DURATION}_bucket"
        ]
        assert edges == [*BUCKETS, float("inf")]
        assert len(BUCKETS) == 22
        assert {0.05, 0.1} <= set(BUCKETS)
        assert {0.05, 0.1} <= set(FEWER_BUCKETS)
        assert len(FEWER_BUCKETS) == 12

    @pytest.mark.parametrize(
        ("seconds", "edge", "below"),
        [
            (0.005, "0.005", None),
            (0.0051, "0.01", "0.005"),
            (0.1, "0.1", "0.09"),
            (11, "+Inf", "10.0"),
        ],
    )
    def test_a_duration_lands_in_the_bucket_that_holds_it(
        self, registry: CollectorRegistry, seconds: float, edge: str, below: str | None
    ) -> None:
        clock = Clock()
        clock.seconds = 0.0

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            clock.seconds = seconds
            await plain()(scope, receive, send)

        ask(clocked(app, registry, clock), "GET", "/")

        labels = {"method": "GET", "route": UNMATCHED, "status_class": "2xx"}
        assert value(registry, f"{DURATION}_bucket", **labels, le=edge) == 1
        if below is not None:
            assert value(registry, f"{DURATION}_bucket", **labels, le=below) == 0
        assert value(registry, f"{DURATION}_sum", **labels) == pytest.approx(seconds)

    def test_the_header_says_when_the_response_began_and_the_histogram_when_it_ended(
        self, registry: CollectorRegistry
    ) -> None:
        clock = Clock()

        async def parts() -> AsyncIterator[bytes]:
            clock.seconds += 2
            yield b"abc"
            clock.seconds += 3
            yield b"de"

        app = FastAPI()

        @app.get("/stream")
        async def stream() -> StreamingResponse:
            clock.seconds += 0.25
            return StreamingResponse(parts())

        answer = ask(clocked(app, registry, clock), "GET", "/stream")

        assert answer.body == b"abcde"
        assert answer.header("x-process-time") == "0.250000"
        assert answer.header("server-timing") == "app;dur=250.00"
        labels = {"method": "GET", "route": "/stream"}
        assert value(registry, f"{DURATION}_sum", **labels, status_class="2xx") == 5.25
        assert value(registry, BODY_BYTES, **labels) == 5

    def test_a_background_task_is_not_part_of_the_response(
        self, registry: CollectorRegistry
    ) -> None:
        clock = Clock()
        app = FastAPI()

        def later() -> None:
            clock.seconds += 60

        @app.get("/later")
        async def start(tasks: BackgroundTasks) -> int:
            tasks.add_task(later)
            clock.seconds += 1
            return 1

        ask(clocked(app, registry, clock), "GET", "/later")

        labels = {"method": "GET", "route": "/later", "status_class": "2xx"}
        assert value(registry, f"{DURATION}_sum", **labels) == 1

    def test_a_head_request_has_no_body(self, registry: CollectorRegistry) -> None:
        ask(RequestMetrics(plain(200, b"never sent"), registry), "HEAD", "/")

        assert value(registry, BODY_BYTES, method="HEAD", route=UNMATCHED) == 0

    def test_requests_in_progress_are_seen_while_they_run(
        self, registry: CollectorRegistry
    ) -> None:
        seen = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(value(registry, "http_server_active_requests", method="POST"))
            await plain()(scope, receive, send)

        ask(RequestMetrics(app, registry), "POST", "/")

        assert seen == [1]

    def test_a_method_that_nobody_knows_is_other(self, registry: CollectorRegistry) -> None:
        ask(RequestMetrics(plain(), registry), "BREW", "/")

        assert counted(registry) == {("OTHER", UNMATCHED, "200"): 1}

    @pytest.mark.parametrize("status", [0, 99, 600, 999])
    def test_a_status_that_http_does_not_have_is_other(
        self, registry: CollectorRegistry, status: int
    ) -> None:
        app = RequestMetrics(plain(status), registry)

        ask(app, "GET", "/")
        ask(app, "GET", "/")

        assert statuses(registry) == {"other": 2}
        assert value(registry, DROPPED, reason="odd_status") == 2


class TestHowARequestEnds:
    def test_an_exception_is_a_500_and_reaches_the_server(
        self, registry: CollectorRegistry
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            raise RuntimeError("boom")

        answer = ask(RequestMetrics(app, registry), "GET", "/")

        assert str(answer.error) == "boom"
        assert statuses(registry) == {"500": 1}
        assert value(registry, "http_server_active_requests", method="GET") == 0

    def test_an_exception_in_the_middle_of_a_response_is_a_500_too(
        self, registry: CollectorRegistry
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            raise RuntimeError("boom")

        ask(RequestMetrics(app, registry), "GET", "/")

        assert statuses(registry) == {"500": 1}

    def test_an_exception_after_the_end_of_the_response_changes_nothing(
        self, registry: CollectorRegistry
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await plain(202)(scope, receive, send)
            raise RuntimeError("boom")

        answer = ask(RequestMetrics(app, registry), "GET", "/")

        assert answer.error is not None
        assert statuses(registry) == {"202": 1}

    def test_an_application_that_never_answers_is_a_500(self, registry: CollectorRegistry) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            pass

        ask(RequestMetrics(app, registry), "GET", "/")

        assert statuses(registry) == {"500": 1}

    @pytest.mark.parametrize("begun", [False, True])
    def test_a_cancelled_request_is_a_client_that_went_away(
        self, registry: CollectorRegistry, begun: bool
    ) -> None:
        async def run() -> None:
            reached = asyncio.Event()

            async def app(scope: Scope, receive: Receive, send: Send) -> None:
                if begun:
                    await send({"type": "http.response.start", "status": 200})
                reached.set()
                await asyncio.Event().wait()

            task = asyncio.create_task(
                called(RequestMetrics(app, registry), http_scope("GET", "/"))
            )
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(run())

        assert statuses(registry) == {"499": 1}
        labels = {"method": "GET", "route": UNMATCHED, "status_class": "4xx"}
        assert value(registry, f"{DURATION}_count", **labels) == 1
        assert value(registry, "http_server_active_requests", method="GET") == 0

    def test_cancelled_after_the_end_of_the_response_it_was_answered(
        self, registry: CollectorRegistry
    ) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await plain()(scope, receive, send)
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            ask(RequestMetrics(app, registry), "GET", "/")

        assert statuses(registry) == {"200": 1}

    def test_a_stream_that_stops_because_the_client_left_is_a_499(
        self, registry: CollectorRegistry
    ) -> None:
        """As Starlette does under a server without exceptions in `send`: it listens and stops."""

        async def forever() -> AsyncIterator[bytes]:
            while True:
                yield b"tick"
                await asyncio.sleep(0)

        app = FastAPI()
        app.add_api_route("/stream", lambda: StreamingResponse(forever()))
        app.add_middleware(RequestMetrics, registry=registry)
        scope = http_scope("GET", "/stream")
        scope["asgi"]["spec_version"] = "2.3"
        messages: Iterator[Message] = iter(
            [{"type": "http.request", "body": b""}, {"type": "http.disconnect"}]
        )

        async def receive() -> Message:
            await asyncio.sleep(0)
            return next(messages)

        async def send(message: Message) -> None:
            pass

        asyncio.run(app(scope, receive, send))

        assert counted(registry) == {("GET", "/stream", "499"): 1}

    def test_a_server_that_refuses_to_send_has_lost_its_client(
        self, registry: CollectorRegistry
    ) -> None:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            yield b"b"

        app = FastAPI()
        app.add_api_route("/stream", lambda: StreamingResponse(parts()))
        app.add_middleware(RequestMetrics, registry=registry)

        async def broken(message: Message) -> None:
            if message.get("body") == b"b":
                raise OSError("connection reset")

        asyncio.run(called(app, http_scope("GET", "/stream"), on_send=broken))

        assert counted(registry) == {("GET", "/stream", "499"): 1}
        assert value(registry, BODY_BYTES, method="GET", route="/stream") == 1

    def test_a_server_that_refuses_to_send_the_whole_answer_has_lost_its_client(
        self, registry: CollectorRegistry
    ) -> None:
        async def broken(message: Message) -> None:
            raise ConnectionResetError

        app = RequestMetrics(plain(), registry)
        answer = asyncio.run(called(app, http_scope("GET", "/"), on_send=broken))

        assert isinstance(answer.error, ConnectionResetError)
        assert statuses(registry) == {"499": 1}

    def test_a_client_that_leaves_during_its_upload_is_a_499(
        self, registry: CollectorRegistry
    ) -> None:
        class ClientDisconnect(Exception):  # noqa: N818 - the name that Starlette gave it
            pass

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            raise ClientDisconnect

        ask(RequestMetrics(app, registry), "GET", "/")

        assert statuses(registry) == {"499": 1}

    def test_a_file_sent_by_the_server_is_complete(self, registry: CollectorRegistry) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.pathsend", "path": "/a"})

        ask(RequestMetrics(app, registry), "GET", "/")

        assert statuses(registry) == {"200": 1}


class TestWhatPassesThrough:
    @pytest.mark.parametrize("kind", ["lifespan", "websocket", "something new"])
    def test_other_scopes_get_the_same_three_objects(
        self, registry: CollectorRegistry, kind: str
    ) -> None:
        seen: list[object] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.extend([scope, receive, send])

        async def receive() -> Message:
            return {}

        async def send(message: Message) -> None:
            pass

        scope: Scope = {"type": kind}
        asyncio.run(RequestMetrics(app, registry)(scope, receive, send))

        assert seen[0] is scope
        assert seen[1] is receive
        assert seen[2] is send
        assert scope == {"type": kind}
        assert counted(registry) == {}

    def test_bodies_are_never_asked_for(self, registry: CollectorRegistry) -> None:
        async def receive() -> Message:
            raise AssertionError("the middleware read the body")

        async def send(message: Message) -> None:
            pass

        app = RequestMetrics(plain(), registry)
        asyncio.run(app(http_scope("POST", "/"), receive, send))

        assert statuses(registry) == {"200": 1}


def test_threads_that_meet_new_series_at_once_lose_no_request(registry: CollectorRegistry) -> None:
    app = RequestMetrics(plain(), registry)

    def work(number: int) -> None:
        async def requests() -> None:
            for status in range(200, 220):
                app.app = plain(status)
                await called(app, http_scope("GET", "/"))

        asyncio.run(requests())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))

    assert sum(statuses(registry).values()) == 16 * 20
    assert value(registry, "http_server_active_requests", method="GET") == 0


def test_promtool_finds_no_fault_with_the_names(registry: CollectorRegistry) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is missing: apt install prometheus")
        pytest.skip("promtool is missing: apt install prometheus")
    tiers = Tiers(frozenset({"shared"}), lambda scope: "shared")
    ask(RequestMetrics(plain(), registry, tiers=tiers), "GET", "/")

    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=generate_latest(registry),
        capture_output=True,
        check=False,
        timeout=30,
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
