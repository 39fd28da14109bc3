"""The command line: builds what a command needs, runs it, and says plainly what is wrong."""

import asyncio
import difflib
import logging
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from api import collecting, credentials, explaining, listing, replaying, silencing
from api.acting import commands as regressions_app
from api.addressing import commands as routes_app
from api.beacon import commands as beacon_app
from api.credentials import CredentialsError
from api.database_commands import commands as databases_app
from api.grafana import dashboards_app, rules_app
from api.incident_commands import commands as incidents_app
from api.moments import milliseconds
from api.progress import bar
from api.settings import FILE, Settings, SettingsError, chosen, load
from api.setup import commands as setup_app
from api.slack import commands as slack_app
from api.summary_command import command as summary
from api.token_commands import commands as token_app
from detector import units
from storage.duration import written

if TYPE_CHECKING:
    from api.house import House

app = typer.Typer(
    name="plimsoll",
    help="Says what got slower, since when, by how much and after which deployment.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
# Parts of the list of commands; what runs Plimsoll stands above them, in none.
LOOK, WHY = "Look at a running Plimsoll", "Why it is so, and what would be"
TOLD, BESIDE = "Who is told", "For Grafana, Prometheus, browsers and databases"

deployments_app = typer.Typer(help="Deployments, as CI reports them.", no_args_is_help=True)
signals_app = typer.Typer(invoke_without_command=True)
app.add_typer(databases_app, name="databases", rich_help_panel=LOOK)
app.add_typer(deployments_app, name="deployments")
app.add_typer(regressions_app, name="regressions", rich_help_panel=LOOK)
app.add_typer(routes_app, name="routes", rich_help_panel=TOLD)
app.add_typer(silencing.silences, name="silences", rich_help_panel=TOLD)
app.add_typer(silencing.maintenance, name="maintenance", rich_help_panel=TOLD)
app.add_typer(silencing.notifications, name="notifications", rich_help_panel=TOLD)
app.add_typer(slack_app, name="slack", rich_help_panel=TOLD)
app.add_typer(signals_app, name="signals", rich_help_panel=WHY)
app.add_typer(beacon_app, name="beacon", rich_help_panel=BESIDE)
app.add_typer(dashboards_app, name="dashboards", rich_help_panel=BESIDE)
app.add_typer(rules_app, name="rules", rich_help_panel=BESIDE)
app.add_typer(setup_app, name="setup", rich_help_panel=BESIDE)
app.add_typer(incidents_app, name="incidents", rich_help_panel=LOOK)
app.add_typer(token_app, name="token")

app.command("summary", epilog="Example: [bold]plimsoll summary --json[/]", rich_help_panel=LOOK)(
    summary
)
for listed, example in (
    (listing.targets, "plimsoll targets"),
    (listing.events, "plimsoll events --step opened"),
    (listing.judgements, "plimsoll judgements --verdict rejected --reason min_delta"),
    (listing.vitals, "plimsoll vitals --by route --metric LCP"),
    (listing.caches, "plimsoll caches"),
    (listing.resources, "plimsoll resources"),
    (listing.audit, "plimsoll audit --limit 10"),
):
    app.command(epilog=f"Example: [bold]{example}[/]", rich_help_panel=LOOK)(listed)
deployments_app.command("list", epilog="Example: [bold]plimsoll deployments list[/]")(
    listing.deployments
)
app.command(
    "replay",
    epilog="Example: [bold]plimsoll replay --days 30 --rule draft.yaml[/]",
    rich_help_panel=WHY,
)(replaying.command)
app.command(
    "collect", epilog="Example: [bold]plimsoll collect sessions --once[/]", rich_help_panel=WHY
)(collecting.command)
app.command(
    "explain",
    epilog="Example: [bold]plimsoll explain 'api_p95{target=\"shop\"}'[/]",
    rich_help_panel=WHY,
)(explaining.command)

out, err = (
    Console(highlight=False, soft_wrap=True),
    Console(stderr=True, highlight=False, soft_wrap=True),
)

LOOK_SECONDS = 0.5

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help=f"Configuration; {FILE} is read when it is there."),
]


