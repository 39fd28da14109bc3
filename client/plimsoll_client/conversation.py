"""What asking Plimsoll consists of beside the network: addresses, retries, tags, problems.

Pure but for the environment that the token is read from, and shared by the plain client and the
asynchronous one. Needs httpx (the extra `rest`).
"""

import json
import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import httpx

from plimsoll_client.listening import PATH, SILENCE_SECONDS, Listening

HERE = "http://127.0.0.1:8750"
PREFIX = "/api/v1"
PAGE = 200
REGRESSIONS_FILE = "/regressions/export"
TOKEN_VARIABLE, FILE_VARIABLE = "PLIMSOLL_TOKEN", "PLIMSOLL_TOKEN_FILE"
PASSING = frozenset({429, 502, 503, 504})
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 60.0
MOST_KEPT = 256

Value = str | int | float | bool | datetime | Sequence[str] | None


class PlimsollError(Exception):
    """Plimsoll did not answer what it was asked; the message says why."""


class UnreachableError(PlimsollError):
    """No answer came."""


class ProblemError(PlimsollError):
    """Plimsoll refused, and says why in problem details (RFC 9457).

    `kind` is the end of their `type`, such as `not-found`; `errors` names each fault of the request
    by `pointer` and `detail`. An answer that has none, as of a proxy, has the kind `other`.
    """

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.kind = str(body.get("type", "")).rpartition(":")[2] or "other"
        self.title, self.detail = str(body.get("title", "")), str(body.get("detail", ""))
        self.errors = [dict(one) for one in body.get("errors", ()) if isinstance(one, Mapping)]
        super().__init__(f"{status} {self.kind}: {self.detail or self.title}")


def token_of(environment: Mapping[str, str] = os.environ) -> str:
    """The token that the environment holds, or the file it names; empty for none."""
    file = environment.get(FILE_VARIABLE, "")
    if file:
        return Path(file).read_text(encoding="utf-8").strip()
    return environment.get(TOKEN_VARIABLE, "").strip()


@dataclass(frozen=True, slots=True)
class Again:
    """Ask once more, after so many seconds."""

    seconds: float


