"""A real Alertmanager and a webhook that notes what it is told; ours beside it on its own clock.

Events happen at whole units of time and timers end half-way between them, so that a machine which
is late by less than half a unit changes nothing.
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from alerts.dispatch import Dispatch, Routing
from alerts.group import Flush, Subject
from alerts.matchers import parse
from alerts.silence import Silence, SilenceKind
from tests.servers import (
    ATTEMPTS,
    PortTakenError,
    free_port,
    program,
    running,
)

Labels = Mapping[str, str]
Named = frozenset[tuple[str, str]]
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Event:
    """At `unit`: an alert begins or ends, or a silence begins or ends (by its matcher)."""

    unit: int
    what: str
    labels: Labels = field(default_factory=dict)
    matcher: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """One notice: when (in units), and what it said."""

    at: float
    firing: frozenset[Named]
    resolved: frozenset[Named]

    def said(self) -> tuple[frozenset[Named], frozenset[Named]]:
        """What it said."""
        return self.firing, self.resolved


History = dict[tuple[str, Named], list[Told]]


class Hook:
    """Notes every notice of a real Alertmanager."""

    def __init__(self) -> None:
        self.told: list[tuple[float, dict[str, Any]]] = []
        noted = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                at = time.monotonic()
                noted.append((at, json.loads(self.rfile.read(int(self.headers["content-length"])))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            # Dozens of groups are told at the same moment; a refused call would come late.
            request_queue_size = 1024
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> "Hook":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def history(self, began: float, unit_seconds: float) -> History:
        """What was told, by receiver and group."""
        found: History = defaultdict(list)
        for at, notice in self.told:
            of = {
                state: frozenset(
                    frozenset(one["labels"].items())
                    for one in notice["alerts"]
                    if one["status"] == state
                )
                for state in ("firing", "resolved")
            }
            key = notice["receiver"], frozenset(notice["groupLabels"].items())
            found[key].append(Told((at - began) / unit_seconds, of["firing"], of["resolved"]))
        return dict(found)


@contextmanager
def alertmanager(directory: Path, config: str) -> Iterator[str]:
    """A real Alertmanager; yields its address."""
    binary = program("prometheus-alertmanager", package="prometheus-alertmanager")
    file = directory / "alertmanager.yml"
    file.write_text(config)
    for attempt in range(1, ATTEMPTS + 1):
        address = f"http://127.0.0.1:{free_port()}"
        command = [
            binary,
            f"--config.file={file}",
            f"--storage.path={directory / f'am-{attempt}'}",
            f"--web.listen-address={address.removeprefix('http://')}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]
        started = False
        try:
            with running(command, ready=f"{address}/-/ready", log=directory / "alertmanager.log"):
                started = True
                yield address
            return
        except PortTakenError:
            if started or attempt == ATTEMPTS:
                raise


def as_yaml(config: Mapping[str, Any], url: str) -> str:
    """A configuration in which every receiver is the hook; JSON is YAML."""
    names = sorted({one["receiver"] for one in nodes(config["route"]) if "receiver" in one})
    receivers = [{"name": name, "webhook_configs": [{"url": url}]} for name in names]
    return json.dumps({**config, "receivers": receivers})


def nodes(route: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A route and all below."""
    yield route
    for one in route.get("routes", ()):
        yield from nodes(one)


def theirs(
    directory: Path, config: Mapping[str, Any], events: Sequence[Event], unit_seconds: float
) -> tuple[History, float]:
    """What the real one told, and by how many units an event came late at most."""
    units = max(one.unit for one in events) + 1
    with Hook() as hook, alertmanager(directory, as_yaml(config, hook.url)) as address:
        client = httpx.Client(base_url=f"{address}/api/v2", trust_env=False, timeout=30)
        silences: dict[str, str] = {}
        began, late = time.monotonic(), 0.0
        with client:
            for unit in range(units + 1):
                # The real one goes by the clock of this machine, and nothing tells how far it is.
                pause = began + unit * unit_seconds - time.monotonic()
                if pause > 0:
                    time.sleep(pause)
                post(client, [one for one in events if one.unit == unit], silences)
                late = max(late, (time.monotonic() - began) / unit_seconds - unit)
        # Until just before the next timers end: a busy machine may be late with the last ones, and
        # what is told too much would come only now.
        time.sleep(max(0.0, began + (units + 1.4) * unit_seconds - time.monotonic()))
        return hook.history(began, unit_seconds), late


