"""The wire of the fake Slack: reads requests, and mangles answers on their way back."""

import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from tests.slack_fake import FakeSlack, Reply


class Server(ThreadingHTTPServer):
    """One thread for each connection; what a killed client leaves behind is no news."""

    daemon_threads = True
    slack: "FakeSlack"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Reads a request, lets Slack answer, and mangles the answer if asked to."""

    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        body: dict[str, Any] = {}
        if self.path.startswith("/upload/"):
            self.server.slack.take_bytes(self.path, raw)
        elif raw:
            is_json = "json" in self.headers.get("Content-Type", "")
            body = json.loads(raw) if is_json else dict(parse_qsl(raw.decode()))
        from tests.slack_fake import Dropped, Slow

        reply, how = self.server.slack.answer(self.path, token, body)
        match how:
            case Dropped():
                self.connection.shutdown(socket.SHUT_RDWR)
            case Slow(seconds, drip=True):
                self._write(reply, drip_seconds=seconds)
            case Slow(seconds):
                self.server.slack.stopping.wait(seconds)
                self._write(reply)
            case _:
                self._write(reply)

    def _write(self, reply: "Reply", drip_seconds: float = 0) -> None:
        payload = reply.body.encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        kind = "application/json" if payload.startswith(b"{") else "text/plain"
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if not drip_seconds:
            self.wfile.write(payload)
            return
        for byte in payload:
            if self.server.slack.stopping.wait(drip_seconds):
                return
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
