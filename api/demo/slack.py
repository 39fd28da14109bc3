"""A Slack for the demo: takes what Plimsoll posts and edits, and hands it to whoever shows it.

It speaks just the calls that Plimsoll makes, on loopback. Nothing leaves the machine.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

Message = dict[str, Any]
CHANNEL = "C0PLIMSOLL"


class DemoSlack(ThreadingHTTPServer):
    """The channel; `on_message` gets what happened ("posted", "edited"...) and the message."""

    daemon_threads = True

    def __init__(self, on_message: Callable[[str, Message], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.on_message = on_message
        self.messages: dict[str, Message] = {}
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True, name="demo slack").start()

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        """The address of its Web API."""
        return f"http://127.0.0.1:{self.server_port}/api/"

    def answer(self, method: str, body: Message) -> Message:
        """What Slack would answer to one call."""
        if method == "chat.postMessage":
            with self.lock:
                ts = f"{1_700_000_000 + len(self.messages)}.000100"
                self.messages[ts] = body
            self.on_message("answered in its thread" if "thread_ts" in body else "posted", body)
            return {"ok": True, "channel": CHANNEL, "ts": ts, "message": {"text": body["text"]}}
        if method == "chat.update":
            self.messages[body["ts"]] = body
            self.on_message("edited", body)
            return {"ok": True, "channel": CHANNEL, "ts": body["ts"], "text": body["text"]}
        if method == "conversations.history":
            found = [{"ts": ts, **message} for ts, message in self.messages.items()]
            return {"ok": True, "messages": found, "has_more": False}
        return {"ok": False, "error": "unknown_method"}


class _Handler(BaseHTTPRequestHandler):
    server: DemoSlack
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        """Stay silent."""

    def do_POST(self) -> None:
        """One call: JSON, or a form whose values may be JSON."""
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if "json" in self.headers.get("Content-Type", ""):
            body = json.loads(raw)
        else:
            body = {name: values[0] for name, values in parse_qs(raw).items()}
        payload = json.dumps(self.server.answer(self.path.rsplit("/", 1)[-1], body)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)
