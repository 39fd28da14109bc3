"""Beacons: requests per CPU-second with full validation, beside an empty answer and naive FastAPI.

The same 0.55 KB beacons are sent over kept-alive connections to three servers on the same uvicorn:
one that answers 204 without looking, FastAPI with a pydantic model that does nothing with it, and
Plimsoll as a whole, which checks origin, network, rates and bounds, waits for the end of each view
(few wait here, so each request also counts one); the collector's turns are left out. What counts is
the CPU time of each server's process, in interleaved rounds, of each the cheapest.
VictoriaMetrics imports the same values, five lines a request, beside it.

Then beacons arrive at a steady pace, whatever the answers take, with all turns of the collector,
and the latency is that of each from the moment at which it was due. `PLIMSOLL_RUM_SECONDS=300`
lasts the five minutes of the goal.
"""

import asyncio
import contextlib
import json
import os
import platform
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from benchmarks._peers import Process, free_port, package_version, started, victoria_metrics

REQUESTS = 8_000
ROUNDS = 3
CONNECTIONS = 32
WAITING = 2_000
PER_SECOND = 3_000
SECONDS = float(os.environ.get("PLIMSOLL_RUM_SECONDS", "20"))
GOAL_OF_EMPTY = 0.6
GOAL_OF_NAIVE = 3.0
GOAL_P99_SECONDS = 0.02
FLAT = 1.05
AGENT = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Mobile Safari/537.36"
)


@dataclass(frozen=True)
class Pace:
    """What became of beacons at a steady pace."""

    sent: int
    per_second: float
    p50_seconds: float
    p99_seconds: float
    memory_mib: tuple[float, float]
    cpu_share: float


def measure() -> dict[str, object]:
    """Requests per CPU-second of each server, and the latency of ours at a steady pace."""
    rng = random.Random(7)
    with contextlib.ExitStack() as stack:
        servers = {
            "empty": stack.enter_context(server("empty")),
            "naive": stack.enter_context(server("naive")),
            "ours": stack.enter_context(server("ours", WAITING)),
        }
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="plimsoll-rum-"))
        victoria = stack.enter_context(victoria_metrics(Path(folder)))
        best: dict[str, float] = {}
        for turn in range(ROUNDS + 1):
            views = [beacon(rng) for _ in range(REQUESTS)]
            for name, process in servers.items():
                cost = cpu_of(process, [request(one, rng) for one in views])
                if turn:  # the first round warms
                    best[name] = min(cost, best.get(name, cost))
            cost = cpu_of(victoria, [imported(one) for one in views])
            if turn:
                best["VictoriaMetrics"] = min(cost, best.get("VictoriaMetrics", cost))
        refused = dropped(servers["ours"])
    pace = steady(rng)
    per_cpu_second = {name: round(REQUESTS / cost) for name, cost in best.items()}
    of_empty, of_naive = best["empty"] / best["ours"], best["naive"] / best["ours"]
    return {
        "name": "rum",
        "ours": per_cpu_second["ours"],
        "peer": per_cpu_second["empty"],
        "ratio": round(of_empty, 3),
        "goal": f">= {GOAL_OF_EMPTY} of the empty answer and >= {GOAL_OF_NAIVE} x naive",
        "met": of_empty >= GOAL_OF_EMPTY and of_naive >= GOAL_OF_NAIVE and not refused,
        "unit": "requests per CPU-second",
        "per_cpu_second": per_cpu_second,
        "times_naive": round(of_naive, 2),
        "refused": refused,
        "pace": {
            "asked_per_second": PER_SECOND,
            "seconds": SECONDS,
            "answered_per_second": round(pace.per_second),
            "p50_ms": round(pace.p50_seconds * 1000, 2),
            "p99_ms": round(pace.p99_seconds * 1000, 2),
            "p99_met": pace.p99_seconds < GOAL_P99_SECONDS and pace.per_second > PER_SECOND * 0.99,
            "memory_mib_halfway_and_after": [round(one, 1) for one in pace.memory_mib],
            "memory_flat": pace.memory_mib[1] < pace.memory_mib[0] * FLAT,
            "cpu_share": round(pace.cpu_share, 2),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("fastapi", "uvicorn", "h11", "msgspec")},
            "pydantic": version("pydantic"),
            "victoria-metrics": package_version("victoria-metrics"),
        },
    }


