"""The door for people: a token and a name become a session of this browser."""

import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from api.access import book
from api.access.gate import COOKIE, Access, address_of, cookie, is_foreign
from api.access.token import Refusal, Scope
from api.access.who import Who
from api.errors import ProblemError, ProblemType
from api.house import House
from api.moments import milliseconds
from api.pages.render import render
from api.rooms import Asked, Rooms, house_of

routes = APIRouter(include_in_schema=False)

# Of this site, and no address that a browser would read as another one.
LOCAL = re.compile(r"/(?![/\\])[^\x00-\x20\\]*")
MOST_FORM_BYTES = 4096


class SignInAsked(Asked):
    """Where to go afterwards."""

    next: str = "/"


@routes.api_route("/sign-in", methods=["GET", "HEAD"])
def sign_in(house: Rooms, asked: Annotated[SignInAsked, Query()]) -> Response:
    """The form."""
    return form(house, asked.next)


@routes.post("/sign-in")
async def signed_in(request: Request) -> Response:
    """Open a session, or say what is wrong."""
    house, access = house_of(request), access_of(request)
    if is_foreign(request):
        raise ProblemError(403, "Sign in on the page itself.", type_=ProblemType.FORBIDDEN)
    given = await fields(request)
    text, person, onward = (given.get(name, "").strip() for name in ("token", "person", "next"))
    now_ms = milliseconds(house.now())
    found = await run_in_threadpool(access.door.by_token, text, now_ms)
    if isinstance(found, Refusal):
        access.meters.refused.labels(found.value).inc()
        if access.failures.take(address_of(request), now_ms):
            return form(house, onward, "Too many tries from there. Wait a minute.", 429)
        return form(house, onward, SAID.get(found, "This is no token that is known here."), 401)
    if not found.token.allows(Scope.READ):
        return form(house, onward, "This token may not read: it needs the scope read.", 403)
    if not person:
        return form(house, onward, "Say who you are: it stands beside what you decide.", 422)
    value = await run_in_threadpool(opened, house, found, person[:100], now_ms)
    answer = RedirectResponse(local(onward), 303)
    give(house, answer, value)
    return answer


@routes.post("/sign-out")
async def signed_out(request: Request) -> Response:
    """End the session of this browser."""
    house, value = house_of(request), cookie(request)
    if is_foreign(request):
        raise ProblemError(403, "Sign out on a page itself.", type_=ProblemType.FORBIDDEN)
    if value:
        await run_in_threadpool(closed, house, value)
        access_of(request).door.forget_session(value)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=is_secure(house))
    return answer


SAID = {
    Refusal.EXPIRED: "This token has expired.",
    Refusal.REVOKED: "This token was revoked.",
}


def give(house: House, answer: Response, value: str) -> None:
    """Give a browser the cookie of its session."""
    answer.set_cookie(
        COOKIE,
        value,
        max_age=round(house.settings.server.session),
        httponly=True,
        samesite="strict",
        secure=is_secure(house),
    )


def access_of(request: Request) -> Access:
    """What the gate of this application knows."""
    access: Access = request.app.state.access
    return access


def form(house: House, onward: str, fault: str = "", status: int = 200) -> Response:
    """The page with the form, and what was wrong with the last try."""
    oidc = house.settings.server.oidc
    called = None if oidc is None else oidc.called
    told = {"next": local(onward), "fault": fault, "called": called}
    return render("signin.html", told, status)


def local(onward: str) -> str:
    """Where to go: a path of this site, whatever a link says."""
    return onward if LOCAL.fullmatch(onward) else "/"


async def fields(request: Request) -> dict[str, str]:
    """The fields of the form; the guard has limited the body already."""
    body = (await request.body())[:MOST_FORM_BYTES]
    found = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    return {name: values[0] for name, values in found.items()}


def opened(house: House, who: Who, person: str, now_ms: int) -> str:
    """A new session in the state; the value of its cookie."""
    lasting = timedelta(seconds=house.settings.server.session)
    until_ms = now_ms + round(lasting.total_seconds() * 1000)
    if who.token.expires_ms is not None:
        until_ms = min(until_ms, who.token.expires_ms)
    with house.state.unit() as session:
        return book.open_session(session, who.token, person, now_ms, until_ms)


def closed(house: House, value: str) -> None:
    """End a session."""
    with house.state.unit() as session:
        book.close_session(session, value)


def is_secure(house: House) -> bool:
    """Whether browsers come over https: to us, or to the proxy in front of us."""
    settings = house.settings
    return settings.server.tls is not None or settings.alerts.public_url.startswith("https://")
