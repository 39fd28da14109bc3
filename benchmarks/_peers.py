"""The peers as processes of their own: what they cost in CPU, and what they keep on disk."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter, sleep
from typing import Any
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

PATIENCE_SECONDS = 60.0
DIRECT = build_opener(ProxyHandler({}))


class Process:
    """A server that was started here."""

    def __init__(self, child: subprocess.Popen[bytes], port: int) -> None:
        self.child = child
        self.port = port

    def cpu_seconds(self) -> float:
        """User and system time of all its threads until now."""
        line = Path(f"/proc/{self.child.pid}/stat").read_text(encoding="ascii")
        fields = line.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path: str, **asked: str) -> bytes:
        """The answer to a GET."""
        query = f"?{urlencode(asked)}" if asked else ""
        with DIRECT.open(f"http://127.0.0.1:{self.port}{path}{query}", timeout=60) as answer:
            found: bytes = answer.read()
        return found

    def query(self, promql: str, **asked: str) -> list[Any]:
        """The result of an instant query."""
        answer = json.loads(self.get("/api/v1/query", query=promql, **asked))
        found: list[Any] = answer["data"]["result"]
        return found

    def metric(self, name: str) -> float:
        """A metric of its own page, summed over its labels."""
        text = self.get("/metrics").decode()
        found = re.findall(rf"^{re.escape(name)}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)
        if not found:
            raise RuntimeError(f"no metric {name}")
        return sum(map(float, found))


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextlib.contextmanager
def started(command: Sequence[str], port: int, ready: str) -> Iterator[Process]:
    """A process that answers at the path `ready`; stopped in its own way at the end."""
    program = shutil.which(command[0])
    if program is None:
        raise RuntimeError(f"{command[0]} is not installed")
    child = subprocess.Popen(
        [program, *command[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process, until = Process(child, port), perf_counter() + PATIENCE_SECONDS
        while True:
            with contextlib.suppress(OSError):
                process.get(ready)
                break
            if child.poll() is not None or perf_counter() > until:
                raise RuntimeError(f"{command[0]} did not start")
            sleep(0.05)
        yield process
    finally:
        child.terminate()
        child.wait(PATIENCE_SECONDS)


@contextlib.contextmanager
def prometheus(directory: Path, config: str = "global: {}\n") -> Iterator[Process]:
    """A Prometheus on a data directory; samples of any age are kept."""
    port, file = free_port(), directory / "prometheus.yml"
    file.write_text(config, encoding="utf-8")
    command = [
        "prometheus", f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}",
        "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-admin-api", "--log.level=error",
    ]  # fmt: skip
    with started(command, port, "/-/ready") as process:
        yield process


@contextlib.contextmanager
def victoria_metrics(directory: Path) -> Iterator[Process]:
    """A VictoriaMetrics on a data directory; samples of any age are kept."""
    port = free_port()
    command = [
        "victoria-metrics", f"-storageDataPath={directory / 'data'}",
        f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y", "-loggerLevel=ERROR",
    ]  # fmt: skip
    with started(command, port, "/health") as process:
        yield process


def version_of(*command: str) -> str:
    """The version that a program says it has, out of its first line."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def package_version(package: str) -> str:
    """The version of a Debian package, for programs that do not know their own."""
    command = ["dpkg-query", "-W", "-f=${Version}", package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def size_bytes(directory: Path) -> int:
    """What the files below a directory take."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
