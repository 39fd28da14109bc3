"""`plimsoll regressions`: the history and the actions of a running Plimsoll, over REST."""

import getpass
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from api import credentials
from api.columns import timed
from api.credentials import CredentialsError
from api.settings import FILE, load
from detector.actions import Action

if TYPE_CHECKING:
    import httpx

commands = typer.Typer(
    help="What got worse: list it, look at it, and say what to do about it.",
    no_args_is_help=True,
)
out, err = (
    Console(highlight=False, soft_wrap=True),
    Console(stderr=True, highlight=False, soft_wrap=True),
)
API = "/api/v1"
ANSWER_SECONDS = 10.0
UNAUTHORIZED = 401

Id = Annotated[str, typer.Argument(help="The regression, such as reg_0123456789abcdef.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help=f"Configuration; {FILE} is read when it is there."),
]
Url = Annotated[str | None, typer.Option(help="Where Plimsoll runs; as configured when left out.")]
Json = Annotated[bool, typer.Option("--json", help="The answer as JSON, for scripts.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why, for those who read it later.")]
By = Annotated[
    str,
    typer.Option(
        "--by",
        help="Who decides; PLIMSOLL_ACTOR, or whoever runs the command, when left out.",
        envvar="PLIMSOLL_ACTOR",
        show_envvar=False,
        default_factory=lambda: whoever(),
        show_default=False,
    ),
]


def whoever() -> str:
    """Whose process this is; a container may not know its users by name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # which of them depends on the version of Python
        return f"uid {os.getuid()}"


class AskError(Exception):
    """An answer that is no answer; the message says what to do."""


def ask(config: Path | None, url: str | None, method: str, path: str, **more: Any) -> Any:
    """What a running Plimsoll answers; an `AskError` says what went wrong."""
    return body_of(*asked(config, url, method, path, **more))


def fetch(config: Path | None, url: str | None, path: str, params: Mapping[str, str]) -> bytes:
    """The bytes of an answer that is no JSON."""
    address, answer = asked(config, url, "GET", path, params=dict(params))
    if answer.is_error:
        body_of(address, answer)  # which raises
    return answer.content


def asked(
    config: Path | None, url: str | None, method: str, path: str, **more: Any
) -> "tuple[str, httpx.Response]":
    """Where a Plimsoll runs, and its answer; an `AskError` when there is none."""
    import httpx  # loads only where it is needed

    server = load(config).server
    address = (url or server.url).rstrip("/")
    try:
        answer = httpx.request(
            method,
            f"{address}{API}{path}",
            timeout=ANSWER_SECONDS,
            headers=credentials.headers(),
            verify=credentials.trusted(server, url),
            **more,
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise AskError(f"{address!r} is not an address") from None
    except CredentialsError as error:
        raise AskError(str(error)) from None
    except httpx.TransportError as error:
        raise AskError(unanswered(address, error)) from None
    return address, answer


def unanswered(address: str, error: Exception) -> str:
    """Why no answer came, and what to do about it."""
    import httpx

    why = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return f"{address} gave no answer within {ANSWER_SECONDS:g} s: it is busy, or out of reach"
    if "CERTIFICATE_VERIFY_FAILED" in why:
        return f"the certificate of {address} is not trusted ({why})"
    if "[SSL" in why or isinstance(error, httpx.RemoteProtocolError):
        return f"{address} is answered in another way: is it http or https? ({why})"
    if "refused" in why.lower():
        return f"no Plimsoll runs at {address}: start it with plimsoll run"
    return f"{address} cannot be asked ({why})"


def body_of(address: str, answer: "httpx.Response") -> Any:
    """The JSON of an answer, or an `AskError` with the problem that it tells."""
    try:
        body = answer.json()
        problem = body["detail"] if answer.is_error else ""
    except (ValueError, KeyError, TypeError):
        raise AskError(
            f"{address} answered {answer.status_code}, but not as this Plimsoll does"
        ) from None
    if answer.status_code == UNAUTHORIZED:
        raise AskError(f"{problem} {credentials.HOW}")
    if answer.is_error:
        raise AskError(str(problem))
    return body


def say(lines: Iterable[str]) -> None:
    """Lines as they are, without markup."""
    for line in lines:
        out.print(escape(line))


def run(config: Path | None, url: str | None, method: str, path: str, **more: Any) -> Any:
    """Ask, or end with 1 and one message."""
    try:
        return ask(config, url, method, path, **more)
    except AskError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(1) from None


@commands.command("list", epilog="Example: [bold]plimsoll regressions list --state over[/]")
def list_(
    state: Annotated[
        str, typer.Option(help="open, over, or one state such as muted; all when empty.")
    ] = "open",
    kind: Annotated[str, typer.Option(help="regression, improvement or any.")] = "regression",
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 50,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """The regressions that are open, newest first; a line each."""
    asked = {"kind": kind, "limit": limit, **({"state": state} if state else {})}
    body = run(config, url, "GET", "/regressions", params=asked)
    if json:
        out.print_json(data=body)
        return
    say(listed(body["items"]))
    if not body["items"]:
        out.print(f"nothing is {state}" if state else "nothing has regressed")
    if body["next_cursor"]:
        out.print("and more: see --limit")


def listed(items: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each: id, state, severity, heading."""
    for one in items:
        yield f"{one['id']}  {one['state']:<14} {one['severity']:<8}  {one['heading']}"


@commands.command(epilog="Example: [bold]plimsoll regressions show reg_0123456789abcdef[/]")
def show(regression: Id, config: Config = None, url: Url = None, json: Json = False) -> None:
    """One regression: what, why, its whole life, and what can be done with it."""
    body = run(config, url, "GET", f"/regressions/{safe(regression)}")
    if json:
        out.print_json(data=body)
        return
    say(told(body))


def safe(text: str) -> str:
    """A part of a path."""
    from urllib.parse import quote

    return quote(text, safe="")


def told(one: dict[str, Any]) -> Iterator[str]:
    """A regression as text."""
    yield f"{one['id']}  {one['state']}, {one['severity']}"
    yield one["summary"]
    yield one["why"]
    if one["tags"]:
        yield f"tags: {', '.join(one['tags'])}"
    yield ""
    for step in one["transitions"]:
        why = f": {step['reason']}" if step["reason"] else ""
        yield f"  {timed(step['at'])}  {step['step']} by {step['actor']}{why}"
    if one["suggestion"]:
        yield ""
        yield one["suggestion"]
    if one["actions"]:
        yield ""
        yield f"possible: {', '.join(one['actions'])}"


def take(
    action: Action,
    regression: str,
    by: str,
    reason: str,
    config: Path | None,
    url: str | None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Take an action and say where the regression is then."""
    posted = {"actor": by, "reason": reason, **more}
    body = run(config, url, "POST", f"/regressions/{safe(regression)}/{action}", json=posted)
    say([f"{body['id']}  {body['state']}: {body['heading']}"])


@commands.command(epilog="Example: [bold]plimsoll regressions acknowledge reg_01 --by ada[/]")
def acknowledge(
    regression: Id, by: By, reason: Reason = "", config: Config = None, url: Url = None
) -> None:
    """Say that somebody is at it."""
    take(Action.ACKNOWLEDGE, regression, by, reason, config, url)


@commands.command(epilog="Example: [bold]plimsoll regressions resolve reg_01 --by ada[/]")
def resolve(
    regression: Id, by: By, reason: Reason = "", config: Config = None, url: Url = None
) -> None:
    """Close it by hand; what is still there after half an hour reopens it."""
    take(Action.RESOLVE, regression, by, reason, config, url)


@commands.command(
    epilog="Example: [bold]plimsoll regressions accept reg_01 --by ada -r 'on purpose'[/]"
)
def accept(
    regression: Id, by: By, reason: Reason = "", config: Config = None, url: Url = None
) -> None:
    """Accept it as the new normal: the baseline begins anew where the change set in."""
    take(Action.ACCEPT, regression, by, reason, config, url)


@commands.command(epilog="Example: [bold]plimsoll regressions mute reg_01 --by ada --for 4h[/]")
def mute(
    regression: Id,
    by: By,
    reason: Reason = "",
    lasting: Annotated[
        str, typer.Option("--for", help="How long, like 4h; until it is resolved if left out.")
    ] = "",
    config: Config = None,
    url: Url = None,
) -> None:
    """Tell nobody of it for a while; it is still judged and shown."""
    more = {"for": lasting} if lasting else {}
    take(Action.MUTE, regression, by, reason, config, url, more)


@commands.command(epilog="Example: [bold]plimsoll regressions unmute reg_01 --by ada[/]")
def unmute(
    regression: Id, by: By, reason: Reason = "", config: Config = None, url: Url = None
) -> None:
    """End its mute."""
    take(Action.UNMUTE, regression, by, reason, config, url)


@commands.command(
    "false-positive", epilog="Example: [bold]plimsoll regressions false-positive reg_01 --by ada[/]"
)
def false_positive(
    regression: Id, by: By, reason: Reason = "", config: Config = None, url: Url = None
) -> None:
    """Say that it is none: it is over, and the same breach stays quiet while it lasts."""
    take(Action.FALSE_POSITIVE, regression, by, reason, config, url)


@commands.command(
    epilog="Example: [bold]plimsoll regressions comment reg_01 'see ticket 4711' --by ada[/]"
)
def comment(
    regression: Id,
    text: Annotated[str, typer.Argument(help="What to note.")],
    by: By,
    config: Config = None,
    url: Url = None,
) -> None:
    """Note something in its life."""
    take(Action.COMMENT, regression, by, text, config, url)
