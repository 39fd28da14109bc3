"""From settings to a running process: build the rooms, listen, run the loops, stop cleanly."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any, cast

import uvicorn
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    generate_latest,
)
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from alerts.meters import AlertsMeters
from alerts.run import Alerts
from api.access import book
from api.album import Album
from api.app import Application, create_app
from api.config import ServerConfig
from api.direct import Quick, direct
from api.front import LINES
from api.house import House
from api.loops import LoopMeters, Loops, clock
from api.moments import milliseconds
from api.settings import Settings
from collector.meters import CollectorMeters
from collector.postgres.book import StatementBook
from collector.rum.asgi import PATHS
from collector.rum.receiver import Receiver
from collector.rum.source import RumSource
from collector.run import Collector
from collector.sources import sources
from detector.around import Past
from detector.backfill import Backfills
from detector.backlog import Plan
from detector.book import Book
from detector.coverage import Coverage
from detector.definition import DefinitionBook
from detector.dependencies import Dependencies
from detector.findings import Looking
from detector.incidents import Incidents
from detector.ledger import Ledger
from detector.meters import DetectorMeters, IncidentMeters, SourceMeters
from detector.pooling import Pools
from detector.refill import Reach, Refill
from detector.run import Detector
from detector.source import Source
from detector.windowing import Keeping
from storage.backup import finish, sweep
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.state import State

log = logging.getLogger(__name__)


OPEN_VIEWS = "page-views.msgpack"
"""The file that page views which are not over outlive a restart in."""

SWITCH_SECONDS = 0.001

SEARCHES = (10_000, 20, 20)
"""New objects until the young are searched for garbage; such searches until the next older are."""


class StartError(Exception):
    """Plimsoll cannot start; the message says what to do."""


def build(settings: Settings, *, now: Callable[[], datetime] = clock) -> House:
    """All rooms, opened and wired; `HistoryError` and `StateError` say what cannot be opened."""
    registry = CollectorRegistry()
    for standard in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(standard)
    finish(settings.storage.directory)
    file = DuckFile(settings.storage.history_path, memory=settings.storage.memory)
    sweep(settings.storage.directory)
    history = DuckHistory(file)
    state = State(settings.storage.url())
    state.migrate()
    signals, declared = settings.definitions.signals, settings.dependencies
    looking = Looking(
        kinds={name: one.form.kind for name, one in signals.items()},
        dependencies=Dependencies(settings.needs, declared.guess),
        around=Past(history, signals),
        pools=Pools(signals),
    )
    book = Book(Incidents(looking, IncidentMeters(registry)))
    ledger = Ledger(file)
    detector = Detector(
        settings.definitions,
        history,
        state,
        book,
        ledger,
        DetectorMeters(registry),
        Keeping(memory_bytes=settings.detector.memory * 2**20),
    )
    statements = StatementBook(state)
    backfills: Backfills = {}
    coverage = Coverage(file)
    storage = settings.storage
    reach = Reach(round(storage.keep_samples * 1000), round(storage.keep_fine_windows * 1000))
    rum = Receiver(settings.collector.rum)
    collected = sources(
        settings.collector, own_page=lambda: own_page(registry), statements=statements.note
    )
    if settings.collector.rum.apps:
        collected.append(RumSource(rum, history, settings.storage.directory / OPEN_VIEWS))
    house = House(
        settings=settings,
        file=file,
        history=history,
        state=state,
        book=book,
        ledger=ledger,
        detector=detector,
        refill=Refill(detector, DefinitionBook(file), backfills, reach, coverage.forget),
        backfills=backfills,
        collector=Collector(
            collected,
            history.append,
            CollectorMeters(registry),
        ),
        rum=rum,
        alerts=Alerts(state, book, settings.alerts, AlertsMeters(registry)),
        statements=statements,
        registry=registry,
        now=now,
        source=source(settings, history, coverage, SourceMeters(registry)),
    )
    house.alerts.draw_with(Album(house).picture)
    return house


def own_page(registry: CollectorRegistry) -> tuple[bytes, str]:
    """What `/metrics` would answer: asked for here, it needs no port, token or certificate."""
    return generate_latest(registry), CONTENT_TYPE_LATEST


def source(
    settings: Settings, history: DuckHistory, coverage: Coverage, meters: SourceMeters
) -> Source | None:
    """What is read from a Prometheus-compatible engine; None where none is configured."""
    config = settings.storage.prometheus
    if config is None:
        return None
    from storage.prometheus import Prometheus  # brings httpx, which few starts need

    plan = Plan(config, settings.definitions, coverage)
    return Source(Prometheus(config), plan, history, meters)


def listen(host: str, port: int) -> socket.socket:
    """A socket on that address, or a `StartError` that says who may hold it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family, backlog=512)
    except OSError as error:
        raise StartError(
            f"cannot listen on {host}:{port} ({reason(error)}): stop what listens there, or "
            "choose another `server.port` in plimsoll.yaml"
        ) from None
    # Connections inherit it; asyncio sets it only on those that name their protocol. Without it the
    # second piece of an answer waits some 40 ms until the first is acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def reason(error: OSError) -> str:
    """Why, in the system's words; Python adds the address, which stands beside it already."""
    return os.strerror(error.errno) if error.errno else str(error)


