"""`plimsoll silences`, `maintenance` and `notifications`: of a running Plimsoll, over REST."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from api.acting import By, Config, Json, Url, run, safe, say
from api.columns import timed
from api.settings import FILE

silences = typer.Typer(help="Who is not to be told, until when, and why.", no_args_is_help=True)
maintenance = typer.Typer(
    help="Windows in which a service is worked on, for deployments.", no_args_is_help=True
)
notifications = typer.Typer(help="What was told to whom and why, or why not.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True)

Lasting = Annotated[str, typer.Option("--for", help="How long, like 4h.")]
Matchers = Annotated[
    list[str], typer.Argument(help="Conditions, all of which must hold: service=shop.")
]
Limit = Annotated[int, typer.Option(min=1, max=200, help="At most so many.")]


@silences.command("list", epilog="Example: [bold]plimsoll silences list --state active[/]")
def list_(
    state: Annotated[str, typer.Option(help="pending, active or expired; all when left out.")] = "",
    limit: Limit = 50,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Silences and maintenance windows, newest first; a line each."""
    asked = {"limit": limit, **({"state": state} if state else {})}
    body = run(config, url, "GET", "/silences", params=asked)
    if json:
        out.print_json(data=body)
        return
    say([line(one) for one in body["items"]])
    if not body["items"]:
        out.print("nothing is silenced")
    if body["next_cursor"]:
        out.print("and more: see --limit")


def line(one: dict[str, Any]) -> str:
    """A silence in one line."""
    until, since = timed(one["ends_at"]), timed(one["starts_at"])
    when = f"until {until}" if one["state"] != "pending" else f"from {since}"
    conditions = ", ".join(one["matchers"])
    told = f"{one['id']}  {one['kind']:<11} {one['state']:<8} {when}  {conditions}"
    return f"{told}  {one['created_by']}: {one['comment']}"


@silences.command(
    epilog="Example: [bold]plimsoll silences create service=shop --for 4h --comment 'load test'[/]"
)
def create(
    matchers: Matchers,
    lasting: Lasting,
    by: By,
    comment: Annotated[str, typer.Option("--comment", "-c", help="Why.")],
    config: Annotated[
        Path | None,
        typer.Option("--config", help=f"Configuration; {FILE} is read when it is there."),
    ] = None,
    url: Url = None,
) -> None:
    """Silence alerts from now on."""
    posted = {"matchers": matchers, "for": lasting, "created_by": by, "comment": comment}
    say([line(run(config, url, "POST", "/silences", json=posted))])


@silences.command(epilog="Example: [bold]plimsoll silences expire sil_0123456789abcdef[/]")
def expire(
    silence: Annotated[str, typer.Argument(help="Its id.")],
    config: Config = None,
    url: Url = None,
) -> None:
    """End a silence or a maintenance window now; what it kept quiet and lasts is told."""
    say([line(run(config, url, "POST", f"/silences/{safe(silence)}/expire", json={}))])


@maintenance.command(
    epilog="Example: [bold]plimsoll maintenance start shop --for 20m --comment 'deploy 1.4.2'[/]"
)
def start(
    service: Annotated[str, typer.Argument(help="The service that is worked on.")],
    lasting: Lasting,
    by: By,
    comment: Annotated[str, typer.Option(help="What is done.")] = "",
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Begin a maintenance window now; end it early with `plimsoll silences expire`."""
    posted = {"service": service, "for": lasting, "created_by": by, "comment": comment}
    body = run(config, url, "POST", "/maintenance", json=posted)
    if json:
        out.print_json(data=body)
        return
    say([line(body)])


@notifications.command(
    "list", epilog="Example: [bold]plimsoll notifications list --incident inc_0123456789abcdef[/]"
)
def list_notifications(
    incident: Annotated[str, typer.Option(help="About this incident.")] = "",
    receiver: Annotated[str, typer.Option(help="For this receiver.")] = "",
    limit: Limit = 50,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """What was decided, newest first; a line each."""
    given = {"incident": incident, "receiver": receiver}
    asked = {"limit": limit, **{name: value for name, value in given.items() if value}}
    body = run(config, url, "GET", "/notifications", params=asked)
    if json:
        out.print_json(data=body)
        return
    say(listed(body["items"]))
    if not body["items"]:
        out.print("nothing was decided")
    if body["next_cursor"]:
        out.print("and more: see --limit")


def listed(items: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each."""
    for one in items:
        became = f", {one['delivery']}" if one["delivery"] else ""
        error = f" ({one['error']})" if one["error"] else ""
        told = f"{timed(one['at'])}  {one['incident_id']} v{one['version']}  {one['receiver']:<14}"
        yield f"{told} {one['action']}: {one['reason']}{became}{error}"
