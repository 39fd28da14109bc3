"""Real servers for tests: started on a free port of 127.0.0.1, stopped when the test is done.

A missing server is a failure where `CI=true`, and a skip that says what to install elsewhere.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

START_SECONDS = 30.0
STOP_SECONDS = 10.0
PAUSE_SECONDS = 0.05
ATTEMPTS = 3


class ServerError(Exception):
    """A server that did not start, with the end of what it wrote."""


class PortTakenError(ServerError):
    """Somebody else got the port between finding it free and binding it."""


def prometheus_binary() -> str:
    """Prometheus, or the end of the test."""
    return program("prometheus", package="prometheus")


def promtool_binary() -> str:
    """Prometheus' own checker, or the end of the test."""
    return program("promtool", package="prometheus")


def program(name: str, *, package: str) -> str:
    """The path of a program; without it the test fails under CI and is skipped elsewhere."""
    found = shutil.which(name)
    if found is None:
        missing(f"{name} is not installed: apt-get install {package}")
    return found


def missing(reason: str) -> NoReturn:
    """End the test because something is not there: in CI nothing may go untested in silence."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(
    command: Sequence[str], *, ready: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A process that answers 200 at the URL `ready`; it is stopped, and waited for, at the end.

    `environment` is what it has beside the environment of this process.
    """
    known = {**os.environ, **environment} if environment else None
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=known)
    try:
        wait_until_ready(process, ready, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    """Ask until it answers; a ServerError when it ends before that or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = log.read_text(errors="replace")[-2000:]
            kind = PortTakenError if "address already in use" in said else ServerError
            raise kind(f"{process.args!r} ended with {process.returncode}:\n{said}")
        try:
            if httpx.get(ready, trust_env=False, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(PAUSE_SECONDS)
    raise ServerError(f"{process.args!r} did not answer {ready} within {START_SECONDS:g} s")


def wait_until(is_so: Callable[[], bool], seconds: float = START_SECONDS) -> bool:
    """Whether something came to be so, looked at again and again for so many seconds."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() >= deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True


@contextmanager
def prometheus(directory: Path, config: str = "", *options: str) -> Iterator[str]:
    """A Prometheus whose data is in `directory / "data"`; yields its address.

    `config` is the text of its prometheus.yml; without one it scrapes nothing. Data of any age is
    kept, so that tests can use a fixed time. `options` are more of its command line.
    """
    binary = prometheus_binary()
    file = directory / "prometheus.yml"
    file.write_text(config or "global: {}\n")
    for attempt in range(1, ATTEMPTS + 1):
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        command = [
            binary,
            f"--config.file={file}",
            f"--storage.tsdb.path={directory / 'data'}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
            *options,
        ]
        started = False
        try:
            with running(command, ready=f"{address}/-/ready", log=directory / "prometheus.log"):
                started = True
                yield address
            return
        except PortTakenError:
            if started or attempt == ATTEMPTS:
                raise


@contextmanager
def victoriametrics(directory: Path, *options: str) -> Iterator[str]:
    """A single-node VictoriaMetrics with its data in `directory / "vm"`; yields its address.

    `options` are more of its command line.
    """
    binary = program("victoria-metrics", package="victoria-metrics")
    for attempt in range(1, ATTEMPTS + 1):
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        command = [
            binary,
            f"-storageDataPath={directory / 'vm'}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-retentionPeriod=100y",
            "-memory.allowedPercent=10",
            "-loggerLevel=WARN",
            *options,
        ]
        started = False
        try:
            with running(command, ready=f"{address}/health", log=directory / "vm.log"):
                started = True
                yield address
            return
        except PortTakenError:
            if started or attempt == ATTEMPTS:
                raise


def import_prometheus(address: str, text: str) -> None:
    """Put samples into a VictoriaMetrics, times in milliseconds; they can be read afterwards."""
    httpx.post(f"{address}/api/v1/import/prometheus", content=text, trust_env=False, timeout=60)
    httpx.get(f"{address}/internal/force_flush", trust_env=False, timeout=60)


def load_openmetrics(text: str, directory: Path) -> None:
    """Put samples with times into `directory / "data"`, before a Prometheus is started on it."""
    file = directory / "samples.om"
    file.write_text(text)
    # By default there is a block for every two hours, and the whole file is read for each of them.
    command = ["tsdb", "create-blocks-from", "--max-block-duration=744h", "openmetrics", "--quiet"]
    promtool(*command, str(file), str(directory / "data"))


def promtool(*arguments: str) -> str:
    """What promtool says; an AssertionError with all of it when it finds a fault."""
    done = subprocess.run(
        [promtool_binary(), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
