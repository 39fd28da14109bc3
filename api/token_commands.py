"""`plimsoll token`: who may come in. Works on the state itself, whether Plimsoll runs or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlmodel import Session

from api.access import book
from api.access.token import Scope, Token
from api.loops import clock
from api.moments import milliseconds
from api.settings import FILE, load
from storage.duration import Seconds
from storage.state import State

commands = typer.Typer(
    help="Who may come in: make a token, list them, revoke one.", no_args_is_help=True
)
out, err = (
    Console(highlight=False, soft_wrap=True),
    Console(stderr=True, highlight=False, soft_wrap=True),
)
SPAN: TypeAdapter[float] = TypeAdapter(Seconds)
BY_COMMAND = "command line"

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help=f"Configuration; {FILE} is read when it is there."),
]


@commands.command(epilog="Example: [bold]plimsoll token create ci --scope ingest --expires 90d[/]")
def create(
    name: Annotated[str, typer.Argument(help="What it is called in the audit log.")],
    scope: Annotated[
        list[Scope] | None, typer.Option("--scope", "-s", help="What it may do; read if left out.")
    ] = None,
    expires: Annotated[
        str, typer.Option(help="How long it lasts, like 90d; for good if empty.")
    ] = "",
    config: Config = None,
) -> None:
    """Make a token and print it, this once.

    From the first one on, every page and every request needs a token; before it, Plimsoll listens
    on this machine only and asks nobody.
    """
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise stop("a name has 1 to 100 printable characters")
    now_ms = milliseconds(clock())
    until_ms = now_ms + round(lasting(expires) * 1000) if expires else None
    with opened(config) as session:
        first = not book.any_live(session, now_ms)
        made, text = book.create(session, name, scope or [Scope.READ], now_ms, until_ms)
        note(session, now_ms, "POST", made)
    err.print(f"Token {made.id} ({escape(name)}) may {', '.join(made.scopes)}. Keep it safe:")
    out.print(text, markup=False)
    if first:
        err.print("From now on everybody is asked for a token; it takes seconds to be noticed.")


@commands.command("list")
def list_(config: Config = None) -> None:
    """All tokens, the newest first; never their secrets."""
    with opened(config) as session:
        found = book.tokens(session)
    if not found:
        err.print("There is no token: nobody is asked, and Plimsoll listens on loopback only.")
        return
    now_ms = milliseconds(clock())
    table = Table("id", "name", "scopes", "state", "last used", box=None, pad_edge=False)
    for one in found:
        state = one.refusal(now_ms) or ("until " + day(one.expires_ms) if one.expires_ms else "")
        last = day(one.used_ms) if one.used_ms else "never"
        table.add_row(one.id, escape(one.name), " ".join(one.scopes), state or "for good", last)
    out.print(table)


@commands.command(epilog="Example: [bold]plimsoll token revoke 0123456789ab[/]")
def revoke(
    token: Annotated[str, typer.Argument(help="Its id, as `plimsoll token list` shows it.")],
    config: Config = None,
) -> None:
    """End a token, and the sessions that were opened with it."""
    now_ms = milliseconds(clock())
    with opened(config) as session:
        found = book.revoke(session, token, now_ms)
        if found is None:
            raise stop(f"there is no token {token}; plimsoll token list shows them")
        note(session, now_ms, "DELETE", found)
        left = book.any_live(session, now_ms)
    err.print(f"Token {found.id} ({escape(found.name)}) lets nobody in any more.")
    if not left:
        err.print("It was the last one: on loopback nobody is asked from now on.")


@contextmanager
def opened(config: Path | None) -> Iterator[Session]:
    """One unit of work on the state that the configuration names."""
    settings = load(config)
    settings.storage.directory.mkdir(parents=True, exist_ok=True)
    state = State(settings.storage.url())
    try:
        state.migrate()
        with state.unit() as session:
            yield session
    finally:
        state.close()


def note(session: Session, now_ms: int, method: str, token: Token) -> None:
    """The audit log says what the command line did, too."""
    book.note(session, now_ms, BY_COMMAND, "", (method, f"/api/v1/tokens/{token.id}"), 200)


def lasting(text: str) -> float:
    """A span in seconds; the message says how one is written."""
    try:
        return SPAN.validate_python(text)
    except ValidationError:
        raise stop(f"{text!r} is no span: write 12h, 90d or 52w") from None


def stop(text: str) -> typer.Exit:
    """One message, and the end."""
    err.print(f"[bold red]error:[/] {escape(text)}")
    return typer.Exit(1)


def day(at_ms: int) -> str:
    """`2026-03-02 12:00 UTC`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
