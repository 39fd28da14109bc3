"""The Socket Mode side of the fake Slack: WebSockets that carry presses to whoever listens."""

import json
import threading
from queue import Empty, Queue
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve


class Sockets:
    """A WebSocket server that begins to listen when it is first asked for."""

    def __init__(self) -> None:
        self.acknowledged: Queue[str] = Queue()
        self.connections: list[ServerConnection] = []
        self.opened = 0
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._talking = threading.Condition()

    @property
    def url(self) -> str:
        """Where to connect to."""
        with self._lock:
            if self._server is None:
                self._server = serve(self._talk, "127.0.0.1", 0)
                self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
                self._thread.start()
        port = self._server.socket.getsockname()[1]
        return f"ws://127.0.0.1:{port}/link/?ticket=fake"

    def close(self) -> None:
        """Hang up."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            for connection in list(self.connections):
                connection.close()
            self._thread.join()

    def newest(self, seconds: float = 10) -> ServerConnection:
        """The newest connection; a client may believe in it a moment before we do."""
        with self._talking:
            assert self._talking.wait_for(lambda: self.connections, seconds), "nobody connected"
            return self.connections[-1]

    def drop(self) -> None:
        """The connections break, as they do."""
        self.newest()
        for connection in list(self.connections):
            connection.close()

    def send(self, envelope_id: str, payload: dict[str, Any]) -> None:
        """What somebody pressed, to the newest connection."""
        envelope = {
            "envelope_id": envelope_id,
            "type": "interactive",
            "accepts_response_payload": False,
            "payload": payload,
        }
        self.newest().send(json.dumps(envelope))

    def wait_for(self, envelope_id: str, seconds: float = 10) -> bool:
        """Whether an envelope was acknowledged in time."""
        try:
            return self.acknowledged.get(timeout=seconds) == envelope_id
        except Empty:
            return False

    def _talk(self, connection: ServerConnection) -> None:
        with self._talking:
            self.opened += 1
            self.connections.append(connection)
            self._talking.notify_all()
        try:
            connection.send(json.dumps({"type": "hello", "num_connections": 1}))
            for message in connection:
                self.acknowledged.put(json.loads(message)["envelope_id"])
        except ConnectionClosed:
            pass
        finally:
            self.connections.remove(connection)
