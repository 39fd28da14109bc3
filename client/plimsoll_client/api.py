"""Asking a running Plimsoll over REST, with types: `Plimsoll`, and `AsyncPlimsoll` beside it.

    with Plimsoll("https://plimsoll.example") as plimsoll:
        for one in plimsoll.regressions(state="open", severity="critical"):
            print(one["heading"], one["links"]["page"])

Lists come page by page while they are read. What did not change is not sent again (ETag), and a GET
that fails for a passing reason is sent again, as `Retry-After` says. Changes are sent once. The
token comes from `PLIMSOLL_TOKEN`, or from the file that `PLIMSOLL_TOKEN_FILE` names.

Needs httpx (the extra `rest`).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack, cast
from urllib.parse import quote

try:
    import httpx
except ImportError as missing:
    raise ImportError("plimsoll_client.api needs httpx: pip install httpx") from missing

from plimsoll_client.answers import (
    Deployment,
    Event,
    Incident,
    Judgement,
    Regression,
    Rule,
    Signal,
    Summary,
    Target,
    WholeIncident,
    WholeRegression,
)
from plimsoll_client.conversation import (
    Again,
    Conversation,
    PlimsollError,
    ProblemError,
    UnreachableError,
    Value,
    token_of,
)

__all__ = ["AsyncPlimsoll", "Plimsoll", "PlimsollError", "ProblemError", "UnreachableError"]

HERE = "http://127.0.0.1:8750"
PAGE = 200
Moment = datetime | str


class Span(TypedDict, total=False):
    """From when until when, RFC 3339 or an aware time; `limit` is the most items of a page."""

    since: Moment
    until: Moment
    limit: int


class RegressionFilters(Span, total=False):
    """Which regressions: as the parameters of `GET /regressions`."""

    state: str
    kind: str
    severity: str
    signal: str
    rule: str
    target: str


class IncidentFilters(Span, total=False):
    """Which incidents: as the parameters of `GET /incidents`."""

    state: str
    severity: str


class EventFilters(Span, total=False):
    """Which events: as the parameters of `GET /events`."""

    about: str
    step: str
    actor: str
    regression: str
    incident: str


class DeploymentFilters(Span, total=False):
    """Which deployments: as the parameters of `GET /deployments`."""

    service: str


class JudgementFilters(Span, total=False):
    """Which judgements: as the parameters of `GET /judgements`."""

    rule: str
    signal: str
    series: str
    verdict: str
    reason: str
    gate: str


class Plimsoll:
    """A running Plimsoll at `url`. `token` is that of the environment when left out.

    `http` is a client of one's own, for proxies and certificates; closing it is up to its owner.
    Every method raises `ProblemError` when Plimsoll refuses and `UnreachableError` when it does not
    answer.
    """

    sleep = staticmethod(time.sleep)

    def __init__(
        self,
        url: str = HERE,
        *,
        token: str | None = None,
        timeout_seconds: float = 10.0,
        retries: int = 3,
        http: httpx.Client | None = None,
    ) -> None:
        self.talk = Conversation(url, token_of() if token is None else token, retries)
        self.owned = http is None
        self.http = http or httpx.Client(timeout=timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections."""
        if self.owned:
            self.http.close()

    def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, Value] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """The JSON that `path`, below `/api/v1`, answers; for what has no method of its own."""
        request = self.talk.request(method, path, params or {}, body)
        tried = 0
        while True:
            try:
                answer = self.http.send(request)
                found = self.talk.take(request, answer, tried)
            except httpx.HTTPError as error:
                found = self.talk.failed(request, error, tried)
            if not isinstance(found, Again):
                return found
            tried += 1
            self.sleep(found.seconds)

    def pages(self, path: str, filters: Mapping[str, Any]) -> Iterator[Any]:
        """Every item of a list, page after page; right while new ones come in."""
        asked: dict[str, Value] = {"limit": PAGE, **filters}
        while True:
            page = self.ask("GET", path, asked)
            yield from page["items"]
            if page.get("next_cursor") is None:
                return
            asked["cursor"] = page["next_cursor"]

    def summary(self, target: str | None = None) -> Summary:
        """The whole state in one small answer."""
        return cast(Summary, self.ask("GET", "/summary", {"target": target}))

    def regressions(self, **filters: Unpack[RegressionFilters]) -> Iterator[Regression]:
        """Regressions, newest first; all that ever were, unless filters say otherwise."""
        return self.pages("/regressions", filters)

    def regression(self, regression_id: str) -> WholeRegression:
        """One regression with all that is known of it."""
        return cast(WholeRegression, self.ask("GET", f"/regressions/{safe(regression_id)}"))

    def act(
        self, regression_id: str, action: str, actor: str, reason: str = "", **more: str
    ) -> WholeRegression:
        """Acknowledge, resolve, accept, mute, ... a regression; it as it is then."""
        path = f"/regressions/{safe(regression_id)}/{safe(action)}"
        body = {"actor": actor, "reason": reason, **more}
        return cast(WholeRegression, self.ask("POST", path, body=body))

    def incidents(self, **filters: Unpack[IncidentFilters]) -> Iterator[Incident]:
        """Incidents, newest first."""
        return self.pages("/incidents", filters)

    def incident(self, incident_id: str) -> WholeIncident:
        """One incident with all that is known of it."""
        return cast(WholeIncident, self.ask("GET", f"/incidents/{safe(incident_id)}"))

    def events(self, **filters: Unpack[EventFilters]) -> Iterator[Event]:
        """What happened to regressions and incidents, newest first."""
        return self.pages("/events", filters)

    def signals(self) -> list[Signal]:
        """All signals and how they stand."""
        return cast(list[Signal], self.ask("GET", "/signals")["items"])

    def signal(self, name: str) -> Signal:
        """One signal with its rules and series."""
        return cast(Signal, self.ask("GET", f"/signals/{safe(name)}"))

    def deployments(self, **filters: Unpack[DeploymentFilters]) -> list[Deployment]:
        """Deployments of a span, newest first."""
        answer = self.ask("GET", "/deployments", {"limit": PAGE, **cast(dict[str, Value], filters)})
        return cast(list[Deployment], answer["items"])

    def judgements(self, **filters: Unpack[JudgementFilters]) -> list[Judgement]:
        """Judgements, newest first: why it fired, and why it did not."""
        return cast(
            list[Judgement],
            self.ask("GET", "/judgements", cast(dict[str, Value], filters))["items"],
        )

    def rules(self) -> list[Rule]:
        """All rules in words and as configured."""
        return cast(list[Rule], self.ask("GET", "/rules")["items"])

    def targets(self) -> list[Target]:
        """All targets and how they are doing."""
        return cast(list[Target], self.ask("GET", "/targets")["items"])