@dataclass(slots=True)
class Conversation:
    """One Plimsoll, as one client knows it: its address, the token, what was answered before."""

    url: str
    token: str = field(repr=False)
    retries: int = 3
    kept: OrderedDict[str, tuple[str, bytes]] = field(default_factory=OrderedDict, repr=False)

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Value],
        body: Mapping[str, Any] | None,
        *,
        kept: bool = True,
    ) -> httpx.Request:
        """What is sent; a GET that was answered before names the tag of that answer if `kept`."""
        asked = {name: written(value) for name, value in params.items() if value is not None}
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            made = httpx.Request(
                method, f"{self.url.rstrip('/')}{PREFIX}{path}", params=asked, json=body
            )
        except httpx.InvalidURL as error:
            raise UnreachableError(f"{self.url!r} is not an address: {error}") from error
        made.headers.update(headers)
        known = self.kept.get(str(made.url)) if method == "GET" and kept else None
        if known is not None:
            made.headers["if-none-match"] = known[0]
        return made

    def failed(self, request: httpx.Request, error: httpx.HTTPError, tried: int) -> Again:
        """What to do when no answer came; only a GET is sent again."""
        if request.method != "GET" or tried >= self.retries:
            raise UnreachableError(f"no answer from {self.url}: {told(error)}") from error
        return Again(FIRST_WAIT_SECONDS * 2**tried)

    def take(self, request: httpx.Request, answer: httpx.Response, tried: int) -> Any:
        """What was answered, or `Again`; a `ProblemError` when it is none."""
        if answer.status_code in PASSING and request.method == "GET" and tried < self.retries:
            return Again(wait_of(answer, tried))
        key = str(request.url)
        if answer.status_code == httpx.codes.NOT_MODIFIED and key in self.kept:
            self.kept.move_to_end(key)
            return json.loads(self.kept[key][1])
        body = json_of(answer)
        if answer.is_success and body is not None:
            self.keep(request, answer)
            return body
        raise self.problem(answer)

    def problem(self, answer: httpx.Response) -> ProblemError:
        """What an answer says is wrong; something that answers no JSON is no Plimsoll."""
        body = json_of(answer)
        if not isinstance(body, Mapping):
            body = {"title": answer.reason_phrase, "detail": f"{self.url} answered no JSON"}
        return ProblemError(answer.status_code, body)

    def cut_off(self, error: httpx.HTTPError) -> UnreachableError:
        """A file did not come, or not to its end."""
        return UnreachableError(f"no whole answer from {self.url}: {told(error)}")

    def listen(self, heard: Listening) -> httpx.Request:
        """The next connection of one who listens."""
        made = self.request("GET", PATH, {}, None, kept=False)
        made.headers.update(heard.begin())
        made.extensions["timeout"] = httpx.Timeout(10.0, read=SILENCE_SECONDS).as_dict()
        return made

    def ended(self, heard: Listening, answer: httpx.Response) -> float:
        """How long to wait after a connection that ended, or was refused for a passing reason."""
        heard.tried += 1
        if answer.is_success and heard.tried <= self.retries:
            return heard.retry_seconds
        if answer.status_code in PASSING and heard.tried <= self.retries:
            return wait_of(answer, heard.tried - 1)
        if answer.is_success:
            raise UnreachableError(f"{self.url} ends each stream before it tells anything")
        raise self.problem(answer)

    def broken(self, heard: Listening, error: httpx.HTTPError) -> float:
        """How long to wait after a connection that broke."""
        heard.tried += 1
        if heard.tried > self.retries:
            raise UnreachableError(f"no answer from {self.url}: {told(error)}") from error
        return heard.retry_seconds

    def keep(self, request: httpx.Request, answer: httpx.Response) -> None:
        """Remember an answer that has a tag; the one asked for longest ago is forgotten."""
        tag = answer.headers.get("etag")
        if request.method != "GET" or not tag:
            return
        key = str(request.url)
        self.kept[key] = tag, answer.content
        self.kept.move_to_end(key)
        while len(self.kept) > MOST_KEPT:
            self.kept.popitem(last=False)


@contextmanager
def arriving(path: Path) -> Iterator[IO[bytes]]:
    """A file that is there under its name once it is whole, and not at all when that fails."""
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}-", delete=False
    ) as file:
        try:
            yield file
            file.close()
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def json_of(answer: httpx.Response) -> Any:
    """What was answered as JSON; None where it is none."""
    try:
        return answer.json()
    except ValueError:
        return None


def told(error: httpx.HTTPError) -> str:
    """What broke."""
    return str(error) or type(error).__name__


def written(value: Value) -> str | list[str]:
    """A value, or each of several, as it stands in an address."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [text(one) for one in value]
    return text(value)


def text(value: Value) -> str:
    """A value as it stands in an address; a time must have a time zone."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time has no time zone; pass one such as datetime.now(UTC)")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def wait_of(answer: httpx.Response, tried: int) -> float:
    """How long to wait: as `Retry-After` says, in seconds or as a date, and a minute at most."""
    said = answer.headers.get("retry-after", "")
    if said.isascii() and said.isdigit():
        return min(float(said), LONGEST_WAIT_SECONDS)
    try:
        until, now = parsedate_to_datetime(said), parsedate_to_datetime(answer.headers["date"])
        seconds = float((until - now).total_seconds())
    except (ValueError, KeyError, TypeError):
        return float(FIRST_WAIT_SECONDS * 2**tried)
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)


def windows_file(name: str) -> str:
    """Where the windows of a signal are as a file."""
    return f"/signals/{safe(name)}/windows/export"


def safe(part: str) -> str:
    """A part of a path, which may be any text."""
    return quote(part, safe="")