def main() -> None:
    """The entry point: errors that a person can mend end in one message, not in a traceback."""
    from api.serve import StartError  # the servers' libraries load only where they are needed
    from storage.archive import BackupError
    from storage.duckfile import HistoryError
    from storage.state import StateError

    try:
        app()
    except SettingsError as error:
        show(error)
        sys.exit(1)
    except (StartError, BackupError, HistoryError, StateError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(1)


def show(error: SettingsError) -> None:
    """Every fault of a configuration, in the order of the file."""
    err.print(f"[bold red]error:[/] {escape(str(error))}")
    for fault in error.faults:
        where = f"line {fault.line}: " if fault.line else ""
        err.print(f"  {where}[bold]{escape(fault.key or 'the file')}[/] {escape(fault.reason)}")
        if fault.hint:
            err.print(f"      [dim]{escape(fault.hint)}[/]")


def tell_version(asked: bool) -> None:
    """Print the version and end; as a callback, since without a command nothing else is called."""
    if asked:
        out.print(f"plimsoll {installed_version('plimsoll')}")
        raise typer.Exit


@app.callback()
def before(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=tell_version
        ),
    ] = False,
) -> None:
    """Options of the program itself."""


@app.command(
    epilog="Example: [bold]plimsoll run[/], then open http://127.0.0.1:8750",
)
def run(
    config: Config = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log more, for finding faults.")
    ] = False,
) -> None:
    """Collect, judge, tell and serve, until Ctrl-C."""
    from api.serve import run as run_until_stopped

    settings = load(config)
    speak(verbose=verbose)
    out.print(escape(started(config, settings)))

    async def meanwhile(house: "House") -> None:
        greet(house.settings)
        await follow(house)
        await read_past(house)
        await asyncio.Event().wait()  # until a signal ends it all

    run_until_stopped(settings, meanwhile)
    out.print("stopped")


def started(config: Path | None, settings: Settings) -> str:
    """Which version runs, as which file says, and where its data is; whole paths, since a script
    may have changed the folder.
    """
    file = chosen(config)
    says = f"there is no {FILE.absolute()}: the defaults hold" if file is None else file.absolute()
    data = settings.storage.directory.absolute()
    return f"Plimsoll {installed_version('plimsoll')} ({says}), data in {data}/"


async def follow(house: "House") -> None:
    """Show how far the past of new and changed signals is evaluated, until it is done."""
    while not house.refill.begun:
        await asyncio.sleep(LOOK_SECONDS)
    with bar("evaluating the past") as told:
        while any(one.done < 1 for one in house.backfills.values()):
            shares = [one.done for one in house.backfills.values()]
            told(round(100 * sum(shares)), 100 * len(shares))
            await asyncio.sleep(LOOK_SECONDS)


def greet(settings: Settings) -> None:
    """What a person who just started it wants to know."""
    out.print(f"Open [bold]{settings.server.url}[/] (Ctrl-C stops)")
    source = settings.storage.prometheus
    if source is not None:
        out.print(
            f"Reading {len(settings.definitions.signals)} signals from {escape(source.url)}: first "
            f"the last {written(source.backfill)}, then what is new. This machine and Plimsoll "
            "itself are watched beside."
        )
        if source.insecure_skip_verify:
            err.print(
                "[bold red]warning:[/] storage.prometheus.insecure_skip_verify is on: whoever is "
                "between here and there can read your credentials and forge every number"
            )
    elif not any(settings.collector.watched()):
        out.print(
            f"Watching this machine and Plimsoll itself; add your own targets in {FILE} "
            "(see plimsoll.example.yaml)."
        )
    if not list(settings.alerts.ways()):
        out.print("Nobody is told of regressions: no receiver is configured.")


async def read_past(house: "House") -> None:
    """Show how much of a source's past has been read, until all of it is there."""
    if house.source is None:
        return
    began = house.now()

    def share() -> float:
        source, now = house.source, house.now()
        return source.share_read(milliseconds(now)) if source is not None else 1.0

    with bar("reading the past") as told:
        while (done := await asyncio.to_thread(share)) < 1:
            told(round(done * 1000), 1000)
            await asyncio.sleep(LOOK_SECONDS)
    out.print(f"The past is read ({units.duration((house.now() - began).total_seconds())}).")


