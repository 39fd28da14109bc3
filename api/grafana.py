"""`plimsoll dashboards` and `plimsoll rules`: what is made of the signals for other programs."""

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from api import words
from api.acting import AskError, ask
from api.moments import milliseconds
from api.panels import signal_panels
from api.settings import FILE, Settings, load

if TYPE_CHECKING:
    from dashboards.marks import Mark
    from dashboards.writing import Written

dashboards_app = typer.Typer(help="Grafana dashboards from the signals.", no_args_is_help=True)
rules_app = typer.Typer(help="Prometheus rules from the signals.", no_args_is_help=True)
out, err = (
    Console(highlight=False, soft_wrap=True),
    Console(stderr=True, highlight=False, soft_wrap=True),
)

PAGE_ITEMS = 200

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help=f"Configuration; {FILE} is read when it is there."),
]
Directory = Annotated[Path, typer.Argument(help="Where the files go; made when not there.")]


@dashboards_app.command(
    "write", epilog="Example: [bold]plimsoll dashboards write /etc/plimsoll/grafana[/]"
)
def write_dashboards(directory: Directory, config: Config = None) -> None:
    """Write Grafana dashboards and provisioning files; only what changed is touched."""
    from dashboards.run import write

    settings = load(config)
    try:
        tell(write(directory, signal_panels(settings.definitions), settings.dashboards))
    except OSError as error:
        fail(error)


@dashboards_app.command(
    "push", epilog="Example: [bold]plimsoll dashboards push --dry-run --annotations[/]"
)
def push_dashboards(
    config: Config = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change, line by line.")
    ] = False,
    annotations: Annotated[
        bool,
        typer.Option(
            "--annotations",
            help="Push deployments and regressions as annotations too, from a running Plimsoll.",
        ),
    ] = False,
    days: Annotated[
        float, typer.Option(min=0.01, max=400, help="How far back annotations go.")
    ] = 7,
    url: Annotated[
        str | None, typer.Option(help="Where Plimsoll runs; as configured when left out.")
    ] = None,
) -> None:
    """Push the dashboards into a Grafana over its API: its folder, and only what differs.

    Needs `dashboards.grafana` in the configuration, with the token of a service account.
    """
    from dashboards.grafana import Grafana, GrafanaError
    from dashboards.marks import push_marks
    from dashboards.normalise import normalise
    from dashboards.push import Fate, push
    from dashboards.sheets import dashboards

    settings = load(config)
    target = settings.dashboards.grafana
    if target is None:
        err.print("[bold red]error:[/] `dashboards.grafana` is not configured: url and token_file")
        raise typer.Exit(1)
    made = dashboards(signal_panels(settings.definitions), settings.dashboards)
    try:
        marks = marks_of(config, url, days) if annotations else []
        with Grafana(target, time.sleep) as grafana:
            done = push(grafana, target, [normalise(one) for one in made], dry_run=dry_run)
            done += push_marks(grafana, marks, dry_run=dry_run)
    except (GrafanaError, AskError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(1) from None
    for one in done:
        why = f": {one.why}" if one.why else ""
        out.print(f"{one.fate:>12} {escape(one.what)}{escape(why)}")
        for line in one.diff if dry_run else ():
            out.print(escape(f"             {line}"))
    if any(one.fate is Fate.REFUSED for one in done):
        raise typer.Exit(1)


def marks_of(config: Path | None, url: str | None, days: float) -> "list[Mark]":
    """What a running Plimsoll knows of the last days."""
    from api.loops import clock
    from dashboards.marks import of_deployment, of_regression

    now = clock()
    since = (now - timedelta(days=days)).isoformat()
    return [
        *(of_deployment(one) for one in every(config, url, "/deployments", since)),
        *(
            of_regression(one, milliseconds(now))
            for one in every(config, url, "/regressions", since)
        ),
    ]


def every(config: Path | None, url: str | None, path: str, since: str) -> Iterator[dict[str, Any]]:
    """What all pages of an answer hold."""
    asked: dict[str, Any] = {"since": since, "limit": PAGE_ITEMS}
    while True:
        page = ask(config, url, "GET", path, params=asked)
        yield from page["items"]
        if not page.get("next_cursor"):
            return
        asked["cursor"] = page["next_cursor"]


@rules_app.command("export", epilog="Example: [bold]plimsoll rules export /etc/prometheus/rules[/]")
def export_rules(directory: Directory, config: Config = None) -> None:
    """Write Prometheus recording and alerting rules, with tests for promtool.

    What PromQL cannot say is told rule by rule, here and in the files.
    """
    from dashboards.promrules import WHY_NOT
    from dashboards.rule_export import export
    from dashboards.rules import Told, rule_files

    settings = load(config)
    definitions, dashboards = settings.definitions, settings.dashboards
    told = Told(
        sentences=sentences(settings),
        plimsoll_url=dashboards.plimsoll_url,
        grafana_url=dashboards.grafana.url if dashboards.grafana else "",
    )
    try:
        tell(export(directory, definitions.signals, definitions.rules, told))
    except OSError as error:
        fail(error)
    for one in rule_files(definitions.signals, definitions.rules, told):
        for rule, missing in one.exported.items():
            out.print(f"{rule}: without {', '.join(missing)}")
        for rule, why in one.refused.items():
            out.print(f"{rule}: not exported, {WHY_NOT[why]}")


def sentences(settings: Settings) -> Mapping[str, str]:
    """Every rule in the words of Plimsoll's pages."""
    definitions = settings.definitions
    return {
        name: words.trigger(rule, definitions.signals[rule.signal])
        for name, rule in definitions.rules.items()
    }


def tell(written: "list[Written]") -> None:
    """What became of each file."""
    for one in written:
        out.print(f"{one.outcome:>9} {escape(str(one.path))}")


def fail(error: OSError) -> None:
    """Say what a directory does not allow, and end."""
    err.print(f"[bold red]error:[/] {escape(str(error.filename))}: {error.strerror}")
    raise typer.Exit(1) from None
