"""A Redis for the benchmarks: started on a free port, with keys in groups, stopped at the end."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import redis

from benchmarks._peers import PATIENCE_SECONDS, free_port

GROUPS = ("session", "user", "catalog", "price", "page")


class Server:
    """A running Redis."""

    def __init__(self, port: int) -> None:
        self.port = port
        # Any: its stubs do not say which of its calls are coroutines.
        self.client: Any = redis.Redis(port=port, decode_responses=True)

    def cpu_seconds(self) -> float:
        """Processor time that it took so far."""
        info = self.client.info("cpu")
        return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])

    def fill(self, keys: int, size: int = 100) -> None:
        """So many keys, evenly in all groups; half of them with a time to live."""
        for first in range(0, keys, 5000):
            pipeline = self.client.pipeline(transaction=False)
            for number in range(first, min(keys, first + 5000)):
                name = f"{GROUPS[number % len(GROUPS)]}:{number}"
                pipeline.set(name, "x" * size, ex=86_400 if number % 2 else None)
            pipeline.execute()


@contextlib.contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[Server]:
    """A Redis with these options, with nothing on disk."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is not installed")
    port = free_port()
    places = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", ""]
    child = subprocess.Popen([program, *places, *options], stdout=subprocess.DEVNULL)
    try:
        server, until = Server(port), perf_counter() + PATIENCE_SECONDS
        while True:
            with contextlib.suppress(redis.ConnectionError):
                server.client.ping()
                break
            if perf_counter() > until:
                raise RuntimeError("redis-server did not start")
            sleep(0.05)
        yield server
        server.client.close()
    finally:
        child.terminate()
        child.wait(PATIENCE_SECONDS)
