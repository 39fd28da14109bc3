"""`plimsoll slack`: whether Slack takes what is configured, and what a message would look like."""

import json
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from alerts.slack_config import SlackConfig
from api.acting import Config, Json
from api.moments import milliseconds
from api.settings import Settings, load
from detector.regression import Incident

commands = typer.Typer(
    help="Slack: check what is configured, and see a message before it is sent.",
    no_args_is_help=True,
)
out, err = (
    Console(highlight=False, soft_wrap=True),
    Console(stderr=True, highlight=False, soft_wrap=True),
)
MARKS = {"good": "[green]ok[/]    ", "advice": "[yellow]advice[/]", "fault": "[bold red]fault[/] "}


def channels(settings: Settings) -> list[tuple[str, SlackConfig]]:
    """The channels that are configured, by the names of their receivers."""
    ways = settings.alerts.ways()
    those = [(name, way) for name, way in ways if isinstance(way, SlackConfig)]
    if not those:
        err.print(
            "[bold red]error:[/] Slack is not configured: see `alerts.slack` in docs/slack.md"
        )
        raise typer.Exit(1)
    return those


def clock() -> datetime:
    """What time it is, as the loops have it."""
    from api.loops import clock as now  # the servers' libraries load only where they are needed

    return now()


@commands.command("test", epilog="Example: [bold]plimsoll slack test --post[/]")
def check_up(
    config: Config = None,
    post: Annotated[bool, typer.Option("--post", help="Post a message as well.")] = False,
    as_json: Json = False,
) -> None:
    """Check tokens, scopes and channels; ends with 1 where something is broken."""
    from alerts.notifiers.slack_checkup import Finding, Health, examine

    at_ms = milliseconds(clock())
    broken = False
    told: list[tuple[str, list[Finding]]] = []
    for name, one in channels(load(config)):
        findings = list(examine(name, one, post=post, at_ms=at_ms))
        broken |= any(found.health is Health.FAULT for found in findings)
        told.append((name, findings))
    if as_json:
        out.print_json(
            data={
                name: [
                    {"health": one.health.value, "what": one.what, "advice": one.advice}
                    for one in found
                ]
                for name, found in told
            }
        )
    else:
        for name, findings in told:
            out.print(f"[bold]{escape(name)}[/]")
            for found in findings:
                out.print(f"  {MARKS[found.health]} {escape(found.what)}")
                if found.advice:
                    out.print(f"         [dim]{escape(found.advice)}[/]")
    if broken:
        raise typer.Exit(1)


@commands.command("preview", epilog="Example: [bold]plimsoll slack preview inc_0123456789abcdef[/]")
def preview(
    id_: Annotated[
        str, typer.Argument(metavar="ID", help="An incident, or one of its regressions.")
    ],
    config: Config = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The blocks alone, for Block Kit Builder.")
    ] = False,
) -> None:
    """Print the message about an incident as it would be sent now; nothing is sent."""
    from alerts.message import for_terminal, render

    settings = load(config)
    incident = incident_of(settings, id_)
    if incident is None:
        err.print(f"[bold red]error:[/] there is no incident or regression {escape(id_)}")
        raise typer.Exit(1)
    alerts = settings.alerts
    buttons = any(way.manner.buttons for _, way in alerts.ways() if isinstance(way, SlackConfig))
    payload = render(incident, alerts.public_url, panel_url=alerts.panel_url, buttons=buttons)
    shown = {"blocks": payload["blocks"], "attachments": payload["attachments"]}
    if not as_json:
        out.print(escape(for_terminal(payload)))
        out.print()
    out.print(escape(json.dumps(shown, indent=2, ensure_ascii=False)))


def incident_of(settings: Settings, id_: str) -> Incident | None:
    """The incident of that id, or that of the regression of that id."""
    from detector.book import Book
    from storage.state import State

    state, book = State(settings.storage.url()), Book()
    try:
        with state.reading() as session:
            regression = book.regression(session, id_)
            return book.incident(session, regression.incident_id if regression else id_)
    finally:
        state.close()
