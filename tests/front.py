"""An HTTP server before a Prometheus-compatible API: it counts, checks, spoils, or passes on.

Mimir, Thanos and clusters cannot be had here; what their documentation says they answer is answered
by this, over real HTTP.
"""

import gzip
import json
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import httpx


@dataclass(frozen=True)
class Asked:
    """One request: its path, its headers (names in lower case) and its form."""

    path: str
    headers: dict[str, str]
    form: dict[str, str]

    @property
    def points(self) -> int:
        """How many points of each series a range query asks for."""
        start, end, step = (float(self.form[one]) for one in ("start", "end", "step"))
        return round((end - start) / step) + 1


@dataclass
class Told:
    """One answer; `cut` ends the connection after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


Answer = Callable[[Asked], Told]
EMPTY = {"status": "success", "data": {"resultType": "matrix", "result": []}}


def said(document: object, status: int = 200, **headers: str) -> Told:
    """JSON."""
    kind = {"Content-Type": "application/json"}
    return Told(status, json.dumps(document, separators=(",", ":")).encode(), kind | headers)


def failed(status: int, kind: str, text: str, **headers: str) -> Told:
    """An error as the API writes it."""
    return said({"status": "error", "errorType": kind, "error": text}, status, **headers)


@dataclass
class Front:
    """A running server; `answer` may be changed at any time."""

    answer: Answer
    url: str = ""
    requests: list[Asked] = field(default_factory=list)

    def ranges(self) -> list[Asked]:
        """The range queries that came."""
        return [one for one in self.requests if one.path.endswith("/query_range")]


@contextmanager
def passing_on(upstream: str) -> Iterator[Answer]:
    """Whatever is asked is asked there; the answer comes back compressed."""
    client = httpx.Client(trust_env=False, timeout=30)

    def answer(asked: Asked) -> Told:
        path = asked.path[asked.path.index("/api/v1") :]
        got = client.post(f"{upstream}{path}", data=asked.form)
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return Told(got.status_code, gzip.compress(got.content, 1), headers)

    with client:
        yield answer


@contextmanager
def front(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[Front]:
    """Serve until the block ends."""
    made = Front(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.path, headers, form)
            made.requests.append(asked)
            told = made.answer(asked)
            self.send_response(told.status)
            for name, value in {"Content-Length": str(len(told.body)), **told.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.body if told.cut is None else told.body[: told.cut])
            if told.cut is not None:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that refuses our certificate

    with Server(("127.0.0.1", 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        made.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
        yield made
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Authority:
    """Certificates made for one test: an authority, a server's and a client's that it signed."""

    directory: Path

    @property
    def ca(self) -> Path:
        """Who signs."""
        return self.directory / "ca.pem"

    def file(self, name: str) -> Path:
        """`server.pem`, `server.key`, `client.pem`, `client.key`."""
        return self.directory / name

    def server(self, *, wants_client: bool = False) -> ssl.SSLContext:
        """What a server shows, and whether it wants to be shown something."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file("server.pem"), self.file("server.key"))
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context


def authority(directory: Path, server_name: str = "DNS:prometheus.test,IP:127.0.0.1") -> Authority:
    """Make them with openssl, with keys of a curve, which takes milliseconds."""

    def run(*arguments: str) -> None:
        done = subprocess.run(
            ["openssl", *arguments], cwd=directory, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj",
        "/CN=Plimsoll test", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    for name, alternative in (("server", server_name), ("client", "DNS:plimsoll.test")):
        (directory / f"{name}.ext").write_text(f"subjectAltName={alternative}\n")
        run("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
            "-CAcreateserial", "-extfile", f"{name}.ext", "-out", f"{name}.pem")  # fmt: skip
    return Authority(directory)
