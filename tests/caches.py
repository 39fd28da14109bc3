"""A Redis and a memcached for tests: Debian's, on a free port of 127.0.0.1, nothing on disk."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.servers import ATTEMPTS, STOP_SECONDS, PortTakenError, ServerError, free_port, program

START_SECONDS = 20.0
PAUSE_SECONDS = 0.02


class RedisServer:
    """A running Redis, and a client beside the one under test."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid
        self.address = f"127.0.0.1:{port}"
        # Any: its stubs do not say which of its calls are coroutines.
        self.client: Any = redis.Redis(port=port, socket_timeout=10, decode_responses=True)

    def connected(self, **how: Any) -> Any:
        """One more client."""
        return redis.Redis(port=self.port, decode_responses=True, **how)

    def cpu_seconds(self) -> float:
        """Processor time that the server took so far, without that of saving."""
        info = self.client.info("cpu")
        return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])


@contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[RedisServer]:
    """A Redis with these options of its command line; its files are below `directory`."""
    binary = program("redis-server", package="redis-server")
    directory.mkdir(parents=True, exist_ok=True)

    def command(port: int) -> list[str]:
        places = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)]
        return [binary, *places, "--save", "", "--appendonly", "no", *options]

    def ready(port: int) -> bool:
        with redis.Redis(port=port, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return True
            except redis.RedisError:
                return False

    with _running(command, ready, directory / "redis.log") as (port, pid):
        server = RedisServer(port, pid)
        try:
            yield server
        finally:
            server.client.close()


@contextmanager
def memcached_server(directory: Path, *options: str) -> Iterator[int]:
    """A memcached with these options; yields its port."""
    binary = program("memcached", package="memcached")
    directory.mkdir(parents=True, exist_ok=True)

    def command(port: int) -> list[str]:
        return [binary, "-u", "nobody", "-l", "127.0.0.1", "-p", str(port), *options]

    def ready(port: int) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2):
                return True
        except OSError:
            return False

    with _running(command, ready, directory / "memcached.log") as (port, _pid):
        yield port


@contextmanager
def _running(
    command: Callable[[int], list[str]], ready: Callable[[int], bool], log: Path
) -> Iterator[tuple[int, int]]:
    for attempt in range(1, ATTEMPTS + 1):
        port = free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(command(port), stdout=output, stderr=subprocess.STDOUT)
        started = False
        try:
            deadline = time.monotonic() + START_SECONDS
            while not ready(port):
                if process.poll() is not None:
                    said = log.read_text(errors="replace")[-2000:]
                    in_use = "in use" in said
                    raise (PortTakenError if in_use else ServerError)(f"{process.args!r}:\n{said}")
                if time.monotonic() > deadline:
                    raise ServerError(f"{process.args!r} did not answer")
                time.sleep(PAUSE_SECONDS)
            started = True
            yield port, process.pid
            return
        except PortTakenError:
            if started or attempt == ATTEMPTS:
                raise
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
