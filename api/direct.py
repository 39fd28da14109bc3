"""Beacons answered from the bytes as they came, where those leave no doubt.

uvicorn spends more time on a request than all checks of a beacon take. So a request to `/rum` that
came whole in one piece, is written as browsers write it, and finds its connection idle, is read
here and answered at once. Whatever is odd in any way goes through h11 and ASGI as every other
request; both ways end in the same `Endpoint`, and a test compares their answers byte by byte.
"""

import logging
import re
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol, RequestResponseCycle

from collector.rum.asgi import PATH, Answer, Endpoint, Request
from collector.rum.refusal import RefusedError

LINE = f"POST {PATH} HTTP/1.1\r\n".encode()
MOST_HEAD_BYTES = 8 * 1024
END = b"\r\n\r\n"
# Only what is surely one header a line: no folded lines, no control characters, no empty names. No
# part can begin within another, so that nothing is tried twice whatever is sent.
HEAD = re.compile(
    LINE.replace(b".", rb"\.") + rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)+"
)
# They change what follows, or how the connection ends.
CHANGING = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"})
ONCE = (b"host", b"content-length", b"connection")
LASTING = (b"", b"keep-alive")

log = logging.getLogger(__name__)


class Direct(H11Protocol):
    """uvicorn's protocol with a shorter way for beacons."""

    endpoint: ClassVar[Endpoint]

    def data_received(self, data: bytes) -> None:
        """Answer a beacon at once, or hand the bytes on."""
        if data.startswith(LINE) and self.is_idle():
            request = read(data, self.client[0] if self.client else "")
            if request is not None:
                self.transport.write(self.written(answer(self.endpoint, *request)))
                self.on_response_complete()
                return
        super().data_received(data)

    def is_idle(self) -> bool:
        """Whether nothing is under way on this connection, and nothing waits either way."""
        known = self.conn
        # uvicorn declares it as if there always were one.
        cycle: RequestResponseCycle | None = self.cycle
        return (
            (cycle is None or cycle.response_complete)
            and known.our_state is h11.IDLE
            and known.their_state is h11.IDLE
            and not known.trailing_data[0]
            and not self.flow.write_paused
            and self.limit_concurrency is None
        )

    def written(self, told: Answer) -> bytes:
        """An answer as h11 would write it."""
        status, headers = told
        if status != 204:
            headers = [*headers, (b"content-length", b"0")]
        lines = [b"%b: %b\r\n" % one for one in (*self.server_state.default_headers, *headers)]
        return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, STATUS_PHRASES[status], b"".join(lines))


def direct(endpoint: Endpoint) -> type[Direct]:
    """The protocol for a server, with the endpoint that it answers from."""
    return type("DirectTo", (Direct,), {"endpoint": endpoint})


def read(data: bytes, peer: str) -> tuple[Request, bytes] | None:
    """The request and its body, where the bytes are exactly one request without any doubt."""
    end = data.find(END, 0, MOST_HEAD_BYTES)
    if end < 0 or HEAD.fullmatch(data, 0, end + 2) is None:
        return None
    lines = []
    for line in data[len(LINE) : end].split(b"\r\n"):
        name, _, value = line.partition(b":")
        lines.append((name.lower(), value.strip(b" \t")))
    request = Request("POST", PATH, b"", lines, peer)
    headers = request.headers
    length = headers.get(b"content-length", b"")
    if b"host" not in headers or not CHANGING.isdisjoint(headers):
        return None
    if len(headers) != len(lines) and twice(lines):
        return None
    lasts = headers.get(b"connection", b"").lower() in LASTING
    plain = length.isdigit() and len(length) < 6 and lasts
    body = data[end + len(END) :]
    if not plain or int(length) != len(body):
        return None
    return request, body


def twice(lines: list[tuple[bytes, bytes]]) -> bool:
    """Whether a header that says where a request ends, or who is asked, is there twice."""
    names = [name for name, _ in lines]
    return any(names.count(one) > 1 for one in ONCE)


def answer(endpoint: Endpoint, request: Request, body: bytes) -> Answer:
    """What a request is answered with."""
    try:
        return endpoint.take(request, endpoint.admit(request), body)
    except RefusedError as refused:
        return endpoint.refuse(request, refused.reason)
    except Exception:
        log.exception("a beacon failed")
        return 500, []