def speak(*, verbose: bool) -> None:
    """Log to standard error; libraries only when something is wrong."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for room in ("alerts", "api", "collector", "dashboards", "detector", "storage"):
        logging.getLogger(room).setLevel(logging.DEBUG if verbose else logging.INFO)


@app.command(epilog="Example: [bold]plimsoll check --config plimsoll.yaml[/]")
def check(config: Config = None) -> None:
    """Check the configuration: every fault at once, with its line, its reason and a hint."""
    settings = load(config)
    definitions = settings.definitions
    name = chosen(config) or "the defaults"
    count, told = len(list(settings.collector.watched())), settings.alerts.receiver_names
    out.print(
        f"[bold green]ok:[/] {name}: {count} target{'s' * (count != 1)}, "
        f"{len(definitions.signals)} signals, "
        f"{len([rule for rule in definitions.rules.values() if rule.enabled])} rules, "
        + (f"told: {escape(', '.join(told))}" if told else "nobody is told")
        + (f", source {escape(source.url)}" if (source := settings.storage.prometheus) else "")
    )


@signals_app.callback(epilog="Example: [bold]plimsoll signals[/]")
def signals(context: typer.Context, config: Config = None) -> None:
    """The signals in force, one a line; `explain` tells all about one."""
    if context.invoked_subcommand is None:
        from api.explain import listed

        for line in listed(load(config).definitions):
            out.print(escape(line))


@signals_app.command(epilog="Example: [bold]plimsoll signals explain api_p95[/]")
def explain(
    name: Annotated[str, typer.Argument(help="The signal.")],
    config: Config = None,
    url: Annotated[
        str | None, typer.Option(help="Where Plimsoll runs; as configured when left out.")
    ] = None,
) -> None:
    """Tell what a signal is: definition, PromQL, rules, and the last windows of a running Plimsoll.

    The windows are read from the address; without a Plimsoll there the rest is told all the same.
    """
    from api.explain import explained

    settings = load(config)
    signal = settings.definitions.signals.get(name)
    if signal is None:
        near = difflib.get_close_matches(name, settings.definitions.signals, 1)
        hint = f"did you mean {near[0]}?" if near else "`plimsoll signals` lists them"
        err.print(f"[bold red]error:[/] there is no signal {escape(name)!r}: {hint}")
        raise typer.Exit(1)
    for line in explained(settings.definitions, signal, settings.server, url):
        out.print(escape(line))


@deployments_app.command(
    "report", epilog="Example: [bold]plimsoll deployments report shop 1.4.2[/]"
)
def report_deployment(
    service: Annotated[str, typer.Argument(help="What was deployed.")],
    version: Annotated[str, typer.Argument(help="Its version.")],
    url: Annotated[
        str | None, typer.Option(help="Where Plimsoll runs; as configured when left out.")
    ] = None,
    sha: Annotated[str, typer.Option(help="The commit.")] = "",
    environment: Annotated[str, typer.Option(help="Such as production.")] = "",
    config: Config = None,
) -> None:
    """Tell a running Plimsoll that a version of a service is live since now."""
    from plimsoll_client.deployments import ReportError, report

    try:
        token = credentials.token()
        url = url or load(config).server.url
        outcome = report(url, service, version, sha=sha, environment=environment, token=token)
    except (CredentialsError, ReportError, ValueError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(1) from None
    out.print(f"{service} {version}: {outcome.replace('_', ' ')}")


@app.command(epilog="Example: [bold]plimsoll backup plimsoll-monday.tar[/]")
def backup(
    file: Annotated[Path, typer.Argument(help="The backup to make.")],
    config: Config = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if it is there.")
    ] = False,
) -> None:
    """Copy history and state, as they are at one moment, into one file; also while it runs."""
    from api.keeping import back_up

    settings = load(config)
    with bar("backup") as told:
        made = back_up(settings, file, told, force=force)
    size = units.text(file.stat().st_size, units.Unit.BYTES)
    out.print(f"[bold green]ok:[/] {file}, {size}, made {made.by}")
    if not made.with_state:
        out.print("The state is in PostgreSQL and not in it: back it up with pg_dump.")


@app.command(epilog="Example: [bold]plimsoll restore plimsoll-monday.tar --force[/]")
def restore(
    file: Annotated[Path, typer.Argument(help="The backup to restore.")],
    config: Config = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there; it is kept beside it.")
    ] = False,
) -> None:
    """Put history and state from a backup in place, while nothing runs on them."""
    from api.keeping import bring_back

    settings = load(config)
    with bar("restore") as told:
        manifest = bring_back(settings, file, told, force=force)
    names = " and ".join(manifest.files)
    out.print(f"[bold green]ok:[/] {names} of {manifest.made_at}; start it with plimsoll run")
    if manifest.state_revision is None:
        out.print("The state is not in this backup: restore it with pg_restore.")


@app.command(epilog="Example: [bold]plimsoll demo --seed 7[/]")
def demo(
    seed: Annotated[int, typer.Option(help="The same seed tells the same story.")] = 7,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the pages.")] = 8750,
    stay: Annotated[
        bool, typer.Option(help="Keep running after the story, to look around.")
    ] = True,
    window: Annotated[
        int, typer.Option(min=5, max=60, help="Length of the demo's windows in seconds.")
    ] = 15,
) -> None:
    """A small shop under real traffic, a deployment that slows one route, and what you are told."""
    from api.demo.story import Script, tell

    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    if not tell(
        Console(highlight=False), Script(seed=seed, port=port, stay=stay, window_seconds=window)
    ):
        raise typer.Exit(1)