@contextlib.contextmanager
def server(kind: str, *more: int) -> Iterator[Process]:
    """One of the servers in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks._rum_server", kind, str(port), *map(str, more)]
    ready = {"empty": "/", "naive": "/openapi.json"}.get(kind, "/metrics")
    with started(command, port, ready) as process:
        yield process


def beacon(rng: random.Random) -> dict[str, object]:
    """What the beacon of a page view says: five metrics, as after a click."""
    lcp = min(rng.lognormvariate(7.38, 0.7), 59_000)
    values = {
        "TTFB": min(90.0, lcp / 4),
        "FCP": lcp / 2,
        "LCP": lcp,
        "INP": 8 * rng.randint(1, 40),
        "CLS": rng.choice((0, 0.021, 0.13)),
    }
    view = f"{rng.getrandbits(90):x}"
    route = rng.choice(("/", "/product/:id", "/cart"))
    return {
        "v": 1,
        "k": "shop-public",
        "rel": "web@2026.11.21-1",
        "p": view,
        "s": 0,
        "r": 1,
        "dt": rng.choice("mdt"),
        "ct": "4g",
        "mem": 8,
        "cpu": 8,
        "m": [
            {"n": name, "i": str(i), "v": round(value, 4), "t": "navigate", "u": route}
            for i, (name, value) in enumerate(values.items())
        ],
    }


def request(view: dict[str, object], rng: random.Random, path: str = "/rum") -> bytes:
    """The bytes of a POST as Chromium behind a proxy sends it."""
    body = json.dumps(view, separators=(",", ":")).encode()
    address = f"{rng.randint(1, 99)}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.7"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Origin: https://shop.example\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\n"
        "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\nSec-Fetch-Mode: no-cors\r\n"
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\nReferer: https://shop.example/\r\n"
        f"X-Forwarded-For: {address}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def imported(view: dict[str, object]) -> bytes:
    """The same values as samples in the text format, for VictoriaMetrics."""
    metrics = view["m"]
    assert isinstance(metrics, list)
    lines = "".join(
        f'rum{{app="shop",metric="{m["n"]}",route="{m["u"]}",device="{view["dt"]}"}} {m["v"]}\n'
        for m in metrics
    ).encode()
    head = (
        "POST /api/v1/import/prometheus HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Length: {len(lines)}\r\n\r\n"
    )
    return head.encode() + lines


def cpu_of(process: Process, requests: Sequence[bytes]) -> float:
    """CPU-seconds that a server takes for these requests; all must be answered with 204."""
    before = process.cpu_seconds()
    asyncio.run(send_all(process.port, requests))
    return process.cpu_seconds() - before


async def send_all(port: int, requests: Sequence[bytes]) -> None:
    """Send requests over a few connections, each waiting for its answers."""
    waiting = iter(requests)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for one in waiting:
            await ask(reader, writer, one)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, one: bytes) -> None:
    """One request and its answer, which must be an empty 204."""
    writer.write(one)
    status, _, _ = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
    if b" 204 " not in status + b" ":
        raise RuntimeError(f"answered {status!r}")


def dropped(process: Process) -> float:
    """How many beacons were not taken."""
    return process.metric("rum_beacons_dropped_total")


def steady(rng: random.Random) -> Pace:
    """Beacons at a steady pace to a Plimsoll with its own defaults."""
    count = round(PER_SECOND * SECONDS)
    requests = [request(beacon(rng), rng) for _ in range(min(count, 30_000))]
    with server("running") as process:
        began, cpu = perf_counter(), process.cpu_seconds()
        latencies, half = asyncio.run(paced(process, requests, count))
        seconds = perf_counter() - began
        memory = (half, memory_mib(process))
        share = (process.cpu_seconds() - cpu) / seconds
    latencies.sort()
    return Pace(
        sent=count,
        per_second=count / seconds,
        p50_seconds=latencies[count // 2],
        p99_seconds=latencies[count * 99 // 100],
        memory_mib=memory,
        cpu_share=share,
    )


async def paced(
    process: Process, requests: Sequence[bytes], count: int
) -> tuple[list[float], float]:
    """Latencies from the moment each was due, and the memory halfway."""
    latencies: list[float] = []
    next_, half = 0, 0.0
    began = perf_counter()

    async def connection() -> None:
        nonlocal next_, half
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        while next_ < count:
            number, next_ = next_, next_ + 1
            if number == count // 2:
                half = memory_mib(process)
            due = began + number / PER_SECOND
            await asyncio.sleep(max(due - perf_counter(), 0))
            await ask(reader, writer, requests[number % len(requests)])
            latencies.append(perf_counter() - due)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return latencies, half


def memory_mib(process: Process) -> float:
    """What the process holds in memory."""
    text = Path(f"/proc/{process.child.pid}/statm").read_text(encoding="ascii")
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