class AsyncPlimsoll:
    """The same for asyncio: methods are awaited, lists are read with `async for`."""

    sleep = staticmethod(asyncio.sleep)

    def __init__(
        self,
        url: str = HERE,
        *,
        token: str | None = None,
        timeout_seconds: float = 10.0,
        retries: int = 3,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.talk = Conversation(url, token_of() if token is None else token, retries)
        self.owned = http is None
        self.http = http or httpx.AsyncClient(timeout=timeout_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give back the connections."""
        if self.owned:
            await self.http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, Value] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """The JSON that `path`, below `/api/v1`, answers; for what has no method of its own."""
        request = self.talk.request(method, path, params or {}, body)
        tried = 0
        while True:
            try:
                answer = await self.http.send(request)
                found = self.talk.take(request, answer, tried)
            except httpx.HTTPError as error:
                found = self.talk.failed(request, error, tried)
            if not isinstance(found, Again):
                return found
            tried += 1
            await self.sleep(found.seconds)

    async def pages(self, path: str, filters: Mapping[str, Any]) -> AsyncIterator[Any]:
        """Every item of a list, page after page; right while new ones come in."""
        asked: dict[str, Value] = {"limit": PAGE, **filters}
        while True:
            page = await self.ask("GET", path, asked)
            for one in page["items"]:
                yield one
            if page.get("next_cursor") is None:
                return
            asked["cursor"] = page["next_cursor"]

    async def summary(self, target: str | None = None) -> Summary:
        """The whole state in one small answer."""
        return cast(Summary, await self.ask("GET", "/summary", {"target": target}))

    def regressions(self, **filters: Unpack[RegressionFilters]) -> AsyncIterator[Regression]:
        """Regressions, newest first; all that ever were, unless filters say otherwise."""
        return self.pages("/regressions", filters)

    async def regression(self, regression_id: str) -> WholeRegression:
        """One regression with all that is known of it."""
        return cast(WholeRegression, await self.ask("GET", f"/regressions/{safe(regression_id)}"))

    async def act(
        self, regression_id: str, action: str, actor: str, reason: str = "", **more: str
    ) -> WholeRegression:
        """Acknowledge, resolve, accept, mute, ... a regression; it as it is then."""
        path = f"/regressions/{safe(regression_id)}/{safe(action)}"
        body = {"actor": actor, "reason": reason, **more}
        return cast(WholeRegression, await self.ask("POST", path, body=body))

    def incidents(self, **filters: Unpack[IncidentFilters]) -> AsyncIterator[Incident]:
        """Incidents, newest first."""
        return self.pages("/incidents", filters)

    async def incident(self, incident_id: str) -> WholeIncident:
        """One incident with all that is known of it."""
        return cast(WholeIncident, await self.ask("GET", f"/incidents/{safe(incident_id)}"))

    def events(self, **filters: Unpack[EventFilters]) -> AsyncIterator[Event]:
        """What happened to regressions and incidents, newest first."""
        return self.pages("/events", filters)

    async def signals(self) -> list[Signal]:
        """All signals and how they stand."""
        return cast(list[Signal], (await self.ask("GET", "/signals"))["items"])

    async def signal(self, name: str) -> Signal:
        """One signal with its rules and series."""
        return cast(Signal, await self.ask("GET", f"/signals/{safe(name)}"))

    async def deployments(self, **filters: Unpack[DeploymentFilters]) -> list[Deployment]:
        """Deployments of a span, newest first."""
        asked = {"limit": PAGE, **cast(dict[str, Value], filters)}
        return cast(list[Deployment], (await self.ask("GET", "/deployments", asked))["items"])

    async def judgements(self, **filters: Unpack[JudgementFilters]) -> list[Judgement]:
        """Judgements, newest first: why it fired, and why it did not."""
        asked = cast(dict[str, Value], filters)
        return cast(list[Judgement], (await self.ask("GET", "/judgements", asked))["items"])

    async def rules(self) -> list[Rule]:
        """All rules in words and as configured."""
        return cast(list[Rule], (await self.ask("GET", "/rules"))["items"])

    async def targets(self) -> list[Target]:
        """All targets and how they are doing."""
        return cast(list[Target], (await self.ask("GET", "/targets"))["items"])


def safe(part: str) -> str:
    """A part of a path, which may be any text."""
    return quote(part, safe="")
