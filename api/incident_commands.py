"""`plimsoll incidents`: what belongs together, and the page to fill in afterwards."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from api.acting import AskError, Config, Json, Url, err, fetch, out, run, safe, say
from api.report import report
from api.settings import load

commands = typer.Typer(
    help="Regressions that belong together: list them, look at one, write its report.",
    no_args_is_help=True,
)
Id = Annotated[str, typer.Argument(help="The incident, such as inc_0123456789abcdef.")]


@commands.command("list", epilog="Example: [bold]plimsoll incidents list --state resolved[/]")
def list_(
    state: Annotated[str, typer.Option(help="open or resolved; all when empty.")] = "open",
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 50,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """The incidents that are open, newest first; a line each."""
    asked = {"limit": limit, **({"state": state} if state else {})}
    body = run(config, url, "GET", "/incidents", params=asked)
    if json:
        out.print_json(data=body)
        return
    say(f"{one['id']}  {one['state']:<10} {one['severity']:<8}  {one['heading']}"
        for one in body["items"])  # fmt: skip
    if not body["items"]:
        out.print(f"nothing is {state}" if state else "there was no incident")


@commands.command(epilog="Example: [bold]plimsoll incidents show inc_0123456789abcdef[/]")
def show(incident: Id, config: Config = None, url: Url = None, json: Json = False) -> None:
    """One incident: its regressions, where it probably began, and its life."""
    body = run(config, url, "GET", f"/incidents/{safe(incident)}")
    if json:
        out.print_json(data=body)
        return
    say([f"{body['id']}  {body['state']}, {body['severity']}", body["heading"]])
    if body["origin"]["text"]:
        say([f"origin: {body['origin']['text']}"])
    say(f"  {one['id']}  {one['state']:<14} {one['heading']}" for one in body["items"])
    for one in body["correlations"]:
        say([f"correlated with {one['service']} {one['version']}: {one['text']}"])
    say(f"{one['at'][:16].replace('T', ' ')}  {one['text']}" for one in body["steps"])


@commands.command(
    "report", epilog="Example: [bold]plimsoll incidents report inc_01 --out 2026-03-02-cart[/]"
)
def write_report(
    incident: Id,
    folder: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A new folder for the page and its charts."),
    ] = None,
    config: Config = None,
    url: Url = None,
) -> None:
    """The post-mortem of an incident as Markdown, filled in as far as Plimsoll knows.

    Without a folder the page is printed, and its charts are left out.
    """
    body = run(config, url, "GET", f"/incidents/{safe(incident)}")
    ids = [one["id"] for one in body["items"]]
    lives = {
        id_: run(config, url, "GET", f"/regressions/{safe(id_)}/events")["items"] for id_ in ids
    }
    address = (url or load(config).alerts.public_url).rstrip("/")
    if folder is None:
        out.print(report(body, lives, address, charts=()), markup=False)
        return
    if folder.exists():
        err.print(f"[bold red]error:[/] {escape(str(folder))} is there already: choose another")
        raise typer.Exit(1)
    folder.mkdir(parents=True)
    charts = [id_ for id_ in ids if drawn(body["id"], id_, folder, config, url)]
    page = folder / "README.md"
    page.write_text(report(body, lives, address, charts), encoding="utf-8")
    out.print(f"[bold green]ok:[/] {escape(str(page))}")


def drawn(
    incident: str, regression: str, folder: Path, config: Path | None, url: str | None
) -> bool:
    """Whether there is a chart of a regression now, beside the page."""
    path = f"/incidents/{safe(incident)}/chart.png"
    try:
        picture = fetch(config, url, path, {"regression": regression})
    except AskError as error:
        err.print(f"[yellow]no chart[/] of {escape(regression)}: {escape(str(error))}")
        return False
    (folder / f"{regression}.png").write_bytes(picture)
    return True
