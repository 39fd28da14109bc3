"""Grafana's HTTP API, as far as pushing needs it: folders, dashboards, annotations.

Every failure has a name and says what to do. Reads are repeated when Grafana is busy; a write is
not, because only a read tells whether it was done.
"""

import json
import ssl
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dashboards.config import GrafanaConfig, UnfitTokenError

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]

READS = 3
PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
TOLD = 200  # characters of Grafana's own message


class Refusal(StrEnum):
    """Why Grafana did not do what was asked."""

    TOKEN = "token"
    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    INVALID = "invalid"
    BUSY = "busy"
    SERVER = "server"
    NOT_GRAFANA = "not_grafana"
    TOO_MANY = "too_many"


HINTS = {
    Refusal.TOKEN: "make a service account in Grafana and give its token in `token_file`",
    Refusal.UNREACHABLE: "is `dashboards.grafana.url` right, and does Grafana run?",
    Refusal.UNAUTHORIZED: "the token is unknown, expired, or of another Grafana",
    Refusal.FORBIDDEN: "the service account needs the role Editor, or the permissions to write "
    "dashboards and annotations and to create folders",
    Refusal.NOT_FOUND: "is the subpath in `dashboards.grafana.url` missing?",
    Refusal.CONFLICT: "somebody changed it meanwhile; push again",
    Refusal.INVALID: "this Grafana does not take it as it is",
    Refusal.BUSY: "it answers too many requests; push again later",
    Refusal.SERVER: "see Grafana's log, and push again later",
    Refusal.TOO_MANY: "what is there already could not be told, so nothing was written; delete "
    "annotations with the tag `plimsoll` that nobody needs",
    Refusal.NOT_GRAFANA: "`dashboards.grafana.url` leads to a login page or to another program",
}
NAME_EXISTS = "name-exists"
NAMED_ALIKE = "another dashboard of the folder has this title; rename or delete it"
BY_STATUS = {
    401: Refusal.UNAUTHORIZED,
    403: Refusal.FORBIDDEN,
    404: Refusal.NOT_FOUND,
    409: Refusal.CONFLICT,
    412: Refusal.CONFLICT,
    429: Refusal.BUSY,
}
UNSURE = frozenset({Refusal.UNREACHABLE, Refusal.SERVER, Refusal.BUSY})
"""After these nobody knows whether a write was done."""


class GrafanaError(Exception):
    """Grafana did not do it: why, what it said, and what to do."""

    def __init__(
        self, refusal: Refusal, said: str, retry_after: float | None = None, status: str = ""
    ) -> None:
        self.refusal = refusal
        self.retry_after = retry_after
        self.status = status
        hint = NAMED_ALIKE if status == NAME_EXISTS else HINTS[refusal]
        super().__init__(f"{said}: {hint}")


class Grafana:
    """A client of one Grafana. `wait` is called between attempts, with seconds."""

    def __init__(self, config: GrafanaConfig, wait: Callable[[float], None]) -> None:
        self._wait = wait
        try:
            token = config.secret().get_secret_value()
        except UnfitTokenError as unfit:
            raise GrafanaError(Refusal.TOKEN, str(unfit)) from None
        import httpx  # loads only where Grafana is asked

        self._client = httpx.Client(
            base_url=f"{config.url}/api",
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=config.timeout,
            trust_env=False,  # the token is sent to nobody but the configured address
            follow_redirects=False,
            verify=ssl.create_default_context(cafile=config.ca_file) if config.ca_file else True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def read(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """The JSON of an address, tried again while Grafana is busy; None where nothing is."""
        for left in reversed(range(READS)):
            try:
                return self._ask("GET", path, params=dict(parameters or {}))
            except GrafanaError as error:
                if error.refusal is Refusal.NOT_FOUND:
                    return None
                if error.refusal not in UNSURE or not left:
                    raise
                self.pause(error, READS - left)
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def write(self, method: str, path: str, body: Json) -> Any:
        """Send a change, once."""
        return self._ask(method, path, json=body)

    def pause(self, error: GrafanaError, attempt: int) -> None:
        """Wait before the next attempt, as long as Grafana asks for."""
        seconds = error.retry_after if error.retry_after is not None else PAUSE_SECONDS * attempt
        self._wait(min(seconds, LONGEST_PAUSE_SECONDS))

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        import httpx

        try:
            answer = self._client.request(method, path, **more)
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise GrafanaError(Refusal.UNREACHABLE, f"Grafana did not answer ({why})") from None
        return understood(method, path, answer)


def understood(method: str, path: str, answer: "httpx.Response") -> Any:
    """The JSON of an answer, or a `GrafanaError`."""
    what = f"{method} /api{path}: {answer.status_code}"
    try:
        body = json.loads(answer.content)
    except ValueError:
        body = None
    if answer.is_success and body is not None:
        return body
    if answer.is_server_error:
        raise GrafanaError(Refusal.SERVER, what, seconds_of(answer.headers.get("Retry-After")))
    if body is None:  # a page for people, or a redirect to one
        raise GrafanaError(Refusal.NOT_GRAFANA, what)
    told = body if isinstance(body, dict) else {}
    said = f"{what} {str(told.get('message', ''))[:TOLD]}".strip()
    refusal = BY_STATUS.get(answer.status_code, Refusal.INVALID)
    wait = seconds_of(answer.headers.get("Retry-After"))
    raise GrafanaError(refusal, said, wait, str(told.get("status", "")))


def seconds_of(header: str | None) -> float | None:
    """`Retry-After` in seconds; a date is not waited for."""
    return float(header) if header is not None and header.isdecimal() else None
