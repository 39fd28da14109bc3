"""`plimsoll dashboards` and `plimsoll rules`: what is made of the signals for other programs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from api import words
from api.panels import signal_panels
from api.settings import FILE, Settings, load

if TYPE_CHECKING:
    from dashboards.writing import Written

dashboards_app = typer.Typer(help="Grafana dashboards from the signals.", no_args_is_help=True)
rules_app = typer.Typer(help="Prometheus rules from the signals.", no_args_is_help=True)
out, err = (
    Console(highlight=False, soft_wrap=True),
    Console(stderr=True, highlight=False, soft_wrap=True),
)

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
    told = Told(sentences=sentences(settings), plimsoll_url=dashboards.plimsoll_url)
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
