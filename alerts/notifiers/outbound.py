"""HTTP on its way out: no redirects, nothing link-local, one deadline, "was it written?" answered.

`urllib` alone would follow a redirect with the Authorization header, and does not say whether a
connection broke before or after the request was written, on which hangs whether it may be sent
again.
"""

import http.client
import ipaddress
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any

LARGEST_ANSWER_BYTES = 8 * 1024 * 1024
# Cloud metadata services that are not link-local.
METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254")))


class NotConnectedError(OSError):
    """Nothing was written: no such name, refused, no route, no trust, or a forbidden address."""


class AnswerTooLargeError(OSError):
    """The answer is larger than any answer of Slack."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    headers: Message
    body: str


def send(request: urllib.request.Request, timeout_seconds: float) -> Answer:
    """Send once. NotConnectedError: surely not sent; any other exception: nobody knows."""
    with Line(timeout_seconds) as line:
        opener = urllib.request.build_opener(Plain(line), Tls(line), NoRedirect())
        try:
            with opener.open(request, timeout=timeout_seconds) as response:
                return read(response.status, response.headers, response)
        except urllib.error.HTTPError as error:
            with error:
                return read(error.code, error.headers, error)
        except urllib.error.URLError as error:
            # urllib wraps what happens while connecting and writing, and nothing else.
            raise (error.reason if isinstance(error.reason, OSError) else error) from None


def read(status: int, headers: Message, response: IO[bytes]) -> Answer:
    """The whole answer as text, up to a limit."""
    body = response.read(LARGEST_ANSWER_BYTES + 1)
    if len(body) > LARGEST_ANSWER_BYTES:
        raise AnswerTooLargeError("the answer is too large")
    return Answer(status, headers, body.decode("utf-8", "replace"))


class Line:
    """Cuts the connection when the call as a whole takes too long.

    The socket's own time-out starts anew with every byte, so a peer that drips would hold the
    delivery for hours.
    """

    def __init__(self, seconds: float) -> None:
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> "Line":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def holds(self, connected: socket.socket) -> None:
        """Remember what to cut; refuse addresses that no message is meant for."""
        self._socket = connected
        address = ipaddress.ip_address(connected.getpeername()[0].split("%")[0])
        if address.is_link_local or address in METADATA:
            raise NotConnectedError(f"{address} is link-local or a metadata service")

    def _cut(self) -> None:
        if self._socket is not None:
            try:
                # Through the plain class: TLS would want to say goodbye first.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                self._socket = None  # already closed


def connected(
    connect: Callable[[], None], connection: http.client.HTTPConnection, line: Line
) -> None:
    """Connect, and turn every failure to do so into "nothing was written"."""
    try:
        connect()
        line.holds(connection.sock)
    except NotConnectedError:
        connection.close()
        raise
    except OSError as error:
        connection.close()
        raise NotConnectedError(*error.args) from error


class Plain(urllib.request.HTTPHandler):
    """http, over a line."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a connection that belongs to the line."""
        line = self._line

        class Connection(http.client.HTTPConnection):
            def connect(self) -> None:
                connected(super().connect, self, line)

        return self.do_open(Connection, request)


class Tls(urllib.request.HTTPSHandler):
    """https, over a line."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a connection that belongs to the line."""
        line = self._line

        class Connection(http.client.HTTPSConnection):
            def connect(self) -> None:
                connected(super().connect, self, line)

        return self.do_open(Connection, request)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are answers like others."""

    def redirect_request(self, *_: Any) -> None:
        """Never elsewhere."""


def retry_after(headers: Mapping[str, Any]) -> float | None:
    """The seconds of Retry-After; None when there are none that can be read."""
    value = next((v for k, v in headers.items() if k.lower() == "retry-after"), None)
    try:
        return float(value[0] if isinstance(value, list) else str(value))
    except ValueError:
        return None
