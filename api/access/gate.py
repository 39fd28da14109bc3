"""The gate behind the guard: who asks, whether he may, and what he changed.

As long as there is no token, nobody is asked, and Plimsoll listens on loopback only. From the first
token on everything but health, static files and what carries a key of its own needs one.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from prometheus_client import CollectorRegistry, Counter
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import book, policy
from api.access.door import Door
from api.access.throttle import Throttle, prefix_of
from api.access.token import Refusal
from api.access.token import Scope as Allowed
from api.access.who import ANONYMOUS, CURRENT, Who
from api.errors import ProblemError, ProblemType, answer, wants_page
from storage.state import State

COOKIE = "plimsoll_session"
FAILURES_PER_SECOND, FAILURES_AT_ONCE = 10 / 60, 20
REQUESTS_AT_ONCE_SECONDS = 10
REPLAYED = b"idempotency-replayed"
OWN_SITES = ("same-origin", "none")


class AccessMeters:
    """Who was not let in, by reason."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refused = Counter(
            "plimsoll_access_refused_total",
            "Requests that were not let in, by reason.",
            ["reason"],
            registry=registry,
        )
        for one in Refusal:
            self.refused.labels(one.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the gate and the page with the form share. `clock` tells milliseconds of the epoch."""

    door: Door
    clock: Callable[[], int]
    meters: AccessMeters
    requests: Throttle
    failures: Throttle = field(
        default_factory=lambda: Throttle(FAILURES_PER_SECOND, FAILURES_AT_ONCE)
    )

    @classmethod
    def of(
        cls,
        state: State,
        clock: Callable[[], int],
        registry: CollectorRegistry,
        requests_per_second: float,
        *,
        sso: bool = False,
    ) -> "Access":
        """For one application."""
        burst = requests_per_second * REQUESTS_AT_ONCE_SECONDS
        return cls(
            door=Door(state, sso=sso),
            clock=clock,
            meters=AccessMeters(registry),
            requests=Throttle(requests_per_second, burst),
        )


class Gate:
    """Asks everybody who he is, once there is a token."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access, self.door = app, access, access.door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request, now_ms = Request(scope), self.access.clock()
        who: Who | None = None
        demanded = self.door.demanded_lately(now_ms)  # a thread for each request would cost more
        if demanded is None:
            demanded = await asyncio.to_thread(self.door.demanded, now_ms)
        if demanded:
            found = self.known(request, now_ms)
            if found is None:
                found = await asyncio.to_thread(self.identify, request, now_ms)
            refusal = self.refusal(request, found, now_ms)
            if refusal is not None:
                await self.turn_away(refusal, request, now_ms)(scope, receive, send)
                return
            who = found if isinstance(found, Who) else None
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                # An answer that is given again changed nothing.
                repeated = any(name == REPLAYED for name, _ in message["headers"])
                status = 0 if repeated else message["status"]
            await send(message)

        held = CURRENT.set(who)
        try:
            await self.app(scope, receive, watched)
        finally:
            CURRENT.reset(held)
        if 200 <= status < 400 and policy.changes(request.method, scope["path"]):
            await asyncio.to_thread(self.note, request, who, status, now_ms)

    def known(self, request: Request, now_ms: int) -> Who | Refusal | None:
        """Who asks, where that needs no look into the state."""
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if kind:
            bears = kind.lower() == "bearer"
            return self.door.by_token_lately(text.strip(), now_ms) if bears else None
        value = cookie(request)
        return self.door.by_cookie_lately(value, now_ms) if value else None

    def identify(self, request: Request, now_ms: int) -> Who | Refusal:
        """Who asks: by the header if there is one, else by the cookie."""
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if kind:
            known = kind.lower() == "bearer"
            return self.door.by_token(text.strip(), now_ms) if known else Refusal.UNKNOWN
        value = cookie(request)
        return self.door.by_cookie(value, now_ms) if value else Refusal.MISSING

    def refusal(self, request: Request, found: Who | Refusal, now_ms: int) -> Refusal | None:
        """Why a request is not let in; None when it is."""
        scope = policy.needed(request.method, request.scope["path"])
        if scope is None:
            return None
        if isinstance(found, Refusal):
            return found
        if not found.token.allows(scope):
            return Refusal.SCOPE
        if found.person and request.method not in policy.SAFE and is_foreign(request):
            return Refusal.CROSS_SITE
        late = self.access.requests.take(found.token.id, now_ms)
        return Refusal.TOO_MANY_REQUESTS if late else None

    def turn_away(self, refusal: Refusal, request: Request, now_ms: int) -> ASGIApp:
        """The answer to somebody who is not let in; a browser is led to the door."""
        failed = refusal in (Refusal.UNKNOWN, Refusal.REVOKED, Refusal.EXPIRED)
        wait = self.access.failures.take(address_of(request), now_ms) if failed else 0.0
        if wait:
            refusal = Refusal.THROTTLED
        self.access.meters.refused.labels(refusal.value).inc()
        signs_in = refusal in (Refusal.MISSING, Refusal.EXPIRED, Refusal.REVOKED, Refusal.UNKNOWN)
        if signs_in and wants_page(request) and request.method in policy.SAFE:
            path = request.scope["path"] + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/sign-in?next={quote(path, safe='')}", 303)
        needs = policy.needed(request.method, request.scope["path"]) or Allowed.READ
        return answer(request, problem_of(refusal, needs, wait))

    def note(self, request: Request, who: Who | None, status: int, now_ms: int) -> None:
        """Write down what somebody changed."""
        name, id_ = (ANONYMOUS, "") if who is None else (who.name, who.token.id)
        with self.door.state.unit() as session:
            asked = request.method, request.scope["path"]
            book.note(session, now_ms, name, id_, asked, status)


SAID = {
    Refusal.MISSING: "Send a token: Authorization: Bearer plimsoll_... "
    "`plimsoll token create` makes one.",
    Refusal.UNKNOWN: "This is no token that is known here.",
    Refusal.EXPIRED: "This token has expired; `plimsoll token create` makes a new one.",
    Refusal.REVOKED: "This token was revoked.",
    Refusal.CROSS_SITE: "A page of another site may not change anything here.",
    Refusal.THROTTLED: "Too many tokens that are none came from there; wait a little.",
    Refusal.TOO_MANY_REQUESTS: "This token asks too often; see `server.requests_per_second`.",
}


def problem_of(refusal: Refusal, needs: Allowed, wait: float) -> ProblemError:
    """The problem details of a refusal."""
    retry = {"retry-after": str(max(1, round(wait)))}
    match refusal:
        case Refusal.SCOPE:
            told = f"This token may not do that: it needs the scope {needs.value}."
            return ProblemError(403, told, type_=ProblemType.FORBIDDEN)
        case Refusal.CROSS_SITE:
            return ProblemError(403, SAID[refusal], type_=ProblemType.FORBIDDEN)
        case Refusal.THROTTLED | Refusal.TOO_MANY_REQUESTS:
            kind = ProblemType.TOO_MANY_REQUESTS
            return ProblemError(429, SAID[refusal], type_=kind, headers=retry)
        case _:
            error = "" if refusal is Refusal.MISSING else ', error="invalid_token"'
            headers = {"www-authenticate": f'Bearer realm="plimsoll"{error}'}
            kind = ProblemType.UNAUTHORIZED
            return ProblemError(401, SAID[refusal], type_=kind, headers=headers)


def cookie(request: Request) -> str:
    """The value of our cookie; empty where there is none that could be ours."""
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    value = "" if found is None else found.value
    return value if len(value) == 64 and value.isalnum() and value.isascii() else ""


def is_foreign(request: Request) -> bool:
    """Whether a browser asks on behalf of another site, or does not say on whose.

    Cookies go along with such requests in browsers that do not know SameSite.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in OWN_SITES
    origin = request.headers.get("origin", "")
    return urlsplit(origin).netloc != request.headers.get("host", "")


def address_of(request: Request) -> str:
    """Where a request comes from, as far as that counts as one."""
    return prefix_of(request.client.host if request.client else "")
