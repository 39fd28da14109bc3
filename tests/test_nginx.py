"""docs/nginx.md, done: nginx writes its log, mtail counts it, and the page is one we read."""

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from plimsoll_client.families import BUCKETS
from tests.servers import free_port, program, promtool_binary

PAGE = (Path(__file__).parents[1] / "docs/nginx.md").read_text(encoding="utf-8")
LOG = "/var/log/nginx/plimsoll.log"
DEADLINE_SECONDS = 30.0
DURATION = "http_server_request_duration_seconds"


def block(kind: str) -> str:
    """The block of this kind on the page."""
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


class Upstream(BaseHTTPRequestHandler):
    """An application that answers everything but `/broken`."""

    def do_GET(self) -> None:
        body = b"hello"
        self.send_response(500 if self.path.endswith("/broken") else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass
class Edge:
    """A running nginx, its log and the page of mtail."""

    site: str
    log: Path
    metrics: str

    def numbers(self) -> dict[tuple[str, ...], float]:
        """What mtail counted, by name and the values of its labels."""
        page = httpx.get(self.metrics).text
        return {
            (one.name, *(one.labels[label] for label in sorted(one.labels))): one.value
            for family in text_string_to_metric_families(page)
            for one in family.samples
            if one.name.startswith("http_server_")
        }


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    """What the page says, on free ports and in a folder of its own."""
    nginx, mtail = program("nginx", package="nginx"), program("mtail", package="mtail")
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    Thread(target=upstream.serve_forever, daemon=True).start()
    site, metrics, log = free_port(), free_port(), tmp_path / "plimsoll.log"
    log.touch()
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr crit;\n"
        f"events {{ worker_connections 64; }}\n"
        f"http {{\n{temporary}{block('nginx').replace(LOG, str(log))}\n"
        f"server {{ listen 127.0.0.1:{site};"
        f" location / {{ proxy_pass http://127.0.0.1:{upstream.server_port}; }} }}\n}}\n"
    )
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs/plimsoll.mtail").write_text(block("mtail"))
    extra = re.search(r'EXTRA_ARGS="(.*)"', block("text"))
    assert extra is not None
    commands = [
        [nginx, "-c", f"{tmp_path}/nginx.conf", "-p", str(tmp_path), "-e", "stderr"],
        [
            *(mtail, "--progs", f"{tmp_path}/programs", "--logs", str(log), *extra[1].split()),
            *("--address", "127.0.0.1", "--port", str(metrics), "--log_dir", str(tmp_path)),
        ],
    ]
    running = [subprocess.Popen(one, stderr=subprocess.DEVNULL) for one in commands]
    made = Edge(f"http://127.0.0.1:{site}", log, f"http://127.0.0.1:{metrics}/metrics")
    try:
        wait_for(f"{made.site}/up")
        wait_for(made.metrics)
        yield made
    finally:
        for process in running:
            process.terminate()
            process.wait(DEADLINE_SECONDS)
        upstream.shutdown()
        upstream.server_close()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            httpx.get(url)
        except httpx.TransportError:
            assert time.monotonic() < deadline, f"nobody answers at {url}"
            time.sleep(0.05)
        else:
            return


def test_the_log_becomes_the_series_that_the_signals_read(edge: Edge) -> None:
    asked = [
        ("GET", "/api/v1/things/7?token=secret"),
        ("GET", "/api/v1/things/a%20b"),
        ("GET", "/tenants/t9/things/1"),
        ("GET", "/tenants/t10/things/2"),
        ("GET", "/static/css/a.css"),
        ("GET", "/scan.php"),
        ("GET", "/api/v1/broken"),
        ("BREW", "/api/v1/things/7"),
    ]
    for method, path in asked:
        httpx.request(method, edge.site + path)
    requests = "http_server_requests_total"
    expected = {
        (requests, "GET", "/api/v1/things/:id", "200"): 2.0,
        (requests, "GET", "/tenants/:tenant/things/:id", "200"): 2.0,
        (requests, "GET", "/static/:path", "200"): 1.0,
        (requests, "GET", "__unmatched__", "500"): 1.0,
        (requests, "OTHER", "/api/v1/things/:id", "501"): 1.0,
    }
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not expected.items() <= edge.numbers().items():
        assert time.monotonic() < deadline, edge.numbers()
        time.sleep(0.05)

    found = edge.numbers()
    # Who waited for the server to come up asked too.
    assert found.pop((requests, "GET", "__unmatched__", "200")) >= 1
    assert {key: value for key, value in found.items() if key[0] == requests} == expected
    things = ("GET", "/api/v1/things/:id", "2xx")
    assert found[f"{DURATION}_count", *things] == 2
    edges = [
        float(key[1])
        for key in found
        if key[0] == f"{DURATION}_bucket" and key[2:] == things and key[1] != "+Inf"
    ]
    assert tuple(sorted(edges)) == BUCKETS
    assert found["http_server_response_body_bytes_total", "GET", "/static/:path"] == 5


def test_nothing_that_identifies_anybody_is_written(edge: Edge) -> None:
    httpx.get(f"{edge.site}/api/v1/things/customer-4711?token=secret")
    deadline = time.monotonic() + DEADLINE_SECONDS
    while "/api/v1/things/:id" not in edge.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)

    for written in (edge.log.read_text(), httpx.get(edge.metrics).text):
        assert "4711" not in written
        assert "secret" not in written
        assert "GET 200 127" not in written


def test_promtool_accepts_what_mtail_counts(edge: Edge) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not edge.numbers():  # of the requests that waited for the server
        assert time.monotonic() < deadline
        time.sleep(0.05)
    page = httpx.get(edge.metrics).text
    ours = "".join(
        line + "\n"
        for line in page.splitlines()
        if line.startswith(("http_server_", "# HELP http_server_", "# TYPE http_server_"))
    )

    checked = subprocess.run(
        [promtool_binary(), "check", "metrics"],
        input=ours, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
