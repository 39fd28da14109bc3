"""Beacons and kept pages, answered from the bytes as they came where those leave no doubt.

uvicorn spends more time on a request than all checks of a beacon take. So a request to `/rum` that
came whole in one piece, is written as browsers write it, and finds its connection idle, is read
here and answered at once. Whatever is odd in any way goes through h11 and ASGI as every other
request; both ways end in the same `Endpoint`, and a test compares their answers byte by byte. What
is kept of pages is answered in the same way by `api.front`, if it likes to.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol, RequestResponseCycle

from collector.rum.asgi import PATH, Answer, Endpoint, Request
from collector.rum.refusal import RefusedError

LINE = f"POST {PATH} HTTP/1.1\r\n".encode()
LOOKING = b"GET /"
MOST_LINE_BYTES = 64
MOST_HEAD_BYTES = 8 * 1024
END = b"\r\n\r\n"
# Only what is surely one header a line: no folded lines, no control characters, no empty names. No
# part can begin within another, so that nothing is tried twice whatever is sent.
HEAD = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)+")
# They change what follows, or how the connection ends.
CHANGING = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"})
ONCE = (b"host", b"content-length", b"connection", b"cookie", b"authorization")
LASTING = (b"", b"keep-alive")

Lines = list[tuple[bytes, bytes]]
Take = Callable[[str, Lines, tuple[str, int] | None, Lines], bytes | None]
"""Path, headers, who asks from where, headers that every answer begins with: an answer or None."""


@dataclass(frozen=True, slots=True)
class Quick:
    """Who answers what may be kept: the first lines of such requests with their paths, and how."""

    paths: Mapping[bytes, str]
    take: Take


log = logging.getLogger(__name__)


class Direct(H11Protocol):
    """uvicorn's protocol with a shorter way for beacons and for what is kept."""

    endpoint: ClassVar[Endpoint]
    quick: ClassVar[Quick | None] = None

    def data_received(self, data: bytes) -> None:
        """Answer a beacon or a kept page at once, or hand the bytes on."""
        if data.startswith(LINE) and self.is_idle():
            request = read(data, self.client[0] if self.client else "")
            if request is not None:
                self.transport.write(self.written(answer(self.endpoint, *request)))
                self.on_response_complete()
                return
        if self.quick is not None and data.startswith(LOOKING) and self.is_idle():
            found = self.kept(self.quick, data)
            if found is not None:
                self.transport.write(found)
                self.on_response_complete()
                return
        super().data_received(data)

    def kept(self, quick: Quick, data: bytes) -> bytes | None:
        """What is kept for a request; None where it is no such one, or nothing is."""
        line = data[: data.find(b"\n", 0, MOST_LINE_BYTES) + 1]
        path = quick.paths.get(line)
        # Two questions in one piece are told apart on the long way.
        if path is None or data.find(END) + len(END) != len(data):
            return None
        headers = headers_of(data, line)
        if headers is None or not lasts(headers):
            return None
        try:
            return quick.take(path, headers, self.client, self.server_state.default_headers)
        except Exception:
            log.exception("a kept page failed")
            return None

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


def direct(endpoint: Endpoint, quick: Quick | None = None) -> type[Direct]:
    """The protocol for a server, with what it answers from."""
    return type("DirectTo", (Direct,), {"endpoint": endpoint, "quick": quick})


def read(data: bytes, peer: str) -> tuple[Request, bytes] | None:
    """The request and its body, where the bytes are exactly one request without any doubt."""
    end = data.find(END, 0, MOST_HEAD_BYTES)
    lines = headers_of(data, LINE) if data.startswith(LINE) else None
    if lines is None:
        return None
    request = Request("POST", PATH, b"", lines, peer)
    length = request.headers.get(b"content-length", b"")
    plain = length.isdigit() and len(length) < 6 and lasts(lines)
    body = data[end + len(END) :]
    if not plain or int(length) != len(body):
        return None
    return request, body


def headers_of(data: bytes, line: bytes) -> Lines | None:
    """The headers behind the first line, where they are surely one a line and end in time."""
    end = data.find(END, 0, MOST_HEAD_BYTES)
    if end < 0 or HEAD.fullmatch(data, len(line), end + 2) is None:
        return None
    lines = []
    for one in data[len(line) : end].split(b"\r\n"):
        name, _, value = one.partition(b":")
        lines.append((name.lower(), value.strip(b" \t")))
    return lines


def lasts(lines: Lines) -> bool:
    """Whether a request ends where it seems to, and its connection goes on as it is."""
    headers = dict(lines)
    if b"host" not in headers or not CHANGING.isdisjoint(headers):
        return False
    if len(headers) != len(lines) and twice(lines):
        return False
    return headers.get(b"connection", b"").lower() in LASTING


def twice(lines: Lines) -> bool:
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
