"""`AsyncPlimsoll`: asking a running Plimsoll over REST in asyncio, as `plimsoll_client.api` does.

`api_sync` is made from this file: what is changed here is changed there by a test.

Needs httpx (the extra `rest`).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack, cast

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
    Windows,
)
from plimsoll_client.conversation import (
    HERE,
    PAGE,
    REGRESSIONS_FILE,
    Again,
    Conversation,
    Value,
    arriving,
    safe,
    token_of,
    windows_file,
)
from plimsoll_client.filters import (
    DeploymentFilters,
    EventFilters,
    IncidentFilters,
    JudgementFilters,
    RegressionFilters,
    RegressionRows,
    WindowFilters,
    WindowRows,
)
from plimsoll_client.listening import Listening, Update


class AsyncPlimsoll:
    """A running Plimsoll at `url`. `token` is that of the environment when left out.

    Methods are awaited, lists are read with `async for`.

    `http` is a client of one's own, for proxies and certificates; closing it is up to its owner.
    Every method raises `ProblemError` when Plimsoll refuses and `UnreachableError` when it does not
    answer.
    """

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
        answer = await self.ask("GET", "/signals")
        return cast(list[Signal], answer["items"])

    async def signal(self, name: str) -> Signal:
        """One signal with its rules and series."""
        return cast(Signal, await self.ask("GET", f"/signals/{safe(name)}"))

    async def windows(self, name: str, **filters: Unpack[WindowFilters]) -> Windows:
        """The windows of a signal over a span of time, in columns: what a chart is drawn from."""
        asked = cast(dict[str, Value], filters)
        return cast(Windows, await self.ask("GET", f"/signals/{safe(name)}/windows", asked))

    def regression_rows(self, **filters: Unpack[RegressionRows]) -> AsyncIterator[dict[str, Any]]:
        """Whole history as flat rows, newest first, while they come."""
        return self.rows(REGRESSIONS_FILE, filters)

    def window_rows(
        self, name: str, **filters: Unpack[WindowRows]
    ) -> AsyncIterator[dict[str, Any]]:
        """Stored windows of a signal as flat rows, while they come."""
        return self.rows(windows_file(name), filters)

    async def save_regressions(self, to: str | Path, **filters: Unpack[RegressionRows]) -> Path:
        """The whole history as a Parquet file; it is there once it is whole."""
        return await self.save(REGRESSIONS_FILE, to, filters)

    async def save_windows(self, name: str, to: str | Path, **filters: Unpack[WindowRows]) -> Path:
        """Stored windows of a signal as a Parquet file; it is there once it is whole."""
        return await self.save(windows_file(name), to, filters)

    async def rows(self, path: str, filters: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The rows of a file below `/api/v1`; an `UnreachableError` when it ends too early."""
        async with aclosing(await self.opened(path, {**filters, "format": "ndjson"})) as answer:
            try:
                async for line in answer.aiter_lines():
                    yield json.loads(line)
            except httpx.HTTPError as error:
                raise self.talk.cut_off(error) from error

    async def save(self, path: str, to: str | Path, filters: Mapping[str, Any]) -> Path:
        """A file below `/api/v1` as Parquet, under a name of its own until it is whole."""
        answer = await self.opened(path, {**filters, "format": "parquet"})
        try:
            with arriving(Path(to)) as file:
                async for piece in answer.aiter_bytes():
                    file.write(piece)
        except httpx.HTTPError as error:
            raise self.talk.cut_off(error) from error
        finally:
            await answer.aclose()
        return Path(to)

    async def opened(self, path: str, params: Mapping[str, Any]) -> httpx.Response:
        """An answer whose body is still to come; a problem when it is none."""
        request = self.talk.request("GET", path, params, None, kept=False)
        try:
            answer = await self.http.send(request, stream=True)
            if not answer.is_success:
                await answer.aread()
        except httpx.HTTPError as error:
            raise self.talk.cut_off(error) from error
        if not answer.is_success:
            raise self.talk.problem(answer)
        return answer

    async def stream(self, after: str = "") -> AsyncIterator[Update]:
        """Live updates, for as long as they are read; after a break it goes on where it was.

        `after` is the `id` of the last update that was seen, in another run perhaps. When so many
        connections in a row as `retries` brought nothing, an `UnreachableError` is raised.
        """
        heard = Listening(after)
        while True:
            request = self.talk.listen(heard)
            try:
                async with aclosing(await self.http.send(request, stream=True)) as answer:
                    if answer.is_success:
                        async for line in answer.aiter_lines():
                            update = heard.take(line)
                            if update is not None:
                                yield update
                    else:
                        await answer.aread()
                    wait = self.talk.ended(heard, answer)
            except httpx.HTTPError as error:
                wait = self.talk.broken(heard, error)
            await self.sleep(wait)

    async def deployments(self, **filters: Unpack[DeploymentFilters]) -> list[Deployment]:
        """Deployments of a span, newest first."""
        asked = {"limit": PAGE, **cast(dict[str, Value], filters)}
        answer = await self.ask("GET", "/deployments", asked)
        return cast(list[Deployment], answer["items"])

    async def judgements(self, **filters: Unpack[JudgementFilters]) -> list[Judgement]:
        """Judgements, newest first: why it fired, and why it did not."""
        asked = cast(dict[str, Value], filters)
        answer = await self.ask("GET", "/judgements", asked)
        return cast(list[Judgement], answer["items"])

    async def rules(self) -> list[Rule]:
        """All rules in words and as configured."""
        answer = await self.ask("GET", "/rules")
        return cast(list[Rule], answer["items"])

    async def targets(self) -> list[Target]:
        """All targets and how they are doing."""
        answer = await self.ask("GET", "/targets")
        return cast(list[Target], answer["items"])