def post(client: httpx.Client, events: Sequence[Event], silences: dict[str, str]) -> None:
    """Tell the real one what happens now."""
    now = datetime.now(UTC)
    alerts = [
        {
            "labels": dict(one.labels),
            "startsAt": now.isoformat(),
            "endsAt": (now if one.what == "ends" else now + HOUR).isoformat(),
        }
        for one in events
        if one.what in ("begins", "ends")
    ]
    if alerts:
        # What ends began earlier; the time it began is kept.
        for one in alerts:
            if one["startsAt"] == one["endsAt"]:
                del one["startsAt"]
        client.post("/alerts", json=alerts).raise_for_status()
    for event in events:
        if event.what == "silence":
            matchers = [
                {
                    "name": one.name,
                    "value": one.value,
                    "isRegex": one.op in ("=~", "!~"),
                    "isEqual": one.op in ("=", "=~"),
                }
                for one in parse(event.matcher)
            ]
            answer = client.post(
                "/silences",
                json={
                    "matchers": matchers,
                    "startsAt": now.isoformat(),
                    "endsAt": (now + HOUR).isoformat(),
                    "createdBy": "test",
                    "comment": "test",
                },
            )
            answer.raise_for_status()
            silences[event.matcher] = answer.json()["silenceID"]
        elif event.what == "expire":
            client.delete(f"/silence/{silences.pop(event.matcher)}").raise_for_status()


def ours(routing: Routing, events: Sequence[Event]) -> History:
    """What this house tells: the clock jumps from event to event and from flush to flush."""
    dispatch, silences = Dispatch(routing), list[Silence]()
    found: History = defaultdict(list)
    began: dict[Named, int] = {}
    end_ms = (max(one.unit for one in events) + 1) * 1000 + 750
    ahead = sorted({one.unit * 1000 for one in events})
    now_ms = 0
    while now_ms <= end_ms:
        for event in [one for one in events if one.unit * 1000 == now_ms and now_ms in ahead]:
            happen(dispatch, silences, event, began, now_ms)
        ahead = [one for one in ahead if one > now_ms]
        for flush in dispatch.due(silences, now_ms):
            note(found, routing, flush)
        due = [one for g in dispatch.groups.values() if (one := dispatch.due_ms(g)) is not None]
        now_ms = min([*ahead, *due], default=end_ms + 1)
    return dict(found)


def happen(
    dispatch: Dispatch,
    silences: list[Silence],
    event: Event,
    began: dict[Named, int],
    now_ms: int,
) -> None:
    """Tell ours what happens now."""
    if event.what in ("begins", "ends"):
        key = frozenset(event.labels.items())
        over = event.what == "ends"
        starts_ms = began.setdefault(key, now_ms)
        if over:
            del began[key]
        subject = Subject(
            labels=event.labels,
            about="",
            source=str(sorted(event.labels.items())),
            starts_ms=starts_ms,
            ends_ms=now_ms if over else None,
        )
        dispatch.take([subject], now_ms)
    elif event.what == "silence":
        silences.append(
            Silence(
                id=event.matcher,
                kind=SilenceKind.SILENCE,
                matchers=parse(event.matcher),
                starts_ms=now_ms,
                ends_ms=now_ms + 3_600_000,
                created_by="test",
                comment="test",
                created_ms=now_ms,
                updated_ms=now_ms,
            )
        )
    else:
        silences[:] = [one for one in silences if one.id != event.matcher]


def note(found: History, routing: Routing, flush: Flush) -> None:
    """Keep a notice as the hook would have seen it."""
    if flush.notice.tells:
        receiver = routing.routes[flush.group.route].receiver
        key = receiver, frozenset(flush.group.labels.items())
        firing, resolved = (
            frozenset(frozenset(one.labels.items()) for one in part)
            for part in (flush.firing, flush.resolved)
        )
        found[key].append(Told(flush.at_ms / 1000, firing, resolved))


def differences(real: History, made: History, tolerance: float) -> list[str]:
    """Every receiver and group that was told other things, or at other times."""
    found = []
    for key in sorted(real.keys() | made.keys(), key=str):
        there, here = (sorted(one.get(key, []), key=moment) for one in (real, made))
        same = [one.said() for one in there] == [one.said() for one in here]
        near = all(abs(a.at - b.at) < tolerance for a, b in zip(there, here, strict=False))
        if not same or not near:
            found.append(f"{key}\n  theirs {shown(there)}\n  ours   {shown(here)}")
    return found


def moment(told: Told) -> tuple[int, str]:
    """For sorting: groups of two routes may be told the same receiver in the same moment."""
    return round(told.at - 0.5), str([sorted(map(sorted, part)) for part in told.said()])


def shown(told: Sequence[Told]) -> str:
    """A history for people."""
    return "; ".join(
        f"{one.at:.2f}: +{sorted(map(sorted, one.firing))} -{sorted(map(sorted, one.resolved))}"
        for one in told
    )
