"""The gate in front of everything: which host is asked, how much is sent, which headers go out.

Before anybody has made a token, a foreign page in the user's own browser is the attacker to think
of. A page that rebinds its name to 127.0.0.1 gives itself away by its Host header; one that posts a
form cannot send JSON; and nothing here can be framed.
"""

import logging
import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ProblemError, answer
from api.resources import Resources

log = logging.getLogger(__name__)

MOST_BODY_BYTES = 64 * 1024
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
SECURITY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'self'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
STATIC = "/static/"
FORMS = frozenset({"/sign-in", "/sign-out", "/slack/actions"})
"""What comes without a script; these look at where it comes from, or who signed it, themselves."""
FORM = "application/x-www-form-urlencoded"
OWN_SITES = ("same-origin", "none")
NUL = b"\x00"
"""PostgreSQL holds no text with it, and SQLite ends some at it."""


def allowed_hosts(configured: str, public_url: str) -> frozenset[str]:
    """The hosts that requests may name: loopback, the configured one, that of the public address.

    The public address is what links in messages begin with, so a proxy in front passes it on.
    """
    named = configured.strip("[]").lower()
    hosts = {f"[{named}]" if ":" in named else named}
    public = (urlsplit(public_url).hostname or "").lower()
    hosts.add(f"[{public}]" if ":" in public else public)
    return LOOPBACK | hosts - {""}


class Guard:
    """Refuses what must not come in, adds security headers, and hides what went wrong inside."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str], resources: Resources) -> None:
        self.app, self.resources = app, resources
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if it may come in; answer it here if not, or if the inside fails."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                add_headers(message, scope["path"])
            await send(message)

        request = Request(scope)
        problem = self.refusal(request)
        if problem is None:
            try:
                await self.app(scope, limited(receive), guarded)
                return
            except Exception:
                if begun:  # too late for another answer
                    raise
                log.exception("%s %s failed", scope["method"], scope["path"])
                problem = ProblemError(500, "Something went wrong inside; the log says what.")
        await answer(request, problem)(scope, receive, guarded)

    def refusal(self, request: Request) -> ProblemError | None:
        """Why a request is not let in; None when it is."""
        named = request.headers.getlist("host")
        found = HOST.fullmatch(named[0].lower()) if len(named) == 1 else None
        if found is None:
            return ProblemError(400, "A request needs one Host header that names a host.")
        if found[1] not in self.hosts:
            return ProblemError(
                421,
                f"This server is not {found[1]}. Ask for it by its configured address, or set "
                "`alerts.public_url` to the address that a proxy in front is reached at.",
            )
        if NUL in unquote_to_bytes(request.scope.get("raw_path") or b"") + unquote_to_bytes(
            request.scope["query_string"]
        ):
            return ProblemError(400, "The address holds a NUL, which stands for nothing here.")
        if request.method not in WITH_BODY:
            return None
        # What no route takes is a 405 behind the gate, whatever its body is.
        if self.resources.refuses(request.method, request.scope["path"]):
            return None
        length = request.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > MOST_BODY_BYTES:
            return ProblemError(413, TOO_LARGE)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.scope["path"] in FORMS and kind == FORM:
            return None
        if not kind and is_empty(request):
            if comes_from_elsewhere(request):
                return ProblemError(403, "A page of another site may not change anything here.")
            return None
        if kind != "application/json":
            return ProblemError(415, "Send the body with Content-Type: application/json.")
        return None


def is_empty(request: Request) -> bool:
    """Whether nothing is sent beside the address and the headers."""
    headers = request.headers
    return headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers


def comes_from_elsewhere(request: Request) -> bool:
    """Whether a browser says that a page of another site asks; programs say nothing of the kind.

    Every browser names the origin of a page that posts, and newer ones how it relates to us
    (https://fetch.spec.whatwg.org/#origin-header).
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in OWN_SITES
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers["host"]


TOO_LARGE = f"A body may have {MOST_BODY_BYTES // 1024} KiB at most."


def limited(receive: Receive) -> Receive:
    """The same body, ended with a 413 as soon as it is too large, whatever its length said."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST_BODY_BYTES:
            # The framework passes on only its own exceptions from here.
            raise HTTPException(413, TOO_LARGE)
        return message

    return counted


def add_headers(message: Message, path: str) -> None:
    """Security headers on every response; nothing but the static files may be kept."""
    headers = MutableHeaders(scope=message)
    for name, value in SECURITY.items():
        # The beacon alone says otherwise: it is there for pages of other sites.
        headers.setdefault(name, value)
    headers.setdefault("cache-control", "no-cache" if path.startswith(STATIC) else "no-store")
