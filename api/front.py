"""Kept answers from the bytes of a request as they came, where those leave no doubt.

The way through h11, ASGI and the framework takes four times as long as all that has to be decided
about a request whose answer is there already. So the decisions are taken here, by the same guard,
gate and meters, in the same order, and the answer goes out at once. Whoever has to be refused or
counted otherwise, who asks in an unusual way, and whatever would have to wait for anything goes the
long way; a test compares what the two answer.
"""

from time import perf_counter
from weakref import WeakKeyDictionary

from starlette.requests import Request
from starlette.types import Message, Scope

from api.access.gate import Gate
from api.access.who import Who
from api.guard import Guard, add_headers
from api.kept import Answer, Question
from api.sharing import SHARED, Shared
from api.timing import HEADER, told
from plimsoll_client.middleware import RequestMetrics, is_page
from plimsoll_client.timing import may_see_timing, with_timing
from storage.cost import Tally

LINES = {f"GET {path} HTTP/1.1\r\n".encode(): path for path in sorted(SHARED)}
METHOD, STATUS = "GET", 200
OTHERWISE = frozenset(
    {
        b"content-length",
        b"forwarded",
        b"if-none-match",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-real-ip",
    }
)
"""Headers of requests that are left to the long way: what a proxy adds is read by the server."""

RawHeaders = list[tuple[bytes, bytes]]


class Front:
    """Takes every decision about a request for a kept answer, as the middlewares would.

    `guard`, `gate` and `meters` are made as those of the application; nothing is passed on to what
    they stand in front of.
    """

    def __init__(self, shared: Shared, guard: Guard, gate: Gate, meters: RequestMetrics) -> None:
        self.shared, self.guard, self.gate, self.meters = shared, guard, gate, meters
        self._heads: WeakKeyDictionary[Answer, bytes] = WeakKeyDictionary()

    def take(
        self, path: str, headers: RawHeaders, client: tuple[str, int] | None, default: RawHeaders
    ) -> bytes | None:
        """All bytes of an answer, `default` headers first; None where it is for the long way."""
        began = perf_counter()
        if not OTHERWISE.isdisjoint([name for name, _ in headers]):
            return None
        scope: Scope = {
            "type": "http", "method": METHOD, "path": path, "raw_path": path.encode(),
            "query_string": b"", "headers": headers, "client": client,
        }  # fmt: skip
        request = Request(scope)
        if self.guard.refusal(request) is not None:
            return None
        answer = self.admitted(request)
        if answer is None:
            return None
        spent = perf_counter() - began
        lines: RawHeaders = [(HEADER.encode(), told(Tally(), spent).encode())]
        start: Message = {"headers": answer.headers}
        page = is_page(scope, start)
        if may_see_timing(self.meters.expose_timing, scope):
            lines = with_timing({"headers": lines}, spent)["headers"]
        scope.update(answer.found)
        size = len(answer.body)
        self.meters.record(scope, METHOD, STATUS, perf_counter() - began, size, page=page)
        return b"".join(
            (
                b"HTTP/1.1 200 OK\r\n",
                written(default),
                self.head(path, answer),
                written(lines),
                b"\r\n",
                answer.body,
            )
        )

    def admitted(self, request: Request) -> Answer | None:
        """The answer for whoever asks, if he may have it and it is there."""
        gate, now_ms = self.gate, self.shared.clock()
        demanded = gate.door.demanded_lately(now_ms)
        if demanded is None:
            return None
        who = gate.known(request, now_ms) if demanded else None
        if demanded and not isinstance(who, Who):
            return None
        named = who if isinstance(who, Who) else None
        question = Question.of(request.scope["path"], b"", named, request.headers)
        found = self.shared.at_once(question)
        if found is None:
            return None
        # Last, because it counts: who is refused here is asked again on the long way.
        if named is not None and gate.refusal(request, named, now_ms) is not None:
            return None
        self.shared.meters.answers[found[1]].inc()
        return found[0]

    def head(self, path: str, answer: Answer) -> bytes:
        """The headers that an answer has each time, written once."""
        known = self._heads.get(answer)
        if known is None:
            message: Message = {"type": "http.response.start", "headers": list(answer.headers)}
            add_headers(message, path)
            known = self._heads[answer] = written(message["headers"])
        return known


def written(headers: RawHeaders) -> bytes:
    """Headers as lines."""
    return b"".join([b"%b: %b\r\n" % one for one in headers])
