"""The door for people who are known to an OpenID Connect provider."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from prometheus_client import CollectorRegistry, Counter
from starlette.responses import RedirectResponse, Response

from api.access import book
from api.access.endings import IN_WORDS, PENDING_SECONDS, Ending, SignInError
from api.access.gate import address_of
from api.access.token import Scope, allowed
from api.access.who import Who
from api.errors import missing
from api.house import House
from api.moments import milliseconds
from api.pages.render import render
from api.pages.signin import SignInAsked, access_of, form, give, is_secure, local, opened
from api.rooms import house_of

if TYPE_CHECKING:
    from api.access.oidc import Provider

routes = APIRouter(include_in_schema=False)

SSO = "oidc"
"""What stands beside a name in the audit log."""
PENDING = "plimsoll_signing_in"
MOST_ONWARD = 1000


@dataclass(frozen=True, slots=True)
class Sso:
    """The provider that people sign in through, if there is one, and how that went."""

    provider: "Provider | None"
    tries: Counter

    def count(self, ending: Ending) -> None:
        """One more."""
        self.tries.labels(ending).inc()


def sso(house: House, registry: CollectorRegistry) -> Sso:
    """For one application; the libraries are loaded only where they are needed."""
    tries = Counter(
        "plimsoll_oidc_sign_ins",
        "Tries to sign in through the OpenID Connect provider, by what became of them.",
        ["ending"],
        registry=registry,
    )
    config = house.settings.server.oidc
    if config is None:
        return Sso(None, tries)
    from api.access.oidc import Provider

    back = f"{house.settings.alerts.public_url}/sign-in/callback"
    return Sso(Provider(config, back), tries)


def sso_of(request: Request) -> Sso:
    """That of the application."""
    found: Sso = request.app.state.sso
    return found


@routes.api_route("/sign-in/oidc", methods=["GET", "HEAD"])
def to_provider(request: Request, asked: Annotated[SignInAsked, Query()]) -> Response:
    """Off to the provider; what has to be the same on the way back stays in this browser."""
    house, sso = house_of(request), sso_of(request)
    if sso.provider is None:
        raise missing("OpenID Connect provider configured")
    try:
        begun = sso.provider.begin(house.now().timestamp())
    except SignInError as error:
        sso.count(error.ending)
        return form(house, asked.next, str(error), 503)
    answer = RedirectResponse(begun.url, 303)
    onward = urlsafe_b64encode(local(asked.next)[:MOST_ONWARD].encode()).decode().rstrip("=")
    answer.set_cookie(
        PENDING,
        f"{begun.kept}.{onward}",
        max_age=PENDING_SECONDS,
        path="/sign-in",
        httponly=True,
        samesite="lax",  # it has to come along when the provider sends the browser back
        secure=is_secure(house),
    )
    return answer


@routes.get("/sign-in/callback")
def from_provider(request: Request) -> Response:
    """Back from the provider: open a session, or say what is wrong."""
    house, sso, access = house_of(request), sso_of(request), access_of(request)
    if sso.provider is None:
        raise missing("OpenID Connect provider configured")
    kept, _, coded = request.cookies.get(PENDING, "").rpartition(".")
    onward = local(decoded(coded))
    try:
        person = sso.provider.finish(kept, dict(request.query_params), house.now().timestamp())
    except SignInError as error:
        sso.count(error.ending)
        status = 503 if error.ending is Ending.UNREACHABLE else 403
        if access.failures.take(address_of(request), milliseconds(house.now())):
            status, told = 429, "Too many tries from there. Wait a minute."
        else:
            told = str(error)
        answer = form(house, onward, told, status)
        answer.delete_cookie(PENDING, path="/sign-in")
        return answer
    if Scope.READ not in allowed(person.scopes):
        sso.count(Ending.NOT_ALLOWED)
        return form(house, onward, IN_WORDS[Ending.NOT_ALLOWED], 403)
    sso.count(Ending.SIGNED_IN)
    now_ms = milliseconds(house.now())
    with house.state.unit() as session:
        token = book.stand_for(session, SSO, person.scopes, now_ms)
        who = Who(token=token, person=person.name)
        asked = "GET", "/sign-in/callback"
        book.note(session, now_ms, who.name, token.id, asked, 200)
    value = opened(house, who, person.name, now_ms)
    # No redirect: the browser would count it as one by the provider, and keep the strict cookie.
    answer = render("signedin.html", {"next": onward, "name": person.name})
    answer.delete_cookie(PENDING, path="/sign-in")
    give(house, answer, value)
    return answer


def decoded(coded: str) -> str:
    """A path from a cookie; empty for what is none."""
    try:
        return urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
    except ValueError:
        return ""