def certificates(server: ServerConfig) -> dict[str, Any]:
    """What uvicorn wants to know to speak https; nothing where it need not."""
    if server.tls is None:
        return {}
    return {"ssl_certfile": server.tls.certificate, "ssl_keyfile": server.tls.key}


def refuse_strangers(house: House) -> None:
    """Beyond loopback nobody is let in unasked: without a token that is a `StartError`."""
    server = house.settings.server
    with house.state.reading() as session:
        guarded = book.any_live(session, milliseconds(house.now()))
    if not server.is_loopback and not guarded and server.oidc is None:
        raise StartError(
            f"server.host is {server.host}, which others reach, and there is no token: anybody "
            "could read and write. Make one with `plimsoll token create NAME --scope admin`, or "
            "listen on 127.0.0.1"
        )


class Server(uvicorn.Server):
    """uvicorn that leaves the signals to us: it would raise them again after a clean stop."""

    def __init__(self, config: uvicorn.Config, closing: Callable[[], None]) -> None:
        super().__init__(config)
        self.closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what would never end by itself, then wait for the rest."""
        self.closing()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing to capture."""
        yield


Meanwhile = Callable[[House], Awaitable[None]]


def forwarding(app: Application) -> ASGIApp:
    """The application, with forwarded addresses as uvicorn reads them; beacons have their own list.

    uvicorn believes whoever is on this machine, which is right for people behind a proxy and would
    let anybody there be a thousand networks.
    """
    trusted = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
    others: Any = ProxyHeadersMiddleware(cast(Any, app), trusted_hosts=trusted)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        known = scope["type"] == "http" and scope["path"] in PATHS
        await (app if known else others)(scope, receive, send)

    return answer


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Leave what a start has made out of every later search for garbage, and hand over sooner.

    Half a million objects that stay: a full search took 150 ms, in which nobody was answered. What
    ticks remember is searched, 30 ms over a long history, but after thousands of answers and not
    after 200. And an answer waits for its turn a dozen times, each up to so long while a tick
    calculates. At the end all is as it was: what stays frozen is never freed, and DuckDB lists all
    of that on the terminal at the exit.
    """
    searches, switch_seconds = gc.get_threshold(), sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SEARCHES)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*searches)
        sys.setswitchinterval(switch_seconds)


async def serve(house: House, listener: socket.socket, meanwhile: Meanwhile) -> None:
    """Run until SIGINT or SIGTERM, or until `meanwhile` (begun when pages answer) is done.

    A second signal does not wait for open requests.
    """
    loops = Loops(house, LoopMeters(house.registry))
    app = create_app(house)
    server = Server(
        uvicorn.Config(
            forwarding(app),
            interface="asgi3",
            ws="none",  # no page asks for one, and their library would be loaded at every start
            http=direct(app.beacons, Quick(LINES, app.front.take)),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=3,
            server_header=False,
            **certificates(house.settings.server),
            lifespan="off",
            proxy_headers=False,
        ),
        app.state.feed.stop,
    )

    def asked_to_stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    running = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        running.add_signal_handler(one, asked_to_stop)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    with settled():
        looping = asyncio.create_task(loops.run())
        beside = asyncio.ensure_future(meanwhile(house))
        # Loops end by themselves only when they cannot begin.
        await asyncio.wait({serving, looping, beside}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        loops.stop()
        beside.cancel()
        results = await asyncio.gather(serving, looping, beside, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


def run(settings: Settings, meanwhile: Meanwhile) -> None:
    """Build, listen and serve until told to stop; everything is closed on the way out."""
    listener = listen(settings.server.host, settings.server.port)
    with contextlib.closing(listener):
        house = build(settings)
        try:
            refuse_strangers(house)
            asyncio.run(serve(house, listener, meanwhile))
        finally:
            if house.source is not None:
                house.source.client.close()
            house.state.close()
            house.file.close()
