"""Readers of a page, each on a connection of its own: a process beside the server.

`python -m benchmarks._readers PORT PATH READERS SECONDS PAUSE` prints one object: answers, errors,
and the latencies' quantiles in milliseconds. A reader asks again `PAUSE` seconds after an answer;
with 0 it never waits, and the latency is what so many make of the server's throughput.
"""

import asyncio
import json
import random
import sys
from time import perf_counter

import numpy as np

REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/html\r\n"
    "Accept-Encoding: gzip\r\n\r\n"
)


async def reader(port: int, path: str, until: float, pause: float, took: list[float]) -> int:
    """Ask until then; the number of answers that were none."""
    errors = 0
    rng = random.Random(port + len(took))
    await asyncio.sleep(rng.random() * max(pause, 0.2))
    incoming, outgoing = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    asked = REQUEST.format(path=path, port=port).encode()
    while perf_counter() < until:
        began = perf_counter()
        outgoing.write(asked)
        try:
            head = await incoming.readuntil(b"\r\n\r\n")
            await incoming.readexactly(length(head))
        except (OSError, asyncio.IncompleteReadError):
            return errors + 1
        took.append((perf_counter() - began) * 1000)
        errors += not head.startswith(b"HTTP/1.1 200")
        if pause:
            await asyncio.sleep(pause * (0.5 + rng.random()))
    outgoing.close()
    return errors


def length(head: bytes) -> int:
    """The bytes of a body that follows this head."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("an answer without a length")


async def crowd(port: int, path: str, readers: int, seconds: float, pause: float) -> str:
    """All of them at once."""
    took: list[float] = []
    until = perf_counter() + seconds
    errors = await asyncio.gather(*(reader(port, path, until, pause, took) for _ in range(readers)))
    p50, p95, p99 = np.percentile(took, [50, 95, 99])
    return json.dumps(
        {
            "answers": len(took),
            "errors": sum(errors),
            "per_second": round(len(took) / seconds),
            "p50": round(p50, 1),
            "p95": round(p95, 1),
            "p99": round(p99, 1),
        }
    )


if __name__ == "__main__":
    port, path, readers, seconds, pause = sys.argv[1:]
    sys.stdout.write(
        asyncio.run(crowd(int(port), path, int(readers), float(seconds), float(pause)))
    )
